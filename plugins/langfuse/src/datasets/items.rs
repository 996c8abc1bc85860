//! Records of a dataset, which Langfuse calls items.
//!
//! An item's id is the caller's to choose, and writing it again replaces it. So it is a digest of
//! the record's key, or of its content: a repeated call makes nothing twice, and nobody has to
//! read what is there before. Items that were made in one millisecond are told apart by their
//! place in the call, which is kept in the metadata.

use std::collections::BTreeMap;

use roost_provider::{error, time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::find::Meta;
use crate::Result;
use crate::bindings::dataset_store::{DatasetRecord, NewRecord};
use crate::langfuse::{Langfuse, ask};

/// How many items come at a time.
const MOST: u32 = 100;

/// The key in the metadata under which Roost keeps what has no place elsewhere.
const OURS: &str = "roost";

/// An item as Langfuse has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) id: String,
    status: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    expected_output: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(deserialize_with = "time::deserialize")]
    created_at: u64,
    #[serde(deserialize_with = "time::deserialize")]
    pub(super) updated_at: u64,
}

/// What Roost keeps of a record.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Ours {
    /// Where it came in the call that added it.
    place: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<String>,
}

impl Item {
    fn ours(&self) -> Option<Ours> {
        Ours::deserialize(self.metadata.get(OURS)?).ok()
    }

    /// Where it comes in the order in which records were added.
    pub(super) fn place(&self) -> (u64, usize, &str) {
        let place = self.ours().map_or(0, |ours| ours.place);
        (self.created_at, place, &self.id)
    }

    pub(super) fn into_record(self) -> DatasetRecord {
        let ours = self.ours().unwrap_or_default();
        let mut metadata = self.metadata.as_object().cloned().unwrap_or_default();
        metadata.remove(OURS);
        DatasetRecord {
            key: ours.key,
            split: ours.split,
            metadata: (!metadata.is_empty()).then(|| json!(metadata).to_string()),
            input: whole(self.input),
            output: (!self.expected_output.is_null()).then(|| whole(self.expected_output)),
            id: self.id,
        }
    }
}

/// An object as JSON; what others wrote that is none becomes a member of one.
fn whole(value: Value) -> String {
    match value {
        Value::Object(_) => value.to_string(),
        value => json!({ "value": value }).to_string(),
    }
}

/// A text that must be a JSON object.
pub(super) fn object(what: &str, json: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(json)
        .map_err(|why| error::invalid_argument(format!("{what} is no JSON object: {why}")))
}

/// The items of a dataset in the order in which they were added, as they are or were at a time.
pub(super) fn all(langfuse: &Langfuse, dataset: &str, version: Option<u64>) -> Result<Vec<Item>> {
    #[derive(Deserialize)]
    struct Found {
        data: Vec<Item>,
        meta: Meta,
    }

    // Pages are counted from the newest: one that comes meanwhile shows another twice.
    let mut found_by_id = BTreeMap::new();
    for number in 1_u64.. {
        let found: Found = ask(langfuse
            .get(&["dataset-items"])
            .query("datasetName", dataset)
            .query_some("version", version.map(time::format))
            .query("page", number)
            .query("limit", MOST))?;
        found_by_id.extend(found.data.into_iter().map(|item| (item.id.clone(), item)));
        if number >= found.meta.total_pages {
            break;
        }
    }
    let mut all: Vec<Item> = found_by_id.into_values().collect();
    all.retain(|item| item.status == "ACTIVE");
    all.sort_by(|left, right| left.place().cmp(&right.place()));
    Ok(all)
}

/// How many items a dataset has; those that somebody archived among them.
pub(super) fn count(langfuse: &Langfuse, dataset: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct Found {
        meta: Meta,
    }

    let found: Found = ask(langfuse
        .get(&["dataset-items"])
        .query("datasetName", dataset)
        .query("page", 1)
        .query("limit", 1))?;
    Ok(found.meta.total_items)
}

/// An item to write.
struct New {
    id: String,
    input: Map<String, Value>,
    output: Option<Map<String, Value>>,
    /// The caller's.
    metadata: Map<String, Value>,
    ours: Ours,
}

impl New {
    /// The item that the record of this number in a call becomes.
    fn of(dataset: &str, number: usize, record: &NewRecord) -> Result<Self> {
        let of = |what: &str| format!("the {what} of record {number}");
        let optional = |what: &str, json: &Option<String>| {
            let json = json.as_deref();
            json.map(|json| object(&of(what), json)).transpose()
        };
        let input = object(&of("input"), &record.input)?;
        let output = optional("output", &record.output)?;
        let metadata = optional("metadata", &record.metadata)?.unwrap_or_default();
        if metadata.contains_key(OURS) {
            return Err(error::invalid_argument(format!(
                "{} has a member `{OURS}`, under which the provider keeps what Langfuse has no \
                 place for: give it another name",
                of("metadata")
            )));
        }
        let what = match &record.key {
            Some(key) => json!([dataset, key]),
            None => json!([dataset, input, output, metadata, record.split]),
        };
        let digest = Sha256::digest(what.to_string().as_bytes());
        let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        Ok(Self {
            id: format!("roost-{}", digits.collect::<String>()),
            input,
            output,
            metadata,
            ours: Ours {
                place: number,
                key: record.key.clone(),
                split: record.split.clone(),
            },
        })
    }

