//! The type that an expression has whatever is around it: what it is compared with has the same.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, UnaryOperator, Value, ValueWithSpan,
};

use super::name::path;
use super::{MAX_DEPTH, Rewriter, arguments};
use crate::query::functions;
use crate::query::names::{self, Name};
use crate::query::schema::{Column, ValueType};

impl Rewriter {
    /// What the expressions that tell their type agree on.
    pub(super) fn common(&self, exprs: &[&Expr]) -> Option<ValueType> {
        exprs.iter().find_map(|expr| self.told(expr, 0))
    }

    /// The type that an expression has whatever is around it.
    fn told(&self, expr: &Expr, depth: usize) -> Option<ValueType> {
        if depth > MAX_DEPTH {
            return None;
        }
        let told = |expr: &Expr| self.told(expr, depth + 1);
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(..) => Some(ValueType::Number),
                Value::Boolean(_) => Some(ValueType::Boolean),
                Value::Null | Value::Placeholder(_) => None,
                _ => Some(ValueType::Text),
            },
            Expr::Nested(inner) => told(inner),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                ..
            } => Some(ValueType::Boolean),
            Expr::UnaryOp { .. } | Expr::Ceil { .. } | Expr::Floor { .. } => {
                Some(ValueType::Number)
            }
            Expr::Extract { .. } | Expr::Position { .. } => Some(ValueType::Number),
            Expr::Substring { .. } | Expr::Trim { .. } => Some(ValueType::Text),
            Expr::BinaryOp { op, .. } => match op {
                BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo => Some(ValueType::Number),
                BinaryOperator::StringConcat => Some(ValueType::Text),
                _ => Some(ValueType::Boolean),
            },
            Expr::Cast { data_type, .. } => match cast_from(data_type) {
                ValueType::Any => Some(ValueType::Text),
                kind => Some(kind),
            },
            Expr::Case {
                conditions,
                else_result,
                ..
            } => {
                let mut results = conditions.iter().map(|when| &when.result);
                results
                    .find_map(told)
                    .or_else(|| else_result.as_deref().and_then(told))
            }
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                let name = name.as_str();
                if functions::is_of_numbers(name)
                    || functions::COUNTS_TEXT.contains(&name)
                    || name == "count"
                {
                    Some(ValueType::Number)
                } else if functions::CHOOSES.contains(&name) {
                    arguments(&function.args).into_iter().find_map(told)
                } else if functions::OF_TEXT.contains(&name) || name.starts_with("concat") {
                    Some(ValueType::Text)
                } else {
                    None
                }
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => match self.column(expr)? {
                Column::LatencyMs => Some(ValueType::Number),
                Column::StartTime | Column::EndTime => None,
                _ => Some(ValueType::Text),
            },
            _ => None,
        }
    }

    pub(super) fn is_time(&self, expr: &Expr) -> bool {
        matches!(self.column(expr), Some(Column::StartTime | Column::EndTime))
    }

    /// The column that a name means, unless it means an attribute or nothing.
    fn column(&self, expr: &Expr) -> Option<Column> {
        let (parts, _) = path(expr)?;
        let skip = usize::from(self.table_of(&parts).is_some());
        match names::resolve(parts.get(skip..)?)? {
            Name::Column(column) => Some(column),
            Name::Attribute(_) => None,
        }
    }
}

/// What a value must be for a cast to a type to be more than a conversion of text.
pub(super) fn cast_from(data_type: &DataType) -> ValueType {
    const NUMBERS: [&str; 14] = [
        "INT",
        "UINT",
        "BIGINT",
        "SMALLINT",
        "TINYINT",
        "MEDIUMINT",
        "DOUBLE",
        "FLOAT",
        "REAL",
        "NUMERIC",
        "DECIMAL",
        "DEC",
        "UNSIGNED",
        "SIGNED",
    ];
    let name = data_type.to_string().to_ascii_uppercase();
    if name.starts_with("BOOL") {
        ValueType::Boolean
    } else if NUMBERS.iter().any(|number| name.starts_with(number)) && !name.starts_with("INTERVAL")
    {
        ValueType::Number
    } else {
        ValueType::Any
    }
}

/// Whether this is a whole number that floating point may confuse with its neighbours.
pub(super) fn is_vast(expr: &Expr) -> bool {
    const EXACT: u64 = 1 << 53;
    match expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        }
        | Expr::Nested(expr) => is_vast(expr),
        Expr::Value(ValueWithSpan {
            value: Value::Number(digits, _),
            ..
        }) => digits
            .to_string()
            .parse::<i64>()
            .is_ok_and(|number| number.unsigned_abs() >= EXACT),
        _ => false,
    }
}
