//! Names in expressions become columns of spans, before anything is planned.
//!
//! An attribute has no type of its own: the same key may be a number in one span and a text in
//! the next. What it is compared with tells which is meant, so each use becomes a column of
//! that type; the plan sees nothing but plain columns, and projections and filters reach the
//! provider as their names.
//!
//! Every kind of expression that is allowed is listed here; the rest is refused.

mod instant;
mod name;
mod told;

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, OrderByExpr, UnaryOperator, Value, ValueWithSpan, WindowType,
};

use self::instant::instant;
use self::told::{cast_from, is_vast};
use super::error::SyntaxError;
use super::functions;
use super::names::Part;
use super::parse;
use super::schema::{Column, ValueType};
use super::statement::{Scope, TABLE};

/// How deep expressions are walked; chains of AND, OR and arithmetic count once.
const MAX_DEPTH: usize = 64;

/// Rewrites names, and remembers the columns they became.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    pub(super) columns: BTreeSet<Column>,
    /// The tables in sight, the innermost last. None in a filter, where every name is a span's.
    pub(super) scopes: Vec<Scope>,
    /// The names of common table expressions in sight.
    pub(super) ctes: Vec<String>,
    /// Whose spans a statement reaches; somebody without a name has them alone.
    owners: Vec<Option<String>>,
    /// Whether this is a statement, where subqueries are allowed.
    statement: bool,
    depth: usize,
}

impl Rewriter {
    /// For a statement over the spans of these, rather than for a filter.
    pub(super) fn of_statements(owners: Vec<Option<String>>) -> Self {
        Self {
            owners,
            statement: true,
            ..Self::default()
        }
    }

    /// What the table of one of them is called once names are rewritten.
    pub(super) fn table_name(&self, owner: Option<&str>) -> String {
        match owner {
            Some(owner) if self.owners.len() > 1 => format!("{owner}.{TABLE}"),
            _ => TABLE.to_owned(),
        }
    }

    /// The name of the table that is meant; none where there is no such table.
    pub(super) fn table(&self, written: &[Part]) -> Option<String> {
        match written {
            [table] if table.is(TABLE) && self.owners.len() == 1 => Some(TABLE.to_owned()),
            [owner, table] if table.is(TABLE) => {
                let mut owners = self.owners.iter().flatten();
                let found = owners.find(|it| owner.is(it))?;
                Some(self.table_name(Some(found)))
            }
            _ => None,
        }
    }

    /// The tables that can be named, for people.
    pub(super) fn tables(&self) -> String {
        let owned = self.owners.iter().flatten();
        let owned: Vec<String> = owned.map(|it| format!("`\"{it}\".{TABLE}`")).collect();
        match &*owned {
            _ if self.owners.len() == 1 => format!("one, `{TABLE}`"),
            [] => "none".to_owned(),
            several => several.join(", "),
        }
    }

