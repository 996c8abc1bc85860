//! What belongs to a run and Phoenix has no place for: what went in and its metadata. They are
//! an evaluation of the run called [`NAME`], which goes with the run.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use roost_provider::error;

use crate::Result;
use crate::bindings::experiment_store::NewRun;
use crate::metadata;

/// The name of that evaluation.
pub(super) const NAME: &str = "roost.run";

/// What is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) inputs: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Box<RawValue>>,
    /// The repetition as the caller counts it, where Phoenix has another number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) repetition: Option<u32>,
}

impl Details {
    /// What of a run is to be kept; none where there is nothing. `counted` says whether
    /// Phoenix keeps the repetition.
    pub(super) fn of(run: &NewRun, counted: bool) -> Result<Option<Self>> {
        metadata::given("the run", run.metadata.as_deref())?;
        let details = Self {
            inputs: object("inputs", run.inputs.as_deref())?,
            metadata: object("metadata", run.metadata.as_deref())?,
            repetition: (!counted).then_some(run.repetition),
        };
        let empty = details.inputs.is_none() && details.metadata.is_none() && counted;
        Ok((!empty).then_some(details))
    }
}

fn object(what: &str, json: Option<&str>) -> Result<Option<Box<RawValue>>> {
    let Some(json) = json else {
        return Ok(None);
    };
    match serde_json::from_str::<Box<RawValue>>(json) {
        Ok(object) if object.get().starts_with('{') => Ok(Some(object)),
        _ => Err(error::invalid_argument(format!(
            "the {what} of the run are no JSON object"
        ))),
    }
}
