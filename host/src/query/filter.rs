//! Filters: SQL conditions over spans.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use arrow::array::AsArray;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::ExprWithAlias;

use super::array;
use super::error::{FilterError, SyntaxError};
use super::functions::REFUSED;
use super::parse;
use super::pushdown;
use super::rewrite::{Rewriter, refused};
use super::schema::Column;
use crate::contract::{AttributeValue, Condition, Field, Predicate, Projection, Span, TimeWindow};
use crate::provider::{SpanFilter, SpanQuery};

/// What must hold of a span, as a boolean expression in SQL.
///
/// ```
/// use roost::contract::TimeWindow;
/// use roost::provider::SpanQuery;
/// use roost::query::Filter;
///
/// let slow = Filter::parse("status_code = 'ERROR' AND latency_ms > 1000")?;
/// let query = SpanQuery::new("cogniverse-acme-search", TimeWindow::all()).matching(&slow);
///
/// // A name that is wrong is an error, not an empty answer.
/// let error = Filter::parse("latencyms > 1000").unwrap_err();
/// assert!(error.to_string().contains("did you mean `latency_ms`?"));
/// # Ok::<(), roost::query::FilterError>(())
/// ```
///
/// Columns have the names of [`span_frame`](super::span_frame) and others that people use, such
/// as `duration`, `span.name` or `status.code`. An attribute is `attributes['llm.model_name']`
/// or `attributes.llm.model_name`; what it is compared with tells its type, and a comparison does
/// not hold where the attribute has another: `attributes['n'] = '7'` is false for the number 7.
/// `docs/query.md` tells the rest.
#[derive(Debug, Clone)]
pub struct Filter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    text: String,
    predicates: Vec<Predicate>,
    window: TimeWindow,
    whole: Check,
    /// What predicates and window do not say.
    rest: Option<Arc<Rest>>,
}

/// What is checked of a span by the host, and which filter asked for it.
#[derive(Debug)]
struct Rest {
    text: String,
    check: Check,
}

/// Conditions, all of which must be true.
#[derive(Debug)]
struct Check {
    columns: Vec<Column>,
    schema: SchemaRef,
    conditions: Vec<Arc<dyn PhysicalExpr>>,
}

/// Expressions are planned in it: it knows functions and no tables.
static STATE: LazyLock<SessionState> = LazyLock::new(|| {
    let mut builder = SessionStateBuilder::new().with_default_features();
    if let Some(functions) = builder.scalar_functions() {
        functions.retain(|function| !REFUSED.contains(&function.name()));
    }
    builder.build()
});

