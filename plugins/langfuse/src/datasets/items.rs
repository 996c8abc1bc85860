//! Records of a dataset, which Langfuse calls items.
//!
//! An item's id is the caller's to choose, and writing it again replaces it. So it is a digest of
//! the record's key, or of its content: a repeated call makes nothing twice. The order in which
//! records were added is kept in the metadata.

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
#[derive(Clone, Debug, Deserialize)]
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
    pub(super) updated_at: u64,
}

/// What Roost keeps of a record.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Ours {
    /// Where it comes in the order in which records were added.
    place: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<String>,
}

impl Item {
    fn ours(&self) -> Option<Ours> {
        Ours::deserialize(self.metadata.get(OURS)?).ok()
    }

    /// Where it comes: those of others last, in the order of their last change.
    pub(super) fn place(&self) -> (u64, &str) {
        let place = self.ours().map_or(self.updated_at, |ours| ours.place);
        (place, &self.id)
    }

    /// Its metadata without ours.
    fn metadata(&self) -> Map<String, Value> {
        let mut metadata = self.metadata.as_object().cloned().unwrap_or_default();
        metadata.remove(OURS);
        metadata
    }

    pub(super) fn into_record(self) -> DatasetRecord {
        let ours = self.ours().unwrap_or_default();
        let metadata = self.metadata();
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

    let mut all: Vec<Item> = Vec::new();
    for number in 1_u64.. {
        let found: Found = ask(langfuse
            .get(&["dataset-items"])
            .query("datasetName", dataset)
            .query_some("version", version.map(time::format))
            .query("page", number)
            .query("limit", MOST))?;
        all.extend(found.data);
        if number >= found.meta.total_pages {
            break;
        }
    }
    // One that came meanwhile shows another twice.
    all.sort_by(|left, right| left.place().cmp(&right.place()));
    all.dedup_by(|left, right| left.id == right.id);
    all.retain(|item| item.status == "ACTIVE");
    Ok(all)
}

/// What has to be written so that records are there.
pub(super) struct Plan(Vec<Value>);

impl Plan {
    /// What to write so that `new` is there beside `present`, or instead where the keys say so.
    pub(super) fn of(dataset: &str, present: &[Item], new: &[NewRecord]) -> Result<Self> {
        let last = present.iter().filter_map(Item::ours).map(|ours| ours.place);
        let mut next = last.max().map_or(0, |place| place.saturating_add(1));
        let mut plan: Vec<Value> = Vec::new();
        for (number, new) in new.iter().enumerate() {
            let (id, mut body) = body(dataset, number, new)?;
            let old = present.iter().find(|item| item.id == id);
            let planned = plan.iter().position(|it| it.get("id") == body.get("id"));
            if planned.is_none() && old.is_some_and(|old| old.is(&body)) {
                continue;
            }
            // One that replaces another keeps its place.
            let kept = match planned.and_then(|at| plan.get(at)) {
                Some(planned) => planned
                    .pointer("/metadata/roost/place")
                    .and_then(Value::as_u64),
                None => old.and_then(Item::ours).map(|ours| ours.place),
            };
            let place = kept.unwrap_or(next);
            next = next.max(place.saturating_add(1));
            if let Some(slot) = body.pointer_mut("/metadata/roost/place") {
                *slot = json!(place);
            }
            match planned.and_then(|at| plan.get_mut(at)) {
                Some(planned) => *planned = body,
                None => plan.push(body),
            }
        }
        Ok(Self(plan))
    }

