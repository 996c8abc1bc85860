//! Records of a dataset.
//!
//! MLflow knows a record by its inputs: one with the same inputs is laid over it, expectation by
//! expectation. Records of one request have one time and no order; theirs is kept in a tag.

use roost_provider::types::PageRequest;
use roost_provider::{Error, cursor, error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::find::{api, whole};
use crate::Result;
use crate::bindings::dataset_store::{DatasetRecord, NewRecord};
use crate::mlflow::{Mlflow, answer, ask};

/// How many records come at a time.
const MOST: u32 = 1_000;

/// The tag under which Roost keeps what records of MLflow have no place for.
const OURS: &str = "roost";

/// A record as MLflow has it.
#[derive(Deserialize)]
pub(super) struct Record {
    dataset_record_id: String,
    #[serde(default)]
    inputs: Value,
    #[serde(default)]
    expectations: Value,
    #[serde(default)]
    tags: Value,
    #[serde(default)]
    created_time: u64,
}

/// What Roost keeps of a record.
#[derive(Clone, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
struct Ours {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    /// Whether an output is expected: MLflow keeps none like an empty one.
    has_output: bool,
    /// Its place among those of one request.
    place: usize,
}

impl Record {
    fn ours(&self) -> Ours {
        let ours = self.tags.get(OURS).cloned().unwrap_or_default();
        serde_json::from_value(ours).unwrap_or_default()
    }

    /// Where it comes in the order in which records were added.
    fn place(&self) -> (u64, usize, &str) {
        (
            self.created_time,
            self.ours().place,
            &self.dataset_record_id,
        )
    }

    fn into_record(self) -> DatasetRecord {
        let ours = self.ours();
        let has_output = ours.has_output
            || self
                .expectations
                .as_object()
                .is_some_and(|it| !it.is_empty());
        DatasetRecord {
            id: self.dataset_record_id,
            key: ours.key,
            input: self.inputs.to_string(),
            output: has_output.then(|| match self.expectations {
                Value::Null => "{}".to_owned(),
                expectations => expectations.to_string(),
            }),
            metadata: ours.metadata.map(|it| it.to_string()),
            split: ours.split,
        }
    }
}

/// A text that must be a JSON object.
pub(crate) fn object(what: &str, json: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(json)
        .map_err(|why| error::invalid_argument(format!("{what} is no JSON object: {why}")))
}

/// All records of a dataset in the order in which they were added.
pub(super) fn all(mlflow: &Mlflow, dataset: &str) -> Result<Vec<Record>> {
    #[derive(Deserialize)]
    struct Found {
        records: String,
        next_page_token: Option<String>,
    }

    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let found: Found = ask(mlflow
            .http
            .get(&whole(&[dataset, "records"]))
            .query("max_results", MOST)
            .query_some("page_token", token))?;
        let records: Vec<Record> = serde_json::from_str(&found.records).map_err(|why| {
            error::backend(
                200,
                &format!("MLflow's records are of another shape: {why}"),
            )
        })?;
        all.extend(records);
        token = found.next_page_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    all.sort_by(|left, right| left.place().cmp(&right.place()));
    Ok(all)
}

/// Whether a dataset has a record of this id.
pub(crate) fn contains(mlflow: &Mlflow, dataset: &str, record: &str) -> Result<bool> {
    let records = all(mlflow, dataset)?;
    Ok(records.iter().any(|it| it.dataset_record_id == record))
}

/// A page of records, and the cursor of the next one.
pub(super) fn page(
    mlflow: &Mlflow,
    dataset: &str,
    page: &PageRequest,
) -> Result<(Vec<DatasetRecord>, Option<String>)> {
    let mut records = all(mlflow, dataset)?;
    if let Some(cursor) = &page.cursor {
        let last = last(cursor).ok_or_else(|| cursor::refusal(cursor))?;
        records.retain(|record| record.place() > last);
    }
    let is_last = records.len() <= page.limit as usize;
    records.truncate(page.limit as usize);
    let next = records.last().filter(|_| !is_last).map(|record| {
        let (created, place, id) = record.place();
        cursor::mark("record", &format!("{created}:{place}:{id}"))
    });
    let records = records.into_iter().map(Record::into_record).collect();
    Ok((records, next))
}

fn last(cursor: &str) -> Option<(u64, usize, &str)> {
    let (created, rest) = cursor::unmark("record", cursor).ok()?.split_once(':')?;
    let (place, id) = rest.split_once(':')?;
    Some((created.parse().ok()?, place.parse().ok()?, id))
}

/// What has to be done so that records are there.
pub(super) struct Plan {
    /// The ids of records to delete, which others replace.
    delete: Vec<String>,
    /// Records to write, as MLflow takes them.
    write: Vec<Value>,
}

/// A record that is there, or will be.
struct Present {
    /// None for one that is in the same list.
    id: Option<String>,
    inputs: Value,
    expectations: Value,
    ours: Ours,
}

impl Plan {
    /// What to do so that `new` is there beside `present`, or instead where the keys say so.
    pub(super) fn of(present: Vec<Record>, new: &[NewRecord]) -> Result<Self> {
        let mut present: Vec<Present> = present
            .into_iter()
            .map(|record| Present {
                ours: record.ours(),
                id: Some(record.dataset_record_id),
                inputs: record.inputs,
                expectations: record.expectations,
            })
            .collect();
        let mut plan = Self {
            delete: Vec::new(),
            write: Vec::new(),
        };
        for (place, new) in new.iter().enumerate() {
            plan.add(&mut present, place, new)?;
        }
        Ok(plan)
    }

    fn add(&mut self, present: &mut Vec<Present>, place: usize, new: &NewRecord) -> Result<()> {
        let of = |what: &str| format!("the {what} of record {place}");
        let inputs = Value::Object(object(&of("input"), &new.input)?);
        let output = new.output.as_deref();
        let expectations = match output {
            Some(json) => Value::Object(object(&of("output"), json)?),
            None => Value::Null,
        };
        let metadata = new.metadata.as_deref();
        let metadata = metadata.map(|json| object(&of("metadata"), json));
        let ours = Ours {
            key: new.key.clone(),
            split: new.split.clone(),
            metadata: metadata.transpose()?.map(Value::Object),
            has_output: output.is_some(),
            place,
        };
        let is_same = |other: &Present| {
            let kept = Ours {
                place,
                ..other.ours.clone()
            };
            other.inputs == inputs
                && same_content(&other.expectations, &expectations)
                && kept == ours
        };
        if present.iter().any(is_same) {
            return Ok(());
        }
        let replaced = new.key.as_ref().and_then(|key| {
            let same = |it: &Present| it.ours.key.as_ref() == Some(key);
            present.iter().position(same)
        });
        if let Some(index) = replaced {
            let old = present.swap_remove(index);
            match old.id {
                Some(id) => self.delete.push(id),
                None => self
                    .write
                    .retain(|it| it.get("inputs") != Some(&old.inputs)),
            }
        }
        if present.iter().any(|it| it.inputs == inputs) {
            return Err(Error::Unsupported(format!(
                "record {place} has the input of another, and MLflow keeps one record of each \
                 input: give both one key to replace the other, or tell their inputs apart"
            )));
        }
        self.write.push(json!({
            "inputs": inputs,
            "expectations": expectations,
            "tags": { OURS: ours },
        }));
        present.push(Present {
            id: None,
            inputs,
            expectations,
            ours,
        });
        Ok(())
    }

    /// Do it.
    pub(super) fn carry_out(self, mlflow: &Mlflow, dataset: &str) -> Result<()> {
        // First, since a record of the same inputs would be laid over the old one.
        if !self.delete.is_empty() {
            let body = json!({ "dataset_record_ids": self.delete });
            let request = mlflow
                .http
                .delete(&whole(&[dataset, "records"]))
                .json(&body)?;
            answer(request)?;
        }
        if !self.write.is_empty() {
            let body = json!({ "records": Value::Array(self.write).to_string() });
            answer(api(mlflow, &[dataset, "records"]).json(&body)?.repeatable())?;
        }
        Ok(())
    }
}

/// Whether two outputs are the same; none and an empty one are told apart by the tag.
fn same_content(left: &Value, right: &Value) -> bool {
    let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    left == right || (is_empty(left) && is_empty(right))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn new(key: Option<&str>, input: &str, output: Option<&str>) -> NewRecord {
        NewRecord {
            key: key.map(str::to_owned),
            input: input.to_owned(),
            output: output.map(str::to_owned),
            metadata: None,
            split: None,
        }
    }

    fn present(id: &str, key: &str, inputs: Value) -> Record {
        Record {
            dataset_record_id: id.to_owned(),
            inputs,
            expectations: Value::Null,
            tags: json!({ OURS: { "key": key } }),
            created_time: 1,
        }
    }

    #[test]
    fn a_key_replaces_and_the_same_content_is_left_out() {
        let there = vec![present("r1", "a", json!({ "q": 1 }))];
        let plan = Plan::of(there, &[new(Some("a"), r#"{"q":2}"#, None)]).unwrap();
        assert_eq!((plan.delete, plan.write.len()), (vec!["r1".to_owned()], 1));

        let twice = [
            new(None, r#"{"q":1}"#, None),
            new(None, r#"{ "q": 1 }"#, None),
        ];
        assert_eq!(Plan::of(Vec::new(), &twice).unwrap().write.len(), 1);
        let keyed = [
            new(Some("a"), r#"{"q":1}"#, None),
            new(Some("a"), r#"{"q":2}"#, None),
        ];
        assert_eq!(Plan::of(Vec::new(), &keyed).unwrap().write.len(), 1);
    }

    #[test]
    fn one_input_with_two_outputs_is_refused() {
        let two = [
            new(None, r#"{"q":1}"#, Some(r#"{"a":1}"#)),
            new(None, r#"{"q":1}"#, Some(r#"{"a":2}"#)),
        ];
        assert!(matches!(
            Plan::of(Vec::new(), &two),
            Err(Error::Unsupported(_))
        ));
        assert!(Plan::of(Vec::new(), &[new(None, "[]", None)]).is_err());
    }
}
