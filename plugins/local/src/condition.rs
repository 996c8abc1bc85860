//! Predicates as SQL, for both databases.
//!
//! Conditions on columns, and those on attributes that are texts or truth values, mean in
//! SQL exactly what the contract says, and are reported as applied. Numbers in JSON go through
//! the databases' own parsers, which may be off in the last digit: those conditions are made
//! a hair wider, and the host applies them again. What cannot be said is left to the host.

use roost_provider::database::{Dialect, Value};
use roost_provider::types::AttributeValue;

use crate::bindings::trace_store::{Condition, Field, Predicate};
use crate::content::ATTRIBUTES;

/// A statement while it is put together.
pub(crate) struct Question {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Value>,
    dialect: Dialect,
}

/// What is compared.
enum Side {
    /// A column, or an expression of columns, that may be null.
    Text(String),
    Time(&'static str),
    Milliseconds(&'static str),
    /// The attribute of this key.
    Attribute(String),
}

/// Beyond this whole numbers and floating point ones are not told apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Question {
    pub(crate) fn new(dialect: Dialect, sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
            dialect,
        }
    }

    /// The place of one more parameter.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.parameters.push(value.into());
        format!("${}", self.parameters.len())
    }

    pub(crate) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Add ` AND` and the predicate where SQL can say it. Returned is whether it holds for
    /// exactly the rows that the predicate fits.
    pub(crate) fn and(&mut self, predicate: &Predicate) -> bool {
        let side = match &predicate.field {
            Field::TraceId => Side::Text("s.trace_id".to_owned()),
            Field::SpanId => Side::Text("s.span_id".to_owned()),
            Field::ParentId => Side::Text("s.parent_id".to_owned()),
            Field::Name => Side::Text("s.name".to_owned()),
            Field::Kind => Side::Text("s.kind".to_owned()),
            Field::Status => Side::Text("s.status".to_owned()),
            Field::StatusMessage => Side::Text("s.status_message".to_owned()),
            Field::StartTime => Side::Time("s.start_time"),
            Field::EndTime => Side::Time("s.end_time"),
            Field::LatencyMs => Side::Milliseconds("CAST(s.latency AS DOUBLE PRECISION) / 1e6"),
            Field::Attribute(key) => Side::Attribute(key.clone()),
        };
        let before = (self.sql.len(), self.parameters.len());
        self.push(" AND ");
        match self.condition(&side, &predicate.condition) {
            Some(exact) => exact,
            None => {
                self.sql.truncate(before.0);
                self.parameters.truncate(before.1);
                false
            }
        }
    }

    /// The condition; none where it cannot be said.
    fn condition(&mut self, side: &Side, condition: &Condition) -> Option<bool> {
        let (sql, exact) = match condition {
            Condition::Equal(value) => self.compare(side, "=", value)?,
            Condition::NotEqual(value) => match self.compare(side, "=", value)? {
                (sql, true) => (format!("NOT COALESCE({sql}, FALSE)"), true),
                // Wider would be narrower here.
                (_, false) => return None,
            },
            Condition::Less(value) => self.compare(side, "<", value)?,
            Condition::LessOrEqual(value) => self.compare(side, "<=", value)?,
            Condition::Greater(value) => self.compare(side, ">", value)?,
            Condition::GreaterOrEqual(value) => self.compare(side, ">=", value)?,
            Condition::OneOf(values) => {
                let each = values.iter().map(|value| self.compare(side, "=", value));
                let each: Vec<(String, bool)> = each.collect::<Option<_>>()?;
                let exact = each.iter().all(|(_, exact)| *exact);
                let any: Vec<String> = each.into_iter().map(|(sql, _)| sql).collect();
                (format!("({})", any.join(" OR ")), exact)
            }
            Condition::Contains(part) => match side {
                Side::Text(column) => (self.contains(column, part), true),
                // Arrays and objects are looked through as text as well.
                Side::Attribute(key) => {
                    let (_, text) = self.attribute(key)?;
                    (self.contains(&text, part), false)
                }
                Side::Time(_) | Side::Milliseconds(_) => ("FALSE".to_owned(), true),
            },
            Condition::Present => (self.is_there(side)?, true),
            Condition::Absent => (format!("NOT {}", self.is_there(side)?), true),
        };
        self.push(&sql);
        Some(exact)
    }

    fn is_there(&mut self, side: &Side) -> Option<String> {
        Some(match side {
            Side::Text(column) => format!("({column} IS NOT NULL)"),
            Side::Time(_) | Side::Milliseconds(_) => "TRUE".to_owned(),
            Side::Attribute(key) => {
                let (kind, _) = self.attribute(key)?;
                format!("({kind} IS NOT NULL)")
            }
        })
    }

    /// A comparison, and whether it is exact.
    fn compare(
        &mut self,
        side: &Side,
        operator: &str,
        value: &AttributeValue,
    ) -> Option<(String, bool)> {
        let never = Some(("FALSE".to_owned(), true));
        match (side, value) {
            (Side::Text(column), AttributeValue::Text(text)) => {
                let place = self.bind(text);
                Some((self.ordered(column, operator, &place), true))
            }
            (Side::Text(_), _) => never,
            (Side::Time(column), AttributeValue::Integer(time)) => {
                let place = self.bind(*time);
                Some((format!("{column} {operator} {place}"), true))
            }
            (Side::Time(_) | Side::Milliseconds(_), AttributeValue::Number(_))
                if matches!(side, Side::Time(_)) =>
            {
                None
            }
            (Side::Milliseconds(column), value) => match number(value) {
                Some(number) => {
                    let place = self.bind(number);
                    Some((format!("{column} {operator} {place}"), true))
                }
                None => never,
            },
            (Side::Time(_), _) => never,
            (Side::Attribute(key), AttributeValue::Text(text)) => {
                let (kind, found) = self.attribute(key)?;
                let place = self.bind(text);
                let same = self.ordered(&found, operator, &place);
                let is_text = self.is_kind(&kind, "text", "string");
                Some((format!("({is_text} AND {same})"), true))
            }
            (Side::Attribute(key), AttributeValue::Boolean(wanted)) if operator == "=" => {
                let (kind, found) = self.attribute(key)?;
                Some((
                    match self.dialect {
                        Dialect::Sqlite => format!("{kind} = '{wanted}'"),
                        Dialect::Postgresql => {
                            format!("({kind} = 'boolean' AND {found} = '{wanted}')")
                        }
                    },
                    true,
                ))
            }
            (Side::Attribute(key), value) => {
                let number = number(value).filter(|it| it.abs() < EXACT)?;
                self.compare_number(key, operator, number)
            }
        }
    }

    /// A comparison of a number in JSON, a hair wider than it should be.
    fn compare_number(&mut self, key: &str, operator: &str, number: f64) -> Option<(String, bool)> {
        let hair = number.abs() * 1e-12;
        let (low, high) = (number - hair, number + hair);
        let (kind, found) = self.attribute(key)?;
        let found = match self.dialect {
            Dialect::Sqlite => format!("({kind} IN ('integer', 'real') AND {found}"),
            // A cast of what is no number would be an error.
            Dialect::Postgresql => {
                format!("(CASE WHEN {kind} = 'number' THEN CAST({found} AS DOUBLE PRECISION) END")
            }
        };
        Some((
            match operator {
                "<" | "<=" => {
                    let place = self.bind(high);
                    format!("{found} <= {place})")
                }
                ">" | ">=" => {
                    let place = self.bind(low);
                    format!("{found} >= {place})")
                }
                _ => {
                    let (low, high) = (self.bind(low), self.bind(high));
                    format!("{found} BETWEEN {low} AND {high})")
                }
            },
            false,
        ))
    }

    /// The type of an attribute and its value as text, as expressions over `c.content`; none
    /// for a key that a path cannot hold.
    fn attribute(&mut self, key: &str) -> Option<(String, String)> {
        match self.dialect {
            Dialect::Sqlite => {
                if key.contains(['"', '\\']) {
                    return None;
                }
                let path = format!("$.{ATTRIBUTES}.\"{key}\"");
                let path = self.bind(&path);
                Some((
                    format!("json_type(c.content, {path})"),
                    format!("json_extract(c.content, {path})"),
                ))
            }
            Dialect::Postgresql => {
                let key = self.bind(key);
                let found = |arrow: &str| {
                    format!(
                        "(CAST(c.content AS JSON) -> '{ATTRIBUTES}' {arrow} CAST({key} AS TEXT))"
                    )
                };
                Some((format!("json_typeof({})", found("->")), found("->>")))
            }
        }
    }

    /// An attribute as the JSON it is written as, null where it is not there.
    pub(crate) fn attribute_json(&mut self, key: &str) -> Option<String> {
        if self.dialect == Dialect::Sqlite && key.contains(['"', '\\']) {
            return None;
        }
        Some(match self.dialect {
            Dialect::Sqlite => {
                let path = self.bind(format!("$.{ATTRIBUTES}.\"{key}\""));
                format!("(c.content -> {path})")
            }
            Dialect::Postgresql => {
                let key = self.bind(key);
                format!(
                    "CAST(CAST(c.content AS JSON) -> '{ATTRIBUTES}' -> CAST({key} AS TEXT) AS TEXT)"
                )
            }
        })
    }

    fn is_kind(&self, kind: &str, sqlite: &str, postgresql: &str) -> String {
        let name = match self.dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgresql => postgresql,
        };
        format!("{kind} = '{name}'")
    }

    /// A comparison of texts, by code points.
    fn ordered(&self, left: &str, operator: &str, right: &str) -> String {
        match (self.dialect, operator) {
            (Dialect::Sqlite, _) | (_, "=") => format!("{left} {operator} {right}"),
            (Dialect::Postgresql, _) => {
                format!("{left} COLLATE \"C\" {operator} {right}")
            }
        }
    }

    fn contains(&mut self, text: &str, part: &str) -> String {
        let place = self.bind(part);
        match self.dialect {
            Dialect::Sqlite => format!("instr({text}, {place}) > 0"),
            Dialect::Postgresql => format!("strpos({text}, {place}) > 0"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "both are one type in a filter")]
fn number(value: &AttributeValue) -> Option<f64> {
    match value {
        AttributeValue::Integer(number) => Some(*number as f64),
        AttributeValue::Number(number) => Some(*number),
        _ => None,
    }
}
