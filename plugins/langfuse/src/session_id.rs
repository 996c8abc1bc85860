//! Session ids. Langfuse has one name space of sessions for all that a key reaches, takes ASCII of
//! up to 200 characters, and lists scores by ids with commas between them. So a session is stored
//! as `{project}:{id}` with all else encoded, and read back wherever one comes. A session whose id
//! was not made here belongs to no project.

use roost_provider::types::{Attribute, AttributeValue};
use roost_provider::{Error, error};

use crate::percent;

/// The attribute by which a span belongs to a session.
pub(crate) const ATTRIBUTE: &str = "session.id";

/// The longest stored id, in characters.
const LONGEST: usize = 200;

/// The id as it is stored.
///
/// # Errors
/// `invalid-argument` for one that is too long for Langfuse.
pub(crate) fn stored(project: &str, id: &str) -> Result<String, Error> {
    let stored = format!("{}:{}", encode(project), encode(id));
    if id.is_empty() || stored.len() > LONGEST {
        return Err(error::invalid_argument(format!(
            "`{id}` is no session id for Langfuse: it is empty, or with its project, and encoded, \
             longer than {LONGEST} characters"
        )));
    }
    Ok(stored)
}

/// The id as the application gave it; none where it is not a session of the project.
pub(crate) fn given(project: &str, stored: &str) -> Option<String> {
    let id = stored.strip_prefix(&encode(project))?.strip_prefix(':')?;
    percent::decode(id).filter(|id| !id.is_empty())
}

/// Put the id back as it was given where it is among `attributes`.
pub(crate) fn restore(project: &str, attributes: &mut [Attribute]) {
    for attribute in attributes {
        if let (ATTRIBUTE, AttributeValue::Text(id)) =
            (attribute.key.as_str(), &mut attribute.value)
            && let Some(given) = given(project, id)
        {
            *id = given;
        }
    }
}

fn encode(text: &str) -> String {
    percent::encode(text, |character| {
        let is_plain = character.is_ascii_graphic() || character == ' ';
        !is_plain || matches!(character, ',' | ':')
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_id_is_read_back_in_its_project_only() {
        for id in ["7", "größer 🦉", "a,b:c%2C", " "] {
            let stored = stored("shop", id).unwrap();
            assert!(stored.is_ascii() && !stored.contains(','), "{stored}");
            assert_eq!(given("shop", &stored).as_deref(), Some(id));
            assert_eq!(given("sho", &stored), None);
            assert_eq!(given("shop:7", &stored), None);
        }
        // Both would be `a:b:c`.
        assert_ne!(stored("a", "b:c").unwrap(), stored("a:b", "c").unwrap());
        assert_eq!(given("shop", "of-others"), None);
        assert_eq!(given("shop", "shop:"), None);
    }

    #[test]
    fn what_langfuse_would_drop_is_refused() {
        assert!(stored("shop", "").is_err());
        assert!(stored("shop", &"x".repeat(195)).is_ok());
        assert!(stored("shop", &"x".repeat(196)).is_err());
        assert!(stored("shop", &"ü".repeat(50)).is_err());
    }
}
