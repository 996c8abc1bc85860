//! What people call the columns of spans.

use datafusion::sql::sqlparser::ast::Ident;

use super::error::SyntaxError;
use super::schema::{Column, ValueType};

/// Names beside a column's own, in lower case.
const ALIASES: [(&str, Column); 27] = [
    ("trace_id", Column::TraceId),
    ("trace.id", Column::TraceId),
    ("span_id", Column::SpanId),
    ("span.id", Column::SpanId),
    ("id", Column::SpanId),
    ("parent_span_id", Column::ParentId),
    ("parent.span_id", Column::ParentId),
    ("parent.id", Column::ParentId),
    ("parent", Column::ParentId),
    ("span_name", Column::Name),
    ("operation_name", Column::Name),
    ("kind", Column::Kind),
    ("openinference.span.kind", Column::Kind),
    ("status", Column::StatusCode),
    ("status.code", Column::StatusCode),
    ("status.message", Column::StatusMessage),
    ("status_description", Column::StatusMessage),
    ("start", Column::StartTime),
    ("started_at", Column::StartTime),
    ("end", Column::EndTime),
    ("ended_at", Column::EndTime),
    ("latency", Column::LatencyMs),
    ("duration", Column::LatencyMs),
    ("duration_ms", Column::LatencyMs),
    ("span_attributes", Column::Attributes),
    ("span_events", Column::Events),
    ("span_links", Column::Links),
];

/// Attributes that OpenInference gives a number, by what their keys begin or end with.
const NUMERIC: [&str; 4] = ["llm.token_count.", "llm.cost.", ".score", ".duration_ms"];

/// One part of a name: `attributes`, `llm` and `model_name` of `attributes.llm.model_name`.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) text: String,
    /// Whether upper and lower case differ: in quotes, or as a key in brackets.
    pub(super) exact: bool,
}

impl From<&Ident> for Part {
    fn from(ident: &Ident) -> Self {
        Self {
            text: ident.value.clone(),
            exact: ident.quote_style.is_some(),
        }
    }
}

impl Part {
    pub(super) fn is(&self, word: &str) -> bool {
        if self.exact {
            self.text == word
        } else {
            self.text.eq_ignore_ascii_case(word)
        }
    }
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Column(Column),
    /// The attribute of this key, of a type that is still to be told.
    Attribute(String),
}

/// The meaning of a name without a table before it.
pub(super) fn resolve(parts: &[Part]) -> Option<Name> {
    let (first, rest) = parts.split_first()?;
    if first.is("attributes") && !rest.is_empty() {
        return Some(attribute(&joined(rest)));
    }
    if rest.is_empty()
        && first.exact
        && let Some(key) = first.text.strip_prefix("attributes.")
    {
        return Some(attribute(key));
    }
    let name = if parts.iter().any(|part| part.exact) {
        joined(parts)
    } else {
        joined(parts).to_ascii_lowercase()
    };
    if let Some(column) = named(&name) {
        return Some(Name::Column(column));
    }
    // `span.name`: the table's name in the singular.
    (first.is("span") || first.is("spans"))
        .then(|| resolve(rest))
        .flatten()
}

fn named(name: &str) -> Option<Column> {
    let alias = || ALIASES.iter().find(|(alias, _)| *alias == name);
    Column::fixed()
        .find(|column| column.name() == name)
        .or_else(|| alias().map(|(_, column)| column.clone()))
}

fn attribute(key: &str) -> Name {
    // The contract takes the kind out of the attributes.
    match key {
        "openinference.span.kind" => Name::Column(Column::Kind),
        _ => Name::Attribute(key.to_owned()),
    }
}

fn joined(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    texts.join(".")
}

/// The type of an attribute when nothing tells it.
pub(super) fn usual_type(key: &str) -> ValueType {
    let numeric = NUMERIC.iter().any(|part| match part.strip_prefix('.') {
        Some(_) => key.ends_with(part),
        None => key.starts_with(part),
    });
    if numeric || key == "score" {
        ValueType::Number
    } else {
        ValueType::Any
    }
}

/// The refusal of a name that no column has; `first` says where it stands.
pub(super) fn unknown(parts: &[Part], first: Option<&Ident>) -> SyntaxError {
    let name = joined(parts);
    let start = first.map(|ident| ident.span.start);
    SyntaxError::UnknownColumn {
        line: start.map_or(0, |start| start.line),
        column: start.map_or(0, |start| start.column),
        hint: hint(&name, parts),
        name,
    }
}

fn hint(name: &str, parts: &[Part]) -> String {
    let lower = name.to_ascii_lowercase();
    let names = Column::fixed().map(|column| column.name());
    let known: Vec<String> = names
        .chain(ALIASES.iter().map(|(alias, _)| (*alias).to_owned()))
        .collect();
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, known), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len() / 2)
        .min();
    if let Some((_, known)) = near {
        return format!("; did you mean `{known}`?");
    }
    if let [part] = parts
        && part.exact
    {
        return format!("; text is written in single quotes: '{name}'");
    }
    if parts.len() > 1 {
        return format!("; an attribute is written attributes['{name}']");
    }
    let columns: Vec<String> = Column::fixed().map(|column| column.name()).collect();
    let columns = columns.join(", ");
    format!("; there are {columns} and attributes['...']")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &str) -> Vec<Part> {
        let part = |text: &str| Part {
            text: text.to_owned(),
            exact: false,
        };
        name.split('.').map(part).collect()
    }

    #[test]
    fn the_names_that_people_use_are_known() {
        for (name, column) in [
            ("span.status_code", Column::StatusCode),
            ("status.code", Column::StatusCode),
            ("Status", Column::StatusCode),
            ("duration", Column::LatencyMs),
            ("span.name", Column::Name),
            ("context.span_id", Column::SpanId),
            ("span.context.trace_id", Column::TraceId),
            ("span.id", Column::SpanId),
            ("attributes.openinference.span.kind", Column::Kind),
        ] {
            assert_eq!(resolve(&parts(name)), Some(Name::Column(column)), "{name}");
        }
        let key = Name::Attribute("llm.Model".to_owned());
        assert_eq!(resolve(&parts("attributes.llm.Model")), Some(key));
        assert_eq!(resolve(&parts("nonsense")), None);
    }

    #[test]
    fn a_name_that_is_nearly_right_is_put_right() {
        let message = |name| unknown(&parts(name), None).to_string();
        assert!(message("latencyms").contains("`latency_ms`"));
        assert!(message("sttaus").contains("`status`"));
        assert!(message("llm.model_name").contains("attributes['llm.model_name']"));
        assert!(message("nonsense").contains("span_kind"));
    }
}
