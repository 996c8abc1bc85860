//! What of a condition a provider can be asked for.
//!
//! A condition holds of a row where SQL makes it true; null is not true. A predicate is handed
//! down only where no row of which the condition is true would be left out, and it is called
//! exact where it lets no other row through.

use datafusion::common::{Column as Name, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Like, Operator};

use super::schema::{Column, ValueType};
use crate::contract::{AttributeValue, Condition, Predicate};

/// What became of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pushed {
    pub(super) predicates: Vec<Predicate>,
    /// Whether the predicates say all of it.
    pub(super) exact: bool,
}

impl Pushed {
    fn one(column: &Column, condition: Condition, exact: bool) -> Option<Self> {
        let field = column.in_predicates()?;
        Some(Self {
            predicates: vec![Predicate::new(field, condition)],
            exact,
        })
    }
}

/// What a condition, which is no conjunction, can be handed down as.
pub(super) fn push(condition: &Expr) -> Option<Pushed> {
    match condition {
        Expr::Column(name) => flag(name, true),
        Expr::IsTrue(inner) => push_column(inner, |name| flag(name, true)),
        Expr::Not(inner) | Expr::IsFalse(inner) => push_column(inner, |name| flag(name, false)),
        Expr::IsNotNull(inner) => push_column(inner, |name| {
            let column = Column::parse(&name.name)?;
            Pushed::one(&column, Condition::Present, !is_strict(&column))
        }),
        Expr::IsNull(inner) => push_column(inner, |name| {
            let column = Column::parse(&name.name)?;
            // A strict column is null also where the attribute has another type.
            if is_strict(&column) {
                return None;
            }
            Pushed::one(&column, Condition::Absent, true)
        }),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => either(left, right),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (uncast(left), uncast(right)) {
            (Expr::Column(name), Expr::Literal(value, _)) => compare(name, *op, value),
            (Expr::Literal(value, _), Expr::Column(name)) => compare(name, op.swap()?, value),
            _ => None,
        },
        Expr::InList(list) if !list.negated => {
            let Expr::Column(name) = &*list.expr else {
                return None;
            };
            let column = Column::parse(&name.name)?;
            let values = list.list.iter().map(|value| match value {
                Expr::Literal(value, _) => comparable(&column, value),
                _ => None,
            });
            let values: Vec<_> = values.collect::<Option<_>>()?;
            Pushed::one(&column, Condition::OneOf(values), is_exact(&column))
        }
        Expr::Like(like) => contains(like),
        _ => None,
    }
}

/// A cast of a column to the type that it has is the column.
fn uncast(expr: &Expr) -> &Expr {
    let Expr::Cast(cast) = expr else {
        return expr;
    };
    match &*cast.expr {
        Expr::Column(name)
            if Column::parse(&name.name)
                .is_some_and(|column| column.data_type() == *cast.field.data_type()) =>
        {
            &cast.expr
        }
        _ => expr,
    }
}

fn push_column(inner: &Expr, push: impl FnOnce(&Name) -> Option<Pushed>) -> Option<Pushed> {
    match inner {
        Expr::Column(name) => push(name),
        _ => None,
    }
}

fn flag(name: &Name, value: bool) -> Option<Pushed> {
    let column = Column::parse(&name.name)?;
    match column {
        Column::Attribute(_, ValueType::Boolean) => Pushed::one(
            &column,
            Condition::Equal(AttributeValue::Boolean(value)),
            true,
        ),
        _ => None,
    }
}

fn compare(name: &Name, op: Operator, value: &ScalarValue) -> Option<Pushed> {
    let column = Column::parse(&name.name)?;
    let value = comparable(&column, value)?;
    let exact = is_exact(&column);
    let ordered = exact && !matches!(value, AttributeValue::Boolean(_));
    match op {
        Operator::Eq => Pushed::one(&column, Condition::Equal(value), exact),
        // Where there may be no value, SQL says neither yes nor no and the predicate yes.
        Operator::NotEq if exact => {
            let always = !matches!(column, Column::Attribute(..) | Column::ParentId);
            Pushed::one(&column, Condition::NotEqual(value), always)
        }
        Operator::Lt if ordered => Pushed::one(&column, Condition::Less(value), true),
        Operator::LtEq if ordered => Pushed::one(&column, Condition::LessOrEqual(value), true),
        Operator::Gt if ordered => Pushed::one(&column, Condition::Greater(value), true),
        Operator::GtEq if ordered => Pushed::one(&column, Condition::GreaterOrEqual(value), true),
        _ => None,
    }
}

