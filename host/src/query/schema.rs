//! The columns of spans: those every span has, by the names of pandas frames that Phoenix's
//! users know, and attributes, each under a type that the question tells.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::contract::{self, Projection};

/// What an attribute is compared as. A column of a type is null where the attribute has
/// another one, so that `attributes['n'] = '7'` does not hold for the number 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ValueType {
    /// Text alone.
    Text,
    /// Whole and floating point numbers, as the latter.
    Number,
    /// Whole numbers alone, for those that floating point cannot tell apart.
    Integer,
    /// True and false.
    Boolean,
    /// Every value, as text.
    Any,
}

impl ValueType {
    const ALL: [Self; 5] = [
        Self::Text,
        Self::Number,
        Self::Integer,
        Self::Boolean,
        Self::Any,
    ];

    fn prefix(self) -> &'static str {
        match self {
            Self::Text => "text:attributes.",
            Self::Number => "number:attributes.",
            Self::Integer => "integer:attributes.",
            Self::Boolean => "boolean:attributes.",
            Self::Any => "attributes.",
        }
    }
}

/// A column of spans.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Column {
    TraceId,
    SpanId,
    ParentId,
    Name,
    Kind,
    StatusCode,
    StatusMessage,
    StartTime,
    EndTime,
    LatencyMs,
    /// All attributes, as a JSON object.
    Attributes,
    Events,
    Links,
    Resource,
    /// One attribute.
    Attribute(String, ValueType),
}

impl Column {
    /// What every span has, in the order of frames.
    pub(super) const STANDARD: [Self; 10] = [
        Self::TraceId,
        Self::SpanId,
        Self::ParentId,
        Self::Name,
        Self::Kind,
        Self::StatusCode,
        Self::StatusMessage,
        Self::StartTime,
        Self::EndTime,
        Self::LatencyMs,
    ];

    /// What is read only when it is asked for, as JSON text.
    pub(super) const PARTS: [Self; 4] =
        [Self::Attributes, Self::Events, Self::Links, Self::Resource];

    pub(super) fn fixed() -> impl Iterator<Item = Self> {
        Self::STANDARD.into_iter().chain(Self::PARTS)
    }

    /// Its name in frames and files, and inside a plan.
    pub(super) fn name(&self) -> String {
        let name = match self {
            Self::TraceId => "context.trace_id",
            Self::SpanId => "context.span_id",
            Self::ParentId => "parent_id",
            Self::Name => "name",
            Self::Kind => "span_kind",
            Self::StatusCode => "status_code",
            Self::StatusMessage => "status_message",
            Self::StartTime => "start_time",
            Self::EndTime => "end_time",
            Self::LatencyMs => "latency_ms",
            Self::Attributes => "attributes",
            Self::Events => "events",
            Self::Links => "links",
            Self::Resource => "resource",
            Self::Attribute(key, kind) => return format!("{}{key}", kind.prefix()),
        };
        name.to_owned()
    }

    /// The column of a [`name`](Self::name).
    pub(super) fn parse(name: &str) -> Option<Self> {
        let fixed = Self::fixed().find(|column| column.name() == name);
        fixed.or_else(|| {
            ValueType::ALL.into_iter().find_map(|kind| {
                let key = name.strip_prefix(kind.prefix())?;
                Some(Self::Attribute(key.to_owned(), kind))
            })
        })
    }

    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::StartTime | Self::EndTime => timestamp(),
            Self::LatencyMs | Self::Attribute(_, ValueType::Number) => DataType::Float64,
            Self::Attribute(_, ValueType::Integer) => DataType::Int64,
            Self::Attribute(_, ValueType::Boolean) => DataType::Boolean,
            _ => DataType::Utf8,
        }
    }

    /// The column in a schema; only attributes and the parent may be missing.
    pub(super) fn field(&self) -> Field {
        let nullable = matches!(self, Self::ParentId | Self::Attribute(..));
        Field::new(self.name(), self.data_type(), nullable)
    }

    /// What a predicate on this column looks at; none for what predicates cannot see.
    pub(super) fn in_predicates(&self) -> Option<contract::Field> {
        Some(match self {
            Self::TraceId => contract::Field::TraceId,
            Self::SpanId => contract::Field::SpanId,
            Self::ParentId => contract::Field::ParentId,
            Self::Name => contract::Field::Name,
            Self::Kind => contract::Field::Kind,
            Self::StatusCode => contract::Field::Status,
            Self::StatusMessage => contract::Field::StatusMessage,
            Self::StartTime => contract::Field::StartTime,
            Self::EndTime => contract::Field::EndTime,
            Self::LatencyMs => contract::Field::LatencyMs,
            Self::Attribute(key, _) => contract::Field::Attribute(key.clone()),
            Self::Attributes | Self::Events | Self::Links | Self::Resource => return None,
        })
    }

    /// Add what this column reads to what is wanted of each span.
    pub(super) fn widen(&self, wanted: &mut Projection) {
        match self {
            Self::Attributes => wanted.attributes = None,
            Self::Events => wanted.events = true,
            Self::Links => wanted.links = true,
            Self::Resource => wanted.resource = true,
            Self::Attribute(key, _) => {
                if let Some(keys) = &mut wanted.attributes
                    && !keys.contains(key)
                {
                    keys.push(key.clone());
                }
            }
            _ => {}
        }
    }
}

/// Nanoseconds since the Unix epoch, UTC.
pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC")))
}

/// Ids, name, kind, status and times, and no more.
pub(super) fn bare() -> Projection {
    Projection {
        attributes: Some(Vec::new()),
        events: false,
        links: false,
        resource: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_found_by_its_name() {
        for key in ["a", "number:attributes.a", "attributes.a", "", "größe 🦉"] {
            for kind in ValueType::ALL {
                let column = Column::Attribute(key.to_owned(), kind);
                assert_eq!(Column::parse(&column.name()), Some(column));
            }
        }
        for column in Column::fixed() {
            assert_eq!(Column::parse(&column.name()), Some(column));
        }
        assert_eq!(Column::parse("latency"), None);
    }
}