impl Filter {
    /// Read a filter. `now()` in it is the instant at which it is read.
    ///
    /// # Errors
    ///
    /// For what is no SQL, names no column, or is not offered in a filter (subqueries,
    /// aggregates, functions that answer differently each time), and for what is longer or deeper
    /// than 256 KiB, 512 operators and 40 parentheses.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::read(text).map_err(|why| FilterError {
            filter: parse::abbreviated(text),
            why,
        })
    }

    fn read(text: &str) -> Result<Self, SyntaxError> {
        let mut expr = parse::expression(text)?;
        let mut rewriter = Rewriter::default();
        rewriter.expr(&mut expr, Some(super::schema::ValueType::Boolean))?;
        let columns: Vec<Column> = rewriter.columns.into_iter().collect();
        let schema = Arc::new(DFSchema::try_from(array::schema(&columns)).map_err(plan)?);
        let expr = ExprWithAlias { expr, alias: None };
        let expr = STATE
            .create_logical_expr_from_sql_expr(expr, &schema)
            .map_err(plan)?;
        check_kind(&expr)?;
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&schema))
            .with_config_options(Arc::clone(STATE.config_options()))
            .with_current_time();
        let simplifier = ExprSimplifier::new(context.build());
        let expr = simplifier
            .coerce(expr, &schema)
            .and_then(|expr| simplifier.simplify(expr))
            .map_err(plan)?;
        match expr.get_type(&*schema).map_err(plan)? {
            DataType::Boolean | DataType::Null => {}
            other => {
                return Err(SyntaxError::Plan(format!(
                    "a filter is true or false, and this is {other}"
                )));
            }
        }
        let conditions = split_conjunction(&expr);
        let mut window = TimeWindow::new(0, u64::MAX);
        let mut predicates = Vec::new();
        let mut rest = Vec::new();
        for condition in &conditions {
            let pushed = pushdown::push(condition);
            if !pushed.as_ref().is_some_and(|pushed| pushed.exact) {
                rest.push(*condition);
            }
            for predicate in pushed.into_iter().flat_map(|pushed| pushed.predicates) {
                if !narrow(&mut window, &predicate) {
                    predicates.push(predicate);
                }
            }
        }
        let rest = match rest.as_slice() {
            [] => None,
            rest => Some(Arc::new(Rest {
                text: parse::abbreviated(text),
                check: Check::new(rest, &schema)?,
            })),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                text: text.to_owned(),
                predicates,
                window,
                whole: Check::new(&conditions, &schema)?,
                rest,
            }),
        })
    }

    /// The filter as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.inner.text
    }

    /// What providers are asked to apply. Every span that fits the filter fits these; with
    /// [`is_pushed_down`](Self::is_pushed_down), no other span does.
    #[must_use]
    pub fn predicates(&self) -> &[Predicate] {
        &self.inner.predicates
    }

    /// Whether predicates and the window of a query say all of this filter, so that no span need
    /// be looked at twice.
    #[must_use]
    pub fn is_pushed_down(&self) -> bool {
        self.inner.rest.is_none()
    }

    /// Whether each of these spans fits, in their order, whatever a provider has applied. The
    /// spans must have the attributes that the filter reads.
    ///
    /// # Errors
    ///
    /// For an operation that is not defined on some span, such as a whole division by zero.
    pub fn fits(&self, spans: &[Span]) -> Result<Vec<bool>, FilterError> {
        let fits = self.inner.whole.fits(spans);
        fits.map_err(|why| FilterError {
            filter: parse::abbreviated(&self.inner.text),
            why: SyntaxError::Plan(why),
        })
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.text)
    }
}

impl SpanQuery {
    /// Only spans that fit this filter, and all that were asked for before. The provider is
    /// asked for what it can apply, and the host applies the rest: the answer is exact. Its limit
    /// counts what fits.
    #[must_use]
    pub fn matching(mut self, filter: &Filter) -> Self {
        let Inner {
            predicates,
            window,
            rest,
            ..
        } = &*filter.inner;
        self = self.inside(*window);
        for predicate in predicates {
            self = self.filter(predicate.clone());
        }
        match rest {
            Some(rest) => self.filter_with(Arc::clone(rest) as Arc<dyn SpanFilter>),
            None => self,
        }
    }

    /// Only spans that fit this predicate, which may be said by the window.
    pub(super) fn narrowed_by(self, predicate: Predicate) -> Self {
        let mut window = TimeWindow::new(0, u64::MAX);
        if narrow(&mut window, &predicate) {
            self.inside(window)
        } else {
            self.filter(predicate)
        }
    }

    /// Only spans that began inside this window as well.
    fn inside(mut self, window: TimeWindow) -> Self {
        // A window that is wrong is still to be refused.
        if self.window.start <= self.window.end {
            self.window.end = self.window.end.min(window.end);
            self.window.start = self.window.start.max(window.start).min(self.window.end);
        }
        self
    }
}

impl SpanFilter for Rest {
    fn fits(&self, spans: &[Span]) -> Result<Vec<bool>, String> {
        let fits = self.check.fits(spans);
        fits.map_err(|why| format!("filter `{}`: {why}", self.text))
    }

    fn widen(&self, wanted: &mut Projection) {
        for column in &self.check.columns {
            column.widen(wanted);
        }
    }
}

