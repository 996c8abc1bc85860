//! What Roost keeps in the metadata of datasets, experiments and evaluations: one key beside
//! the caller's.

use roost_provider::error;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Result;

/// The key that is Roost's.
const OURS: &str = "roost";

/// The caller's metadata. `what` names whose they are in the error.
pub(crate) fn given(what: &str, json: Option<&str>) -> Result<Map<String, Value>> {
    let Some(json) = json else {
        return Ok(Map::new());
    };
    let given: Map<String, Value> = serde_json::from_str(json).map_err(|_| {
        error::invalid_argument(format!("the metadata of {what} is no JSON object"))
    })?;
    if given.contains_key(OURS) {
        return Err(error::invalid_argument(format!(
            "the metadata of {what} has the key `{OURS}`, which is Roost's own: rename it"
        )));
    }
    Ok(given)
}

/// The caller's metadata with what Roost keeps.
pub(crate) fn join(what: &str, json: Option<&str>, ours: Value) -> Result<Map<String, Value>> {
    let mut all = given(what, json)?;
    all.insert(OURS.to_owned(), ours);
    Ok(all)
}

/// Metadata as Phoenix has it, taken apart.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Metadata(Map<String, Value>);

impl Metadata {
    /// The caller's part as JSON text; none where it is empty, since Phoenix keeps an empty
    /// object where there was none.
    pub(crate) fn given(&self) -> Option<String> {
        let mut given = self.0.clone();
        given.remove(OURS);
        (!given.is_empty()).then(|| Value::Object(given).to_string())
    }

    /// What Roost keeps; none where it keeps nothing that can be understood.
    pub(crate) fn ours<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.0.get(OURS)?).ok()
    }

    /// The same with another part of Roost's.
    pub(crate) fn with(mut self, ours: Value) -> Map<String, Value> {
        self.0.insert(OURS.to_owned(), ours);
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_joined_comes_apart_again() {
        let all = join("it", Some(r#"{"a":1}"#), json!({ "status": "running" })).unwrap();
        let read: Metadata = serde_json::from_value(Value::Object(all)).unwrap();
        assert_eq!(read.given().as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(read.ours::<Value>(), Some(json!({ "status": "running" })));
        assert_eq!(Metadata::default().given(), None);
        assert_eq!(Metadata::default().ours::<Value>(), None);
    }

    #[test]
    fn what_is_no_object_or_takes_our_key_is_refused() {
        for bad in ["[]", "1", "{", r#"{"roost":1}"#] {
            assert!(join("it", Some(bad), json!({})).is_err(), "{bad}");
        }
    }
}
