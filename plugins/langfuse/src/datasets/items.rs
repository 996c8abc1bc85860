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
    /// The item that a record becomes, with the place 0.
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
                place: 0,
                key: record.key.clone(),
                split: record.split.clone(),
            },
        })
    }

    /// Whether it would change nothing about an item of its id but the place.
    fn is(&self, old: &Item) -> bool {
        let ours = old.ours().unwrap_or_default();
        old.input.as_object() == Some(&self.input)
            && old.expected_output.as_object() == self.output.as_ref()
            && old.metadata() == self.metadata
            && (ours.key, ours.split) == (self.ours.key.clone(), self.ours.split.clone())
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

/// What has to be written so that records are there.
pub(super) struct Plan(Vec<New>);

impl Plan {
    /// What to write so that `records` are there beside `present`, or instead where the keys say so.
    pub(super) fn of(dataset: &str, present: &[Item], records: &[NewRecord]) -> Result<Self> {
        let places = present.iter().filter_map(Item::ours).map(|ours| ours.place);
        let mut next = places.max().map_or(0, |last| last.saturating_add(1));
        let mut plan: Vec<New> = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let mut new = New::of(dataset, number, record)?;
            // What replaces another keeps its place.
            if let Some(earlier) = plan.iter_mut().find(|it| it.id == new.id) {
                new.ours.place = earlier.ours.place;
                *earlier = new;
                continue;
            }
            let old = present.iter().find(|item| item.id == new.id);
            if old.is_some_and(|old| new.is(old)) {
                continue;
            }
            match old.and_then(Item::ours) {
                Some(ours) => new.ours.place = ours.place,
                None => {
                    new.ours.place = next;
                    next = next.saturating_add(1);
                }
            }
            plan.push(new);
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

    /// The items that Langfuse has after a plan.
    fn stored(plan: Plan) -> Vec<Item> {
        let items = plan.0.into_iter().map(|new| {
            let mut item = new.body("d");
            item["updatedAt"] = json!("2026-11-18T11:27:00Z");
            serde_json::from_value(item).unwrap()
        });
        items.collect()
    }

    fn places(items: &[Item]) -> Vec<u64> {
        items.iter().map(|it| it.place().0).collect()
    }

    #[test]
    fn the_same_again_writes_nothing_and_a_key_replaces() {
        let first = [new(Some("a"), r#"{"q":1}"#), new(None, r#"{"q":2}"#)];
        let there = stored(Plan::of("d", &[], &first).unwrap());
        assert_eq!(places(&there), [0, 1]);
        assert_eq!(Plan::of("d", &there, &first).unwrap().0.len(), 0);

        let more = [
            new(Some("a"), r#"{"q":9}"#),
            new(None, r#"{ "q": 2 }"#),
            new(None, "{}"),
        ];
        let changed = stored(Plan::of("d", &there, &more).unwrap());
        assert_eq!(places(&changed), [0, 2]);
        assert_eq!(changed[0].id, there[0].id);

        // In another dataset, they are others: Langfuse has one name space of items.
        let other = stored(Plan::of("e", &[], &first).unwrap());
        assert_ne!(other[0].id, there[0].id);
    }

    #[test]
    fn of_one_key_the_last_counts_also_in_one_list() {
        let twice = [
            new(Some("a"), r#"{"q":1}"#),
            new(None, r#"{"q":5}"#),
            new(Some("a"), r#"{"q":2}"#),
            new(None, r#"{"q":5}"#),
        ];
        let there = stored(Plan::of("d", &[], &twice).unwrap());
        assert_eq!(places(&there), [0, 1]);
        assert_eq!(there[0].input, json!({ "q": 2 }));
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let plan = Plan::of("d", &[], &[new(Some("a"), r#"{"q":"ü"}"#)]).unwrap();
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
        assert!(Plan::of("d", &[], &[new(None, "[]")]).is_err());
        let mut bad = new(None, "{}");
        bad.metadata = Some(r#"{"roost":1}"#.to_owned());
        assert!(Plan::of("d", &[], &[bad]).is_err());
    }
}
