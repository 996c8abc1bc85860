//! Scores.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::oracle::Call;
use super::store::{Answer, PROJECT, Reply, Store, bad, ok, read, text, written};

/// The fields of a score that always come.
const CORE: [&str; 9] = [
    "id",
    "projectId",
    "name",
    "dataType",
    "value",
    "source",
    "timestamp",
    "environment",
    "createdAt",
];

impl Store {
    /// Keep a score, over the one of its id.
    pub(super) fn take_score(&mut self, body: &Value) -> Answer {
        let now = self.now();
        let has = |key: &str| text(body, key).is_some();
        let subjects = [has("traceId"), has("sessionId"), has("datasetRunId")];
        if subjects.iter().filter(|it| **it).count() != 1 {
            return Err(bad("one of traceId, sessionId and datasetRunId is needed"));
        }
        if has("observationId") && !has("traceId") {
            return Err(bad("observationId without traceId"));
        }
        let kind = text(body, "dataType").unwrap_or("NUMERIC");
        let value = body.get("value").cloned().unwrap_or_default();
        let length = value.as_str().map(|text| text.chars().count());
        let value = match (kind, length) {
            ("NUMERIC", None) | ("CATEGORICAL", Some(1..)) | ("TEXT", Some(1..=500)) => value,
            ("BOOLEAN", None) => json!(value.as_f64() == Some(1.0)),
            _ => {
                return Err(bad(&format!(
                    "{value} is no value of a score that is {kind}"
                )));
            }
        };
        let id = match text(body, "id") {
            Some(id) => id.to_owned(),
            None => format!("score-{now}"),
        };
        // What metadata hold are texts.
        let metadata = body.get("metadata").and_then(Value::as_object);
        let metadata: Map<String, Value> = metadata
            .into_iter()
            .flatten()
            .map(|(key, value)| match value {
                Value::String(_) => (key.clone(), value.clone()),
                value => (key.clone(), json!(value.to_string())),
            })
            .collect();
        let before = self.scores.get(&id).and_then(|it| text(it, "createdAt"));
        let created = before.map_or_else(|| written(now), str::to_owned);
        let score = json!({
            "id": id, "projectId": PROJECT, "name": body.get("name"), "dataType": kind,
            "value": value, "source": text(body, "source").unwrap_or("API"),
            "environment": text(body, "environment").unwrap_or("default"),
            "timestamp": created, "createdAt": created, "updatedAt": written(now),
            "comment": body.get("comment"), "metadata": metadata, "configId": null,
            "traceId": body.get("traceId"), "observationId": body.get("observationId"),
            "sessionId": body.get("sessionId"), "datasetRunId": body.get("datasetRunId"),
        });
        self.scores.insert(id.clone(), score);
        ok(json!({ "id": id }))
    }

    /// A page of scores, newest first.
    pub(super) fn list_scores(&self, call: &Call) -> Answer {
        let limit = call.number("limit").unwrap_or(50);
        if limit == 0 || limit > 100 {
            return Err(bad("limit is from 1 to 100"));
        }
        let has = |key: &str| call.text(key).is_some();
        let subjects = [has("traceId"), has("sessionId"), has("experimentId")];
        if subjects.iter().filter(|it| **it).count() > 1 || has("observationId") && !has("traceId")
        {
            return Err(bad(
                "traceId, sessionId and experimentId exclude each other",
            ));
        }
        let is_listed = |score: &Value, key: &str| {
            let wanted = call.list(key);
            wanted.is_none_or(|wanted| text(score, key).is_some_and(|it| wanted.contains(&it)))
        };
        let last = call.text("cursor").map(place_of).transpose()?;
        let mut found: Vec<&Value> = self
            .scores
            .values()
            .filter(|it| {
                ["id", "name", "traceId", "sessionId", "observationId"]
                    .iter()
                    .all(|key| is_listed(it, key))
            })
            .filter(|it| last.as_ref().is_none_or(|last| place(it) < *last))
            .collect();
        found.sort_by_key(|it| std::cmp::Reverse(place(it)));
        let has_more = found.len() > limit;
        found.truncate(limit);
        let mut meta = json!({ "limit": limit });
        if let (Some(last), Some(meta)) = (found.last().filter(|_| has_more), meta.as_object_mut())
        {
            let place = json!(place(last)).to_string();
            meta.insert(
                "cursor".to_owned(),
                json!(BASE64_URL_SAFE_NO_PAD.encode(place)),
            );
        }
        let fields = call.list("fields").unwrap_or_default();
        let data = found.into_iter().map(|it| shown(it, &fields));
        let data: Vec<Value> = data.collect::<Result<_, _>>()?;
        ok(json!({ "data": data, "meta": meta }))
    }

    /// Delete a score.
    pub(super) fn delete_score(&mut self, call: &Call) -> Answer {
        let id = call.text("scoreId").unwrap_or_default();
        match self.scores.remove(id) {
            Some(_) => Ok(Reply {
                status: 204,
                body: None,
            }),
            None => Err(Reply::refusal(404, "No score found")),
        }
    }
}

fn place(score: &Value) -> (i64, String) {
    let time = text(score, "timestamp").and_then(read);
    let id = text(score, "id").unwrap_or_default();
    (time.unwrap_or_default(), id.to_owned())
}

fn place_of(cursor: &str) -> Result<(i64, String), Reply> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| bad("Invalid cursor"))
}

/// A score with the groups of fields that are wanted.
fn shown(score: &Value, groups: &[&str]) -> Result<Value, Reply> {
    let mut shown = Map::new();
    let mut show = |keys: &[&str]| {
        for key in keys {
            let value = score.get(*key).cloned().unwrap_or_default();
            shown.insert((*key).to_owned(), value);
        }
    };
    show(&CORE);
    show(&["updatedAt"]);
    let mut subject = None;
    for group in groups {
        match *group {
            "details" => show(&["comment", "configId", "metadata"]),
            "subject" => subject = Some(subject_of(score)),
            other => return Err(bad(&format!("no group of fields `{other}`"))),
        }
    }
    if let Some(subject) = subject {
        shown.insert("subject".to_owned(), subject);
    }
    Ok(Value::Object(shown))
}

fn subject_of(score: &Value) -> Value {
    let member = |key: &str| text(score, key);
    match (
        member("observationId"),
        member("traceId"),
        member("sessionId"),
    ) {
        (Some(id), trace, _) => json!({ "kind": "observation", "id": id, "traceId": trace }),
        (None, Some(id), _) => json!({ "kind": "trace", "id": id }),
        (None, None, Some(id)) => json!({ "kind": "session", "id": id }),
        (None, None, None) => json!({ "kind": "experiment", "id": member("datasetRunId") }),
    }
}