impl Check {
    /// Of the columns in `known`, those that the conditions read.
    fn new(conditions: &[&Expr], known: &DFSchema) -> Result<Self, SyntaxError> {
        let columns = known.fields().iter().filter_map(|field| {
            let read = |expr: &&Expr| {
                let columns = expr.column_refs();
                columns.iter().any(|column| column.name == *field.name())
            };
            conditions
                .iter()
                .any(read)
                .then(|| Column::parse(field.name()))?
        });
        let columns: Vec<Column> = columns.collect();
        let schema = array::schema(&columns);
        let typed = DFSchema::try_from(Arc::clone(&schema)).map_err(plan)?;
        let physical = |expr: &&Expr| STATE.create_physical_expr((*expr).clone(), &typed);
        let conditions: Result<_, _> = conditions.iter().map(physical).collect();
        Ok(Self {
            columns,
            schema,
            conditions: conditions.map_err(plan)?,
        })
    }

    fn fits(&self, spans: &[Span]) -> Result<Vec<bool>, String> {
        let batch = array::batch(&self.schema, &self.columns, spans);
        let batch = batch.map_err(|why| why.to_string())?;
        let mut fits = vec![true; spans.len()];
        for condition in &self.conditions {
            let values = condition
                .evaluate(&batch)
                .and_then(|value| value.into_array(spans.len()))
                .map_err(|why| reason(&why))?;
            // Of the type of null where the condition is null for every span.
            let values = values.as_boolean_opt();
            let values = (0..spans.len()).map(|row| {
                values.is_some_and(|values| {
                    use arrow::array::Array;
                    values.is_valid(row) && values.value(row)
                })
            });
            for (fits, value) in fits.iter_mut().zip(values) {
                *fits &= value;
            }
        }
        Ok(fits)
    }
}

/// What plans as an expression and is none over a single span.
fn check_kind(expr: &Expr) -> Result<(), SyntaxError> {
    if expr.is_volatile() {
        return Err(refused("a function that answers differently each time"));
    }
    let mut found = None;
    let walked = expr.apply(|expr| {
        found = match expr {
            Expr::AggregateFunction(_) => Some("an aggregate in a filter"),
            Expr::WindowFunction(_) => Some("a window function in a filter"),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    });
    walked.map_err(plan)?;
    found.map_or(Ok(()), |what| Err(refused(what)))
}

/// A predicate on the start says a window, which every provider applies exactly.
fn narrow(window: &mut TimeWindow, predicate: &Predicate) -> bool {
    if predicate.field != Field::StartTime {
        return false;
    }
    let instant = |value: &AttributeValue| match value {
        AttributeValue::Integer(nanoseconds) => Some(u64::try_from(*nanoseconds).ok()),
        _ => None,
    };
    let (from, to) = match &predicate.condition {
        Condition::Equal(value) => (instant(value), instant(value).map(after)),
        Condition::Less(value) => (Some(Some(0)), instant(value)),
        Condition::LessOrEqual(value) => (Some(Some(0)), instant(value).map(after)),
        Condition::Greater(value) => (instant(value).map(after), Some(Some(u64::MAX))),
        Condition::GreaterOrEqual(value) => (instant(value), Some(Some(u64::MAX))),
        _ => return false,
    };
    let (Some(from), Some(to)) = (from, to) else {
        return false;
    };
    // Before 1970 nothing began.
    window.start = window.start.max(from.unwrap_or(0));
    window.end = window.end.min(to.unwrap_or(0));
    true
}

/// The instant that follows; of one before 1970, the first there is.
fn after(instant: Option<u64>) -> Option<u64> {
    Some(instant.map_or(0, |instant| instant.saturating_add(1)))
}

/// Plans tell of columns by their inner names.
pub(super) fn plan(why: DataFusionError) -> SyntaxError {
    SyntaxError::Plan(reason(&why))
}

/// What went wrong, without the words around it, in the names that people use.
pub(super) fn reason(why: &DataFusionError) -> String {
    let mut text = why.find_root().strip_backtrace();
    for prefix in ["text:", "number:", "integer:", "boolean:"] {
        text = text.replace(&format!("{prefix}attributes."), "attributes.");
    }
    text
}

#[cfg(test)]
mod tests;