/// `a = 1 OR a = 2` is one of both.
fn either(left: &Expr, right: &Expr) -> Option<Pushed> {
    let mut sides = Vec::new();
    let mut rest = vec![left, right];
    while let Some(side) = rest.pop() {
        match side {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Or,
                right,
            }) => {
                rest.extend([&**left, &**right]);
            }
            side => sides.push(push(side)?),
        }
    }
    let mut exact = true;
    let mut field = None;
    let mut values = Vec::new();
    for side in sides {
        exact &= side.exact;
        let [predicate] = side.predicates.try_into().ok()?;
        if *field.get_or_insert_with(|| predicate.field.clone()) != predicate.field {
            return None;
        }
        match predicate.condition {
            Condition::Equal(value) => values.push(value),
            Condition::OneOf(more) => values.extend(more),
            _ => return None,
        }
    }
    Some(Pushed {
        predicates: vec![Predicate::new(field?, Condition::OneOf(values))],
        exact,
    })
}

/// `LIKE '%part%'`, and of other patterns the part that must be there.
fn contains(like: &Like) -> Option<Pushed> {
    let (Expr::Column(name), Expr::Literal(pattern, _)) = (&*like.expr, &*like.pattern) else {
        return None;
    };
    let column = Column::parse(&name.name)?;
    let text_column = !matches!(column, Column::Attribute(_, kind) if kind != ValueType::Text);
    if like.negated || like.case_insensitive || like.escape_char.is_some() || !text_column {
        return None;
    }
    let pattern = pattern.try_as_str()??;
    if pattern.contains('\\') {
        return None;
    }
    let pieces = pattern.split(['%', '_']);
    let longest = pieces.max_by_key(|piece| piece.len())?.to_owned();
    // Also JSON values contain text, and no comparison of text sees them.
    let whole = !matches!(column, Column::Attribute(..)) && pattern == format!("%{longest}%");
    if longest.is_empty() {
        return None;
    }
    Pushed::one(&column, Condition::Contains(longest), whole)
}

/// Whether the column is null where the attribute has another type.
fn is_strict(column: &Column) -> bool {
    matches!(column, Column::Attribute(_, kind) if *kind != ValueType::Any)
}

/// Whether predicates compare just what the column holds.
fn is_exact(column: &Column) -> bool {
    !matches!(column, Column::Attribute(_, ValueType::Integer))
}

/// A literal as predicates compare it; `None` where they would compare it otherwise.
fn comparable(column: &Column, value: &ScalarValue) -> Option<AttributeValue> {
    match (column, value) {
        // The value as text, which predicates do not know.
        (Column::Attribute(_, ValueType::Any), _) => None,
        (Column::Attribute(_, ValueType::Boolean), ScalarValue::Boolean(Some(value))) => {
            Some(AttributeValue::Boolean(*value))
        }
        (Column::Attribute(_, ValueType::Integer), ScalarValue::Int64(Some(value))) => {
            Some(AttributeValue::Integer(*value))
        }
        (
            Column::Attribute(_, ValueType::Number) | Column::LatencyMs,
            ScalarValue::Float64(Some(value)),
        ) => number(*value),
        (Column::StartTime | Column::EndTime, ScalarValue::TimestampNanosecond(Some(value), _)) => {
            Some(AttributeValue::Integer(*value))
        }
        (
            Column::Attribute(_, ValueType::Text)
            | Column::TraceId
            | Column::SpanId
            | Column::ParentId
            | Column::Name
            | Column::Kind
            | Column::StatusCode
            | Column::StatusMessage,
            value,
        ) => {
            let text = value.try_as_str()??;
            Some(AttributeValue::Text(text.to_owned()))
        }
        _ => None,
    }
}

/// Whole where it is whole, as backends store it, while both mean the same.
#[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
fn number(value: f64) -> Option<AttributeValue> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // Arrow tells -0.0 from 0.0 and not-a-numbers from each other; JSON has no infinity.
    if !value.is_finite() || (value == 0.0 && value.is_sign_negative()) {
        None
    } else if value.fract() == 0.0 && value.abs() < EXACT {
        Some(AttributeValue::Integer(value as i64))
    } else {
        Some(AttributeValue::Number(value))
    }
}