    /// As Langfuse takes it.
    fn body(mut self, dataset: &str) -> Value {
        self.metadata.insert(OURS.to_owned(), json!(self.ours));
        json!({
            "datasetName": dataset,
            "id": self.id,
            "input": self.input,
            "expectedOutput": self.output,
            "metadata": self.metadata,
            "status": "ACTIVE",
        })
    }
}

/// The items that records become: of those that replace each other, the last one.
pub(super) struct Plan(Vec<New>);

impl Plan {
    /// What to write so that `records` are there.
    pub(super) fn of(dataset: &str, records: &[NewRecord]) -> Result<Self> {
        let mut plan: Vec<New> = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let mut new = New::of(dataset, number, record)?;
            match plan.iter_mut().find(|it| it.id == new.id) {
                Some(earlier) => {
                    new.ours.place = earlier.ours.place;
                    *earlier = new;
                }
                None => plan.push(new),
            }
        }
        Ok(Self(plan))
    }

    /// Write it; returned are the items. Should one fail, those before it are there, and writing
    /// all again adds what is missing.
    pub(super) fn carry_out(self, langfuse: &Langfuse, dataset: &str) -> Result<Vec<Item>> {
        let write = |new: New| {
            let body = new.body(dataset);
            ask(langfuse.post(&["dataset-items"]).json(&body)?.repeatable())
        };
        self.0.into_iter().map(write).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn new(key: Option<&str>, input: &str) -> NewRecord {
        NewRecord {
            key: key.map(str::to_owned),
            input: input.to_owned(),
            output: None,
            metadata: Some(r#"{"level":"hard"}"#.to_owned()),
            split: Some("test".to_owned()),
        }
    }

    /// The items that Langfuse has after a plan, made in one millisecond.
    fn stored(plan: Plan) -> Vec<Item> {
        let items = plan.0.into_iter().map(|new| {
            let mut item = new.body("d");
            item["createdAt"] = json!("2026-11-18T11:27:00Z");
            item["updatedAt"] = json!("2026-11-18T11:27:00Z");
            serde_json::from_value(item).unwrap()
        });
        items.collect()
    }

    #[test]
    fn a_key_or_the_same_content_has_one_id_in_a_dataset() {
        let first = [new(Some("a"), r#"{"q":1}"#), new(None, r#"{"q":2}"#)];
        let there = stored(Plan::of("d", &first).unwrap());
        let again = [
            new(None, r#"{ "q": 2 }"#),
            new(Some("a"), r#"{"q":9}"#),
            new(None, "{}"),
        ];
        let again = stored(Plan::of("d", &again).unwrap());
        assert_eq!(again[0].id, there[1].id);
        assert_eq!(again[1].id, there[0].id);
        assert!(there.iter().all(|it| it.id != again[2].id));

        // In another dataset, they are others: Langfuse has one name space of items.
        let other = stored(Plan::of("e", &first).unwrap());
        assert!(
            other
                .iter()
                .all(|it| it.id != there[0].id && it.id != there[1].id)
        );
    }

    #[test]
    fn of_one_key_the_last_counts_and_the_order_is_kept() {
        let twice = [
            new(Some("a"), r#"{"q":1}"#),
            new(None, r#"{"q":5}"#),
            new(Some("a"), r#"{"q":2}"#),
            new(None, r#"{"q":5}"#),
            new(None, r#"{"q":0}"#),
        ];
        let mut there = stored(Plan::of("d", &twice).unwrap());
        there.reverse();
        there.sort_by(|left, right| left.place().cmp(&right.place()));
        let inputs: Vec<_> = there.iter().map(|it| it.input.to_string()).collect();
        assert_eq!(inputs, [r#"{"q":2}"#, r#"{"q":5}"#, r#"{"q":0}"#]);
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let plan = Plan::of("d", &[new(Some("a"), r#"{"q":"ü"}"#)]).unwrap();
        let record = stored(plan).remove(0).into_record();
        assert_eq!(
            (record.key.as_deref(), record.split.as_deref()),
            (Some("a"), Some("test"))
        );
        assert_eq!(record.input, r#"{"q":"ü"}"#);
        assert_eq!(record.output, None);
        assert_eq!(record.metadata.as_deref(), Some(r#"{"level":"hard"}"#));
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert!(Plan::of("d", &[new(None, "[]")]).is_err());
        let mut bad = new(None, "{}");
        bad.metadata = Some(r#"{"roost":1}"#.to_owned());
        assert!(Plan::of("d", &[bad]).is_err());
    }
}