    /// Rewrite an expression of which `want` is known to be wanted.
    pub(super) fn expr(
        &mut self,
        expr: &mut Expr,
        want: Option<ValueType>,
    ) -> Result<(), SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return Err(SyntaxError::TooLong {
                what: "nested operators",
                limit: MAX_DEPTH,
            });
        }
        self.depth += 1;
        let done = self.chain(expr, want);
        self.depth -= 1;
        done
    }

    /// Chains of operators lean to the left and can be long: they are walked in a loop.
    fn chain(&mut self, mut expr: &mut Expr, want: Option<ValueType>) -> Result<(), SyntaxError> {
        loop {
            let Expr::BinaryOp { left, op, right } = expr else {
                return self.node(expr, want);
            };
            let inside = match op {
                BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor => {
                    ValueType::Boolean
                }
                BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo => ValueType::Number,
                BinaryOperator::StringConcat => ValueType::Any,
                _ => return self.comparison(left, op, right),
            };
            self.expr(right, Some(inside))?;
            expr = left;
            if !matches!(expr, Expr::BinaryOp { .. }) {
                return self.expr(expr, Some(inside));
            }
        }
    }

    fn comparison(
        &mut self,
        left: &mut Expr,
        op: &BinaryOperator,
        right: &mut Expr,
    ) -> Result<(), SyntaxError> {
        let want = match op {
            BinaryOperator::Eq | BinaryOperator::NotEq => {
                self.common(&[left, right]).map(|kind| match kind {
                    ValueType::Number if is_vast(left) || is_vast(right) => ValueType::Integer,
                    kind => kind,
                })
            }
            BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => self.common(&[left, right]),
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::PGLikeMatch
            | BinaryOperator::PGILikeMatch
            | BinaryOperator::PGNotLikeMatch
            | BinaryOperator::PGNotILikeMatch => Some(ValueType::Text),
            _ => return Err(refused(&format!("the operator {op}"))),
        };
        self.sides(want, vec![left, right])
    }

    /// Rewrite expressions that are compared with each other.
    fn sides(
        &mut self,
        want: Option<ValueType>,
        mut sides: Vec<&mut Expr>,
    ) -> Result<(), SyntaxError> {
        let timed = sides.iter().any(|side| self.is_time(side));
        for side in &mut sides {
            if timed {
                instant(side)?;
            }
            self.expr(side, want)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_lines, reason = "a list of what is allowed")]
    fn node(&mut self, expr: &mut Expr, want: Option<ValueType>) -> Result<(), SyntaxError> {
        let text = Some(ValueType::Text);
        let boolean = Some(ValueType::Boolean);
        match expr {
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::CompoundFieldAccess { .. } => self.name(expr, want),
            Expr::Value(ValueWithSpan {
                value: Value::Placeholder(name),
                ..
            }) => Err(refused(&format!("the placeholder {name}"))),
            Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) => Ok(()),
            Expr::Nested(inner) => self.expr(inner, want),
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Not => self.expr(expr, boolean),
                UnaryOperator::Plus | UnaryOperator::Minus => {
                    self.expr(expr, Some(ValueType::Number))
                }
                _ => Err(refused(&format!("the operator {op}"))),
            },
            Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.expr(inner, boolean),
            // Whether it is there at all, of whatever type.
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.expr(inner, Some(ValueType::Any)),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                let want = self.common(&[left, right]);
                self.sides(want, vec![left, right])
            }
            Expr::InList { expr, list, .. } => {
                let mut kinds: Vec<&Expr> = list.iter().collect();
                kinds.push(expr);
                let mut want = self.common(&kinds);
                if want == Some(ValueType::Number) && list.iter().any(is_vast) {
                    want = Some(ValueType::Integer);
                }
                let mut sides: Vec<&mut Expr> = vec![expr];
                sides.extend(list);
                self.sides(want, sides)
            }
            Expr::Between {
                expr, low, high, ..
            } => {
                let want = self.common(&[expr, low, high]);
                self.sides(want, vec![expr, low, high])
            }
            Expr::Like {
                any: false,
                expr,
                pattern,
                ..
            }
            | Expr::ILike {
                any: false,
                expr,
                pattern,
                ..
            }
            | Expr::SimilarTo { expr, pattern, .. } => {
                self.expr(expr, text)?;
                self.expr(pattern, text)
            }
            Expr::Cast {
                kind,
                expr,
                data_type,
                ..
            } => {
                let want = match kind {
                    CastKind::Cast | CastKind::DoubleColon => cast_from(data_type),
                    // Of whatever type it is, as far as it can be read as the other.
                    CastKind::TryCast | CastKind::SafeCast => ValueType::Any,
                };
                self.expr(expr, Some(want))
            }
            Expr::Ceil { expr, .. } | Expr::Floor { expr, .. } => {
                self.expr(expr, Some(ValueType::Number))
            }
            Expr::Extract { expr, .. } => self.expr(expr, Some(ValueType::Any)),
            Expr::AtTimeZone { timestamp, .. } => self.expr(timestamp, Some(ValueType::Any)),
            Expr::Position { expr, r#in } => {
                self.expr(expr, text)?;
                self.expr(r#in, text)
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                self.expr(expr, text)?;
                for bound in [substring_from, substring_for].into_iter().flatten() {
                    self.expr(bound, Some(ValueType::Number))?;
                }
                Ok(())
            }
            Expr::Trim {
                trim_what, expr, ..
            } => {
                if let Some(what) = trim_what {
                    self.expr(what, text)?;
                }
                self.expr(expr, text)
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let results = conditions.iter().map(|when| &when.result);
                let results: Vec<&Expr> = results.chain(else_result.as_deref()).collect();
                let result = want.or_else(|| self.common(&results));
                let asked = match operand {
                    Some(operand) => {
                        let mut asked: Vec<&Expr> =
                            conditions.iter().map(|when| &when.condition).collect();
                        asked.push(operand);
                        self.common(&asked)
                    }
                    None => boolean,
                };
                if let Some(operand) = operand {
                    self.expr(operand, asked)?;
                }
                for when in conditions {
                    self.expr(&mut when.condition, asked)?;
                    self.expr(&mut when.result, result)?;
                }
                else_result
                    .as_mut()
                    .map_or(Ok(()), |other| self.expr(other, result))
            }
            Expr::Function(function) => self.function(function, want),
            Expr::Tuple(items) => items.iter_mut().try_for_each(|item| self.expr(item, want)),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => sets
                .iter_mut()
                .flatten()
                .try_for_each(|item| self.expr(item, None)),
            Expr::Subquery(query)
            | Expr::Exists {
                subquery: query, ..
            } if self.statement => self.query(query),
            Expr::InSubquery { expr, subquery, .. } if self.statement => {
                self.expr(expr, want)?;
                self.query(subquery)
            }
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                Err(refused("a subquery in a filter"))
            }
            other => Err(refused(&format!(
                "`{}`",
                parse::abbreviated(&other.to_string())
            ))),
        }
    }

    fn function(
        &mut self,
        function: &mut Function,
        want: Option<ValueType>,
    ) -> Result<(), SyntaxError> {
        let name = function.name.to_string().to_ascii_lowercase();
        if functions::REFUSED.contains(&name.as_str()) {
            return Err(refused(&format!("the function {name}")));
        }
        let mut inside = if functions::is_of_numbers(&name) {
            Some(ValueType::Number)
        } else if functions::OF_TEXT.contains(&name.as_str()) {
            Some(ValueType::Text)
        } else if name == "bool_and" || name == "bool_or" {
            Some(ValueType::Boolean)
        } else {
            None
        };
        if functions::CHOOSES.contains(&name.as_str()) {
            inside = want.or_else(|| self.common(&arguments(&function.args)));
        }
        match &mut function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => return Err(refused("a subquery as an argument")),
            FunctionArguments::List(list) => {
                for argument in &mut list.args {
                    let (FunctionArg::Unnamed(argument)
                    | FunctionArg::Named { arg: argument, .. }
                    | FunctionArg::ExprNamed { arg: argument, .. }) = argument;
                    match argument {
                        FunctionArgExpr::Expr(argument) => self.expr(argument, inside)?,
                        FunctionArgExpr::Wildcard => {}
                        other => return Err(refused(&format!("`{other}` as an argument"))),
                    }
                }
                for clause in &mut list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(orders) => self.orders(orders)?,
                        FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                        other => return Err(refused(&format!("`{other}` in {name}(..)"))),
                    }
                }
            }
        }
        if let Some(filter) = &mut function.filter {
            self.expr(filter, Some(ValueType::Boolean))?;
        }
        for order in &mut function.within_group {
            self.expr(&mut order.expr, inside)?;
        }
        if let Some(WindowType::WindowSpec(window)) = &mut function.over {
            for part in &mut window.partition_by {
                self.expr(part, None)?;
            }
            self.orders(&mut window.order_by)?;
        }
        Ok(())
    }

    pub(super) fn orders(&mut self, orders: &mut [OrderByExpr]) -> Result<(), SyntaxError> {
        orders
            .iter_mut()
            .try_for_each(|order| self.expr(&mut order.expr, None))
    }
}

fn arguments(arguments: &FunctionArguments) -> Vec<&Expr> {
    let FunctionArguments::List(list) = arguments else {
        return Vec::new();
    };
    let exprs = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    exprs.collect()
}

pub(super) fn refused(what: &str) -> SyntaxError {
    SyntaxError::Refused(format!("{what} is not supported here"))
}
