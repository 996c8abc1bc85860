//! The service that spans are of: `service.name`, as a name that a project can have.

use super::wire::attribute_text;
use crate::config::MAX_ID_LENGTH;

const SERVICE_NAME: &str = "service.name";

/// The service a resource names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// This one.
    Named(String),
    /// None, or one that no name can be made of: it is the configured one's.
    Unnamed,
}

impl Service {
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Unnamed => None,
        }
    }
}

/// The service of a valid `Resource` message.
pub(super) fn service_of(resource: &[u8]) -> Service {
    match attribute_text(resource, SERVICE_NAME).map(valid) {
        Some(name) if !name.is_empty() => Service::Named(name),
        _ => Service::Unnamed,
    }
}

/// A text with what no id may have taken out: other characters become `-`, marks in a row
/// become one, marks at the ends go. Empty where nothing is left.
fn valid(text: &str) -> String {
    let mut name = String::with_capacity(text.len().min(MAX_ID_LENGTH));
    for character in text.chars() {
        let character = match character {
            '_' | '.' => character,
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        };
        let is_mark = !character.is_ascii_alphanumeric();
        if is_mark && (name.is_empty() || name.ends_with(character)) {
            continue;
        }
        if name.len() == MAX_ID_LENGTH {
            break;
        }
        name.push(character);
    }
    name.truncate(name.trim_end_matches(['-', '_', '.']).len());
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::config::TenantId;

    #[test]
    fn what_no_name_may_have_is_taken_out() {
        let long = "a".repeat(200);
        for (text, name) in [
            ("routing", "routing"),
            ("unknown_service:python", "unknown_service-python"),
            ("Shop / Checkout", "Shop-Checkout"),
            ("-a--b__c..", "a-b_c"),
            ("日本", ""),
            ("", ""),
            (long.as_str(), long.get(..128).unwrap()),
        ] {
            assert_eq!(valid(text), name, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_name(text in "\\PC{0,200}") {
            let name = valid(&text);
            prop_assert!(name.is_empty() || TenantId::new(&name).is_ok(), "{name:?}");
        }
    }
}
