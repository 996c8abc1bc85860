//! How a span says which project of Roost it belongs to: by a key in its metadata, which
//! Langfuse takes from an attribute of the span, shows, and filters by.

use roost_provider::types::{Attribute, AttributeValue};
use roost_provider::{Error, error};

use crate::Result;

/// The key in the metadata.
pub(crate) const KEY: &str = "roost_project";

/// What an attribute begins with that Langfuse puts into the metadata by itself.
pub(crate) const METADATA: &str = "langfuse.observation.metadata.";

/// The longest project name, in bytes: Langfuse answers metadata of up to 200 characters whole.
const LONGEST: usize = 180;

/// What each span of a project carries.
pub(crate) fn attribute(project: &str) -> Result<Attribute> {
    check(project)?;
    Ok(Attribute {
        key: format!("{METADATA}{KEY}"),
        value: AttributeValue::Text(project.to_owned()),
    })
}

/// Refuse a name that could not be read back.
pub(crate) fn check(project: &str) -> Result<(), Error> {
    if project.is_empty() || project.len() > LONGEST {
        return Err(error::invalid_argument(format!(
            "`{project}` is no project name for Langfuse, where it is a mark of 1 to {LONGEST} bytes"
        )));
    }
    Ok(())
}
