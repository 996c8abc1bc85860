//! Session ids. Phoenix has one name space of sessions for all projects: the same id in two
//! projects is one session, and deleting it deletes the traces of both. So a session of
//! Roost is stored as `{project}:{id}` and that prefix is taken off wherever one is read.
//! Sessions that others wrote have none and keep their id.

use roost_provider::types::{Attribute, AttributeValue};

/// The attribute by which a span belongs to a session.
pub(crate) const ATTRIBUTE: &str = "session.id";

/// The id as it is stored.
pub(crate) fn stored(project: &str, id: &str) -> String {
    format!("{project}:{id}")
}

/// The id as the application gave it.
pub(crate) fn given<'s>(project: &str, stored: &'s str) -> &'s str {
    stored
        .strip_prefix(project)
        .and_then(|rest| rest.strip_prefix(':'))
        .filter(|id| !id.is_empty())
        .unwrap_or(stored)
}

/// Put the id back as it was given where it is among `attributes`.
pub(crate) fn restore(project: &str, attributes: &mut [Attribute]) {
    for attribute in attributes {
        if let (ATTRIBUTE, AttributeValue::Text(id)) =
            (attribute.key.as_str(), &mut attribute.value)
        {
            *id = given(project, id).to_owned();
        }
    }
}

/// Under which ids a session may be stored, the likeliest first: by Roost, and, where it
/// cannot be taken for another one's, by others.
pub(crate) fn candidates(project: &str, id: &str) -> impl Iterator<Item = String> {
    let raw = (given(project, id) == id).then(|| id.to_owned());
    std::iter::once(stored(project, id)).chain(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_comes_off_where_it_was_put_on() {
        assert_eq!(given("shop", &stored("shop", "s:1")), "s:1");
        assert_eq!(given("shop", "of-others"), "of-others");
        assert_eq!(given("shop", "shopping:1"), "shopping:1");
        assert_eq!(given("shop", "shop:"), "shop:");
        assert_eq!(given("shop", "other:1"), "other:1");
    }

    #[test]
    fn no_session_is_looked_for_under_the_id_of_another() {
        let of = |id| candidates("shop", id).collect::<Vec<_>>();
        assert_eq!(of("1"), ["shop:1", "1"]);
        // `shop:1` is where the session `1` is.
        assert_eq!(of("shop:1"), ["shop:shop:1"]);
    }
}