    /// Write it; returned are the items. Should one fail, those before it are there, and writing
    /// all again adds what is missing.
    pub(super) fn carry_out(self, langfuse: &Langfuse, dataset: &str) -> Result<Vec<Item>> {
        let mut written = Vec::with_capacity(self.0.len());
        for mut body in self.0 {
            if let Some(body) = body.as_object_mut() {
                body.insert("datasetName".to_owned(), json!(dataset));
            }
            let request = langfuse.post(&["dataset-items"]).json(&body)?.repeatable();
            written.push(ask(request)?);
        }
        Ok(written)
    }
}

impl Item {
    /// Whether it is what `body` would make of it, wherever it comes.
    fn is(&self, body: &Value) -> bool {
        let ours = self.ours().map(|ours| Ours { place: 0, ..ours });
        let mut metadata = self.metadata();
        metadata.insert(OURS.to_owned(), json!(ours));
        body.get("input") == Some(&self.input)
            && body.get("expectedOutput") == Some(&self.expected_output)
            && body.get("metadata") == Some(&Value::Object(metadata))
    }
}

/// The id of a record and what Langfuse takes, with the place 0.
fn body(dataset: &str, number: usize, new: &NewRecord) -> Result<(String, Value)> {
    let of = |what: &str| format!("the {what} of record {number}");
    let input = object(&of("input"), &new.input)?;
    let output = new.output.as_deref();
    let output = output.map(|json| object(&of("output"), json)).transpose()?;
    let metadata = new.metadata.as_deref();
    let metadata = metadata.map(|json| object(&of("metadata"), json));
    let mut metadata = metadata.transpose()?.unwrap_or_default();
    if metadata.contains_key(OURS) {
        return Err(error::invalid_argument(format!(
            "{} has a member `{OURS}`, under which the provider keeps what Langfuse has no place \
             for: give it another name",
            of("metadata")
        )));
    }
    let ours = Ours {
        place: 0,
        key: new.key.clone(),
        split: new.split.clone(),
    };
    metadata.insert(OURS.to_owned(), json!(ours));
    let what = match &new.key {
        Some(key) => json!([dataset, key]),
        None => json!([dataset, input, output, metadata]),
    };
    let digest = Sha256::digest(what.to_string().as_bytes());
    let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
    let id = format!("roost-{}", digits.collect::<String>());
    let body = json!({
        "id": id,
        "input": input,
        "expectedOutput": output,
        "metadata": metadata,
        "status": "ACTIVE",
    });
    Ok((id, body))
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

    /// The items that Langfuse has after a plan.
    fn stored(plan: &Plan) -> Vec<Item> {
        let items = plan.0.iter().map(|body| {
            let mut item = body.clone();
            item["updatedAt"] = json!("2026-11-18T11:27:00Z");
            serde_json::from_value(item).unwrap()
        });
        items.collect()
    }

    fn places(plan: &Plan) -> Vec<u64> {
        let place = |it: &Value| it["metadata"]["roost"]["place"].as_u64().unwrap();
        plan.0.iter().map(place).collect()
    }

    #[test]
    fn the_same_again_writes_nothing_and_a_key_replaces() {
        let first = [new(Some("a"), r#"{"q":1}"#), new(None, r#"{"q":2}"#)];
        let plan = Plan::of("d", &[], &first).unwrap();
        assert_eq!(places(&plan), [0, 1]);
        let there = stored(&plan);
        assert_eq!(Plan::of("d", &there, &first).unwrap().0.len(), 0);

        let more = [
            new(Some("a"), r#"{"q":9}"#),
            new(None, r#"{ "q": 2 }"#),
            new(None, "{}"),
        ];
        let plan = Plan::of("d", &there, &more).unwrap();
        assert_eq!(places(&plan), [0, 2]);
        assert_eq!(stored(&plan)[0].id, there[0].id);

        // In another dataset, they are others: Langfuse has one name space of items.
        assert_ne!(
            stored(&Plan::of("e", &[], &first).unwrap())[0].id,
            there[0].id
        );
    }

    #[test]
    fn of_one_key_the_last_counts_also_in_one_list() {
        let twice = [
            new(Some("a"), r#"{"q":1}"#),
            new(None, r#"{"q":5}"#),
            new(Some("a"), r#"{"q":2}"#),
            new(None, r#"{"q":5}"#),
        ];
        let plan = Plan::of("d", &[], &twice).unwrap();
        assert_eq!(places(&plan), [0, 1]);
        assert_eq!(plan.0[0]["input"], json!({ "q": 2 }));
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let plan = Plan::of("d", &[], &[new(Some("a"), r#"{"q":"ü"}"#)]).unwrap();
        let record = stored(&plan).remove(0).into_record();
        assert_eq!(
            (record.key.as_deref(), record.split.as_deref()),
            (Some("a"), Some("test"))
        );
        assert_eq!(record.input, r#"{"q":"ü"}"#);
        assert_eq!(
            (record.output, record.metadata),
            (None, Some(r#"{"level":"hard"}"#.to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert!(Plan::of("d", &[], &[new(None, "[]")]).is_err());
        let mut bad = new(None, "{}");
        bad.metadata = Some(r#"{"roost":1}"#.to_owned());
        assert!(Plan::of("d", &[], &[bad]).is_err());
    }
}
