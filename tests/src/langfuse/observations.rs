//! Lists of observations: filters, fields and cursors.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::oracle::Call;
use super::store::{Answer, Reply, Store, bad, ok, read, text};

/// What each group of fields holds.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "core",
        &[
            "id",
            "traceId",
            "startTime",
            "endTime",
            "projectId",
            "parentObservationId",
            "type",
            "modelId",
            "inputPrice",
            "outputPrice",
            "totalPrice",
        ],
    ),
    (
        "basic",
        &[
            "name",
            "level",
            "statusMessage",
            "version",
            "environment",
            "bookmarked",
            "public",
            "userId",
            "sessionId",
            "isRootObservation",
        ],
    ),
    ("time", &["createdAt", "updatedAt"]),
    ("io", &["input", "output"]),
    ("metadata", &["metadata"]),
];

/// How many characters of a value of metadata come unless more are asked for.
const CUT: usize = 200;

impl Store {
    /// A page of observations, newest first.
    pub(super) fn list_observations(&self, call: &Call) -> Answer {
        let limit = call.number("limit").unwrap_or(50);
        if limit == 0 || limit > 1_000 {
            return Err(bad("limit is from 1 to 1000"));
        }
        let conditions: Vec<Value> = match call.text("filter") {
            Some(filter) => serde_json::from_str(filter).map_err(|why| bad(&why.to_string()))?,
            None => Vec::new(),
        };
        let last = call.text("cursor").map(place_of).transpose()?;
        let mut found = Vec::new();
        for observation in &self.observations {
            let mut fits = last.as_ref().is_none_or(|last| place(observation) < *last);
            for condition in &conditions {
                fits = holds(condition, observation)? && fits;
            }
            if fits {
                found.push(observation);
            }
        }
        found.sort_by_key(|it| std::cmp::Reverse(place(it)));
        let has_more = found.len() > limit;
        found.truncate(limit);
        let cursor = found.last().filter(|_| has_more).map(|it| {
            let (start, trace, id) = place(it);
            BASE64_STANDARD.encode(json!([start, trace, id]).to_string())
        });
        let fields = call.list("fields").unwrap_or_else(|| vec!["core", "basic"]);
        let whole = call.list("expandMetadata").unwrap_or_default();
        let data = found.into_iter().map(|it| shown(it, &fields, &whole));
        let data: Vec<Value> = data.collect::<Result<_, _>>()?;
        let mut meta = Map::new();
        if let Some(cursor) = cursor {
            meta.insert("cursor".to_owned(), json!(cursor));
        }
        ok(json!({ "data": data, "meta": meta }))
    }

    /// Delete traces with all that is about them.
    pub(super) fn delete_traces(&mut self, body: &Value) -> Answer {
        let ids = body.get("traceIds").and_then(Value::as_array);
        let ids = ids.map(Vec::as_slice).unwrap_or_default();
        let is_of = |it: &Value| it.get("traceId").is_some_and(|id| ids.contains(id));
        self.observations.retain(|it| !is_of(it));
        self.scores.retain(|_, it| !is_of(it));
        ok(json!({ "message": "Traces deleted successfully" }))
    }
}

/// Where an observation comes in the order, last first.
type Place = (i64, String, String);

fn place(observation: &Value) -> Place {
    let member = |key: &str| text(observation, key).unwrap_or_default();
    let start = read(member("startTime")).unwrap_or_default();
    (start, member("traceId").to_owned(), member("id").to_owned())
}

fn place_of(cursor: &str) -> Result<Place, Reply> {
    let bytes = BASE64_STANDARD.decode(cursor).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| bad("Invalid cursor format"))
}

/// The groups that are wanted of an observation.
fn shown(observation: &Value, fields: &[&str], whole: &[&str]) -> Result<Value, Reply> {
    let mut shown = Map::new();
    for group in ["core"].iter().chain(fields) {
        let (_, keys) = GROUPS
            .iter()
            .find(|(name, _)| name == group)
            .ok_or_else(|| bad(&format!("no group of fields `{group}`")))?;
        for key in *keys {
            let value = observation.get(*key).cloned().unwrap_or_default();
            shown.insert((*key).to_owned(), value);
        }
    }
    if let Some(Value::Object(metadata)) = shown.get_mut("metadata") {
        for (key, value) in metadata {
            if let Value::String(text) = value
                && !whole.contains(&key.as_str())
            {
                *text = text.chars().take(CUT).collect();
            }
        }
    }
    Ok(Value::Object(shown))
}

/// The columns that the document names, as far as they are here.
const TEXTS: [&str; 6] = ["id", "type", "name", "traceId", "level", "sessionId"];

/// Whether a condition holds; refused is what the document does not have.
fn holds(condition: &Value, observation: &Value) -> Result<bool, Reply> {
    let said = |key: &str| text(condition, key).ok_or_else(|| bad(&format!("no `{key}`")));
    let (kind, column, operator) = (said("type")?, said("column")?, said("operator")?);
    let value = condition.get("value").unwrap_or(&Value::Null);
    let actual = observation.get(column).unwrap_or(&Value::Null);
    match (kind, operator) {
        ("string", "=") if TEXTS.contains(&column) && value.is_string() => Ok(actual == value),
        ("stringOptions", "any of") if TEXTS.contains(&column) => {
            let values = value.as_array().ok_or_else(|| bad("no list"))?;
            Ok(values.contains(actual))
        }
        ("stringObject", "=") if column == "metadata" && value.is_string() => {
            Ok(actual.get(said("key")?) == Some(value))
        }
        ("boolean", "=") if column == "isRootObservation" => Ok(actual == value),
        ("null", "is not null") if TEXTS.contains(&column) => Ok(!actual.is_null()),
        ("datetime", operator) if matches!(column, "startTime" | "endTime") => {
            let time = |it: &Value| it.as_str().and_then(read).ok_or_else(|| bad("no time"));
            let (actual, value) = (time(actual)?, time(value)?);
            match operator {
                ">=" => Ok(actual >= value),
                "<" => Ok(actual < value),
                _ => Err(bad("another comparison of times")),
            }
        }
        _ => Err(bad(&format!("no such condition: {condition}"))),
    }
}
