//! The messages of OTLP traces: what each field may hold, and what JSON calls it.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto>; what is not here is a field of a
//! later version, which is handed on unread.

/// A kind of message.
#[derive(Debug)]
pub(super) struct Message {
    /// Its fields: the first is field 1, the next field 2. `None` where a number is not used.
    pub(super) fields: &'static [Option<Rule>],
    /// The fields that have to be there.
    pub(super) required: &'static [u32],
    /// Whether at most one field may be there.
    pub(super) one_of: bool,
    /// How the field that holds attributes begins, where there is one.
    pub(super) attributes: Option<u8>,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Bool,
    Int64,
    /// A whole number of 32 bits, or one of an enumeration.
    Number,
    Fixed64,
    Fixed32,
    Double,
    Text,
    Bytes,
    /// An id of so many bytes, not all of them zero.
    Id(usize),
    /// The same, or none, or zeros.
    MaybeId(usize),
    Message(&'static Message),
}

impl Message {
    pub(super) fn rule(&self, number: u32) -> Option<&'static Rule> {
        self.fields.get(number.checked_sub(1)? as usize)?.as_ref()
    }
}

const fn one(name: &'static str, kind: Kind) -> Option<Rule> {
    Some(Rule {
        name,
        kind,
        repeated: false,
    })
}

const fn many(name: &'static str, kind: Kind) -> Option<Rule> {
    Some(Rule {
        name,
        kind,
        repeated: true,
    })
}

const fn message(fields: &'static [Option<Rule>]) -> Message {
    Message {
        fields,
        required: &[],
        one_of: false,
        attributes: None,
    }
}

/// A message with attributes in the field of this number, which is below 16.
const fn attributed(number: u8, fields: &'static [Option<Rule>]) -> Message {
    Message {
        attributes: Some(number << 3 | 2),
        ..message(fields)
    }
}

const ATTRIBUTES: Option<Rule> = many("attributes", Kind::Message(&KEY_VALUE));
const DROPPED_ATTRIBUTES: Option<Rule> = one("droppedAttributesCount", Kind::Number);
const SCHEMA_URL: Option<Rule> = one("schemaUrl", Kind::Text);

pub(super) static REQUEST: Message =
    message(&[many("resourceSpans", Kind::Message(&RESOURCE_SPANS))]);

pub(super) static RESOURCE_SPANS: Message = message(&[
    one("resource", Kind::Message(&RESOURCE)),
    many("scopeSpans", Kind::Message(&SCOPE_SPANS)),
    SCHEMA_URL,
]);

pub(super) static RESOURCE: Message = attributed(
    1,
    &[
        ATTRIBUTES,
        DROPPED_ATTRIBUTES,
        many("entityRefs", Kind::Message(&ENTITY_REF)),
    ],
);

static ENTITY_REF: Message = message(&[
    SCHEMA_URL,
    one("type", Kind::Text),
    many("idKeys", Kind::Text),
    many("descriptionKeys", Kind::Text),
]);

pub(super) static SCOPE_SPANS: Message = message(&[
    one("scope", Kind::Message(&SCOPE)),
    many("spans", Kind::Message(&SPAN)),
    SCHEMA_URL,
]);

pub(super) static SCOPE: Message = attributed(
    3,
    &[
        one("name", Kind::Text),
        one("version", Kind::Text),
        ATTRIBUTES,
        DROPPED_ATTRIBUTES,
    ],
);

pub(super) static SPAN: Message = Message {
    required: &[1, 2],
    ..attributed(
        9,
        &[
            one("traceId", Kind::Id(16)),
            one("spanId", Kind::Id(8)),
            one("traceState", Kind::Text),
            one("parentSpanId", Kind::MaybeId(8)),
            one("name", Kind::Text),
            one("kind", Kind::Number),
            one("startTimeUnixNano", Kind::Fixed64),
            one("endTimeUnixNano", Kind::Fixed64),
            ATTRIBUTES,
            DROPPED_ATTRIBUTES,
            many("events", Kind::Message(&EVENT)),
            one("droppedEventsCount", Kind::Number),
            many("links", Kind::Message(&LINK)),
            one("droppedLinksCount", Kind::Number),
            one("status", Kind::Message(&STATUS)),
            one("flags", Kind::Fixed32),
        ],
    )
};

static EVENT: Message = attributed(
    3,
    &[
        one("timeUnixNano", Kind::Fixed64),
        one("name", Kind::Text),
        ATTRIBUTES,
        DROPPED_ATTRIBUTES,
    ],
);

static LINK: Message = attributed(
    4,
    &[
        one("traceId", Kind::MaybeId(16)),
        one("spanId", Kind::MaybeId(8)),
        one("traceState", Kind::Text),
        ATTRIBUTES,
        DROPPED_ATTRIBUTES,
        one("flags", Kind::Fixed32),
    ],
);

static STATUS: Message = message(&[None, one("message", Kind::Text), one("code", Kind::Number)]);

pub(super) static KEY_VALUE: Message = message(&[
    one("key", Kind::Text),
    one("value", Kind::Message(&ANY_VALUE)),
]);

static ANY_VALUE: Message = Message {
    fields: &[
        one("stringValue", Kind::Text),
        one("boolValue", Kind::Bool),
        one("intValue", Kind::Int64),
        one("doubleValue", Kind::Double),
        one("arrayValue", Kind::Message(&ARRAY)),
        one("kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
        one("bytesValue", Kind::Bytes),
    ],
    required: &[],
    one_of: true,
    attributes: None,
};

static ARRAY: Message = message(&[many("values", Kind::Message(&ANY_VALUE))]);

static KEY_VALUE_LIST: Message = attributed(1, &[many("values", Kind::Message(&KEY_VALUE))]);
