//! Lists of observations, which is what Langfuse calls spans.
//!
//! Langfuse gives them newest first and goes on behind the last one, so its pages neither repeat a
//! span nor miss one, whatever is written meanwhile.

use std::collections::BTreeSet;

use roost_provider::http::Request;
use roost_provider::time;
use roost_provider::types::TimeWindow;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bindings::trace_store::Projection;
use crate::langfuse::{Langfuse, MILLISECOND, ask};
use crate::metadata::Metadata;
use crate::{Result, mark, span};

/// The most that one page gives.
const MOST: u32 = 1_000;

/// Of how many observations long texts are asked for at a time, and how many bytes of keys: both
/// go into an address, and servers take some 8,000 characters.
const AT_A_TIME: usize = 100;
const LONGEST: usize = 3_000;

/// From when on, in nanoseconds, a time bounds nothing: the year 2200. Databases of Langfuse know
/// times until 2299.
const FAR: u64 = 7_258_118_400_000_000_000;

/// An observation, with the fields that were asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Observation {
    pub(crate) id: String,
    pub(crate) trace_id: Option<String>,
    #[serde(deserialize_with = "time::deserialize")]
    pub(crate) start_time: u64,
    #[serde(default, deserialize_with = "time::deserialize_option")]
    pub(crate) end_time: Option<u64>,
    pub(crate) parent_observation_id: Option<String>,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) status_message: Option<String>,
    pub(crate) session_id: Option<String>,
    #[serde(default)]
    pub(crate) input: Value,
    #[serde(default)]
    pub(crate) output: Value,
    #[serde(default)]
    pub(crate) metadata: Metadata,
}

impl Observation {
    /// When it ended; when it began, where nobody said.
    pub(crate) fn ended(&self) -> u64 {
        self.end_time.unwrap_or(self.start_time)
    }

    /// Whether it belongs to this project.
    pub(crate) fn is_of(&self, project: &str) -> bool {
        self.metadata.text(mark::KEY) == Some(project)
    }
}

/// What must hold of an observation, as Langfuse reads it. All of several must hold.
pub(crate) type Condition = Value;

/// A text column is this text.
pub(crate) fn equal(column: &str, text: &str) -> Condition {
    json!({ "type": "string", "column": column, "operator": "=", "value": text })
}

/// A text column is one of these texts.
pub(crate) fn any_of<T: AsRef<str>>(column: &str, texts: &[T]) -> Condition {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    json!({ "type": "stringOptions", "column": column, "operator": "any of", "value": texts })
}

/// A column has a value.
pub(crate) fn present(column: &str) -> Condition {
    json!({ "type": "null", "column": column, "operator": "is not null", "value": "" })
}

/// It is a root, or its SDK calls it one.
pub(crate) fn is_root() -> Condition {
    json!({ "type": "boolean", "column": "isRootObservation", "operator": "=", "value": true })
}

/// It began inside a window. Times are kept in milliseconds: one is inside exactly if it is with
/// both ends rounded up.
pub(crate) fn begun_inside(window: &TimeWindow) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut bound = |operator: &str, instant: u64| {
        let value = time::format(time::ceil_to(MILLISECOND, instant));
        conditions.push(
            json!({ "type": "datetime", "column": "startTime", "operator": operator, "value": value }),
        );
    };
    if window.start > 0 {
        bound(">=", window.start.min(FAR));
    }
    if window.end < FAR {
        bound("<", window.end);
    }
    conditions
}

/// How much of each observation is wanted.
#[derive(Clone, Copy)]
pub(crate) enum Detail<'p> {
    /// What it is and whose; long metadata may be cut.
    Bare,
    /// A span, or this much of it.
    Span(Option<&'p Projection>),
}

/// A list of observations.
pub(crate) struct Listing<'l> {
    pub(crate) langfuse: &'l Langfuse,
    /// Whose; none for everybody's.
    pub(crate) project: Option<&'l str>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) detail: Detail<'l>,
}

/// A part of a list.
#[derive(Deserialize)]
struct Answer {
    data: Vec<Observation>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    cursor: Option<String>,
}

