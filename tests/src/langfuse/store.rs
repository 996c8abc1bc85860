//! What the small Langfuse keeps, and who answers for which operation.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::oracle::Call;

/// The one project that the keys reach.
pub(super) const PROJECT: &str = "clangfuseproject";

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
}

/// What an operation answers, or why it does not.
pub(super) type Answer = Result<Reply, Reply>;

/// Everything it keeps.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// With all their fields.
    pub(super) observations: Vec<Value>,
    /// By id, with all their fields.
    pub(super) scores: BTreeMap<String, Value>,
    /// In the order in which they were made.
    pub(super) datasets: Vec<Value>,
    /// Every state that an item had, with the millisecond since when.
    pub(super) items: Vec<(i64, Value)>,
    clock: i64,
}

impl Store {
    /// Answer a request.
    pub(super) fn answer(&mut self, call: &Call) -> Reply {
        let answer = match (call.method.as_str(), call.path.as_str()) {
            ("GET", "/api/public/health") => ok(json!({ "version": "4.16.0", "status": "OK" })),
            ("GET", "/api/public/projects") => ok(json!({ "data": [{
                "id": PROJECT, "name": "tests", "metadata": {},
                "organization": { "id": "corganization", "name": "Roost" },
            }] })),
            ("POST", "/api/public/otel/v1/traces") => self.take_spans(&call.body),
            ("GET", "/api/public/v2/observations") => self.list_observations(call),
            ("DELETE", "/api/public/traces") => self.delete_traces(&call.body),
            ("POST", "/api/public/scores") => self.take_score(&call.body),
            ("GET", "/api/public/v3/scores") => self.list_scores(call),
            ("DELETE", "/api/public/scores/{scoreId}") => self.delete_score(call),
            ("POST", "/api/public/v2/datasets") => self.take_dataset(&call.body),
            ("GET", "/api/public/v2/datasets") => self.list_datasets(call),
            ("GET", "/api/public/v2/datasets/{datasetName}") => self.dataset(call),
            ("POST", "/api/public/dataset-items") => self.take_item(&call.body),
            ("GET", "/api/public/dataset-items") => self.list_items(call),
            _ => Err(Reply::refusal(405, "not allowed")),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    /// Now, in milliseconds; never the same twice, so that a test can tell before from after.
    pub(super) fn now(&mut self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or_default()
        });
        self.clock = now.max(self.clock + 1);
        self.clock
    }
}

/// `200` with a body.
pub(super) fn ok(body: Value) -> Answer {
    Ok(Reply {
        status: 200,
        body: Some(body),
    })
}

/// `400` with a reason.
pub(super) fn bad(why: &str) -> Reply {
    Reply::refusal(400, why)
}

/// A member that is a text.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

/// A time as Langfuse writes it, to the millisecond.
pub(super) fn written(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    format!("{time:.3}")
}

/// The milliseconds of a time.
pub(super) fn read(time: &str) -> Option<i64> {
    Some(time.parse::<Timestamp>().ok()?.as_millisecond())
}

/// A page of a list that is counted, with what is said of the others.
pub(super) fn counted(call: &Call, all: Vec<Value>) -> Answer {
    let (page, limit) = (
        call.number("page").unwrap_or(1),
        call.number("limit").unwrap_or(50),
    );
    if page == 0 || limit == 0 || limit > 100 {
        return Err(bad("page is at least 1, and limit from 1 to 100"));
    }
    let total = all.len();
    let data: Vec<Value> = all
        .into_iter()
        .skip((page - 1) * limit)
        .take(limit)
        .collect();
    let pages = total.div_ceil(limit);
    let meta = json!({ "page": page, "limit": limit, "totalItems": total, "totalPages": pages });
    ok(json!({ "data": data, "meta": meta }))
}
