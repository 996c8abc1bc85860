//! The session that a span is of: `session.id`, taken out of its bytes.
//!
//! It is no plain attribute. Backends have one name space of sessions for all projects, so what
//! is written in its place is the destination's to say (see `EncodedSpans::session`).

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;

use super::wire::any_value::{KEY_VALUE_LIST, plain};
use super::wire::{Change, each_field, key_and_value, pair_of};

const SESSION_ID: &str = "session.id";
/// The same as attributes inside an attribute, which backends read alike.
const SESSION: &str = "session";
const ID: &str = "id";
/// What every key of theirs has in it.
static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(SESSION));

/// The number of the attributes in a `Span` message.
const OF_SPAN: u32 = 9;
/// And in a `Resource` message.
const OF_RESOURCE: u32 = 1;

/// A valid `Span` message without its session, and the session.
pub(super) fn take_from_span(span: Cow<'_, [u8]>) -> (Cow<'_, [u8]>, Option<Arc<str>>) {
    take(span, OF_SPAN)
}

/// A valid `Resource` message without its session, and the session.
pub(super) fn take_from_resource(resource: Cow<'_, [u8]>) -> (Cow<'_, [u8]>, Option<Arc<str>>) {
    take(resource, OF_RESOURCE)
}

fn take(message: Cow<'_, [u8]>, attributes: u32) -> (Cow<'_, [u8]>, Option<Arc<str>>) {
    // Most spans are of none, and need not be looked through a second time.
    if WORD.find(&message).is_none() {
        return (message, None);
    }
    let mut session = None;
    let mut take = |value: &[u8]| {
        let text = plain(value);
        // An empty one is none.
        if let Some(text) = text
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            session = Some(Arc::from(text));
        }
        Change::Drop
    };
    let without = each_field(&message, |field, pair| {
        if field.number != attributes {
            return Change::None;
        }
        match key_and_value(pair) {
            (SESSION_ID, value) => take(value),
            (SESSION, value) => match without_id(value, &mut take) {
                Some(value) => Change::To(pair_of(SESSION, &value)),
                None => Change::None,
            },
            _ => Change::None,
        }
    });
    (without.map_or(message, Cow::Owned), session)
}

/// An `AnyValue` message without the `id` in its pairs; none where there is none.
fn without_id(value: &[u8], take: &mut impl FnMut(&[u8]) -> Change) -> Option<Vec<u8>> {
    each_field(value, |field, list| {
        if field.number != KEY_VALUE_LIST {
            return Change::None;
        }
        let without = each_field(list, |field, pair| match key_and_value(pair) {
            (ID, value) if field.number == 1 => take(value),
            _ => Change::None,
        });
        without.map_or(Change::None, Change::To)
    })
}