impl Listing<'_> {
    /// The page that begins at `cursor`, and where the next one does.
    pub(crate) fn page(
        &self,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<(Vec<Observation>, Option<String>)> {
        let filter = self.filter(self.conditions.clone())?;
        let Answer { mut data, meta } = ask(self.request(filter, limit, cursor, &[]))?;
        data.retain(|it| self.project.is_none_or(|project| it.is_of(project)));
        for part in data.chunks_mut(AT_A_TIME) {
            self.complete(part)?;
        }
        Ok((data, meta.cursor.filter(|cursor| !cursor.is_empty())))
    }

    /// All pages, each handed to `take` as it comes.
    pub(crate) fn each_page(
        &self,
        mut take: impl FnMut(Vec<Observation>) -> Result<()>,
    ) -> Result<()> {
        let mut cursor: Option<String> = None;
        loop {
            let (found, next) = self.page(MOST, cursor.as_deref())?;
            take(found)?;
            cursor = next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether there is any.
    pub(crate) fn is_there(&self) -> Result<bool> {
        Ok(!self.page(1, None)?.0.is_empty())
    }

    /// Put whole texts in the place of those that may have been cut. Which keys they have is not
    /// known before.
    fn complete(&self, part: &mut [Observation]) -> Result<()> {
        let keys: BTreeSet<String> = part
            .iter()
            .flat_map(|it| self.cut(it))
            .map(str::to_owned)
            .collect();
        let mut keys = keys.into_iter().peekable();
        while keys.peek().is_some() {
            let mut bytes = 0;
            let mut some: Vec<String> = Vec::new();
            while let Some(key) = keys.next_if(|key| some.is_empty() || bytes + key.len() < LONGEST)
            {
                bytes += key.len();
                some.push(key);
            }
            let is_cut =
                |it: &&Observation| self.cut(it).any(|key| some.iter().any(|it| it == key));
            let ids: Vec<&str> = part
                .iter()
                .filter(is_cut)
                .map(|it| it.id.as_str())
                .collect();
            let filter = self.filter(vec![any_of("id", &ids)])?;
            let Answer { data, .. } = ask(self.request(filter, MOST, None, &some))?;
            for mut whole in data {
                let same =
                    |it: &&mut Observation| it.id == whole.id && it.trace_id == whole.trace_id;
                if let Some(observation) = part.iter_mut().find(same) {
                    observation.metadata.replace(&some, &mut whole.metadata);
                }
            }
        }
        Ok(())
    }

    fn filter(&self, mut conditions: Vec<Condition>) -> Result<Value> {
        if let Some(project) = self.project {
            mark::check(project)?;
            conditions.push(json!({
                "type": "stringObject", "column": "metadata", "key": mark::KEY,
                "operator": "=", "value": project,
            }));
        }
        Ok(Value::from(conditions))
    }

    fn request(
        &self,
        filter: Value,
        limit: u32,
        cursor: Option<&str>,
        whole: &[String],
    ) -> Request<'_> {
        let mut fields = "core,basic,metadata".to_owned();
        if whole.is_empty()
            && matches!(self.detail, Detail::Span(projection) if span::wants_io(projection))
        {
            fields.push_str(",io");
        }
        let whole = (!whole.is_empty()).then(|| whole.join(","));
        self.langfuse
            .get(&["v2", "observations"])
            .query("fields", fields)
            .query_some("expandMetadata", whole)
            .query("limit", limit)
            .query_some("cursor", cursor)
            .query("filter", filter)
    }

    /// The keys of what is wanted whole and may have been cut. Keys are sent with commas between
    /// them, so one that has a comma cannot be asked for.
    fn cut<'o>(&self, observation: &'o Observation) -> impl Iterator<Item = &'o str> + use<'o> {
        let detail = self.detail;
        let wanted: Vec<&str> = observation
            .metadata
            .maybe_cut()
            .filter(|key| {
                matches!(detail, Detail::Span(projection) if span::wants(projection, key))
                    && !key.contains(',')
            })
            .collect();
        wanted.into_iter()
    }
}
