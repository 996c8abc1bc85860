//! Protobuf as it lies in a buffer. A request is checked and cut without making structures of
//! its spans: decoding and encoding them again would cost more than everything else.

pub(super) mod any_value;
mod check;
mod edit;
mod fields;
mod json;
mod request;
mod schema;
#[cfg(test)]
mod tests;

use check::check;
pub(super) use edit::{Change, each_field, key_and_value, pair_of};
pub(super) use fields::{Field, Value, fields, put_bytes};
pub(super) use json::from_json;
pub(super) use request::{Refused, attribute_text, cut};

/// Why bytes are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The bytes end in the middle of a field.
    #[error("the message ends too early")]
    Truncated,
    /// A number of more than 64 bits.
    #[error("a number has too many bits")]
    Varint,
    /// No field has this tag.
    #[error("a field has a tag that protobuf does not know")]
    Tag,
    /// A known field holds something of another type.
    #[error("`{0}` has the wrong type")]
    Type(&'static str),
    /// A text that is no UTF-8.
    #[error("`{0}` is not UTF-8")]
    Utf8(&'static str),
    /// An id of another length, or of zeros alone.
    #[error("`{0}` is no id")]
    Id(&'static str),
    /// A field that has to be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field that may be there once.
    #[error("`{0}` is there twice")]
    Twice(&'static str),
    /// Values in values in values.
    #[error("values lie too deep in each other")]
    Depth,
}

/// Reads a request in both formats, and hands out each span that is let through.
#[cfg(fuzzing)]
pub(crate) fn fuzz_request(body: &[u8], mut each: impl FnMut(&[u8])) {
    let mut requests = vec![bytes::Bytes::copy_from_slice(body)];
    if let Ok(request) = from_json(body, &mut Refused::default()) {
        requests.push(request.into());
    }
    for (place, request) in requests.iter().enumerate() {
        let mut refused = Refused::default();
        match cut(request, &mut refused) {
            Ok(groups) => {
                let scopes = groups.iter().flat_map(|group| &group.scopes);
                scopes
                    .flat_map(|scope| &scope.spans)
                    .for_each(|span| each(span));
            }
            Err(fault) => assert_eq!(place, 0, "what was JSON can be cut: {fault}"),
        }
    }
}
