//! `ORDER BY start_time DESC LIMIT 10` handed down: a backend that knows the order answers with
//! the spans that are wanted, and of any other the host keeps no more than those.
//!
//! DataFusion tells a table a limit only where nothing sorts above it. This rule runs after its
//! own. The sort stays in the plan: it has little left to sort, and what comes out does not depend
//! on how the spans came in.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ReplaceChildrenOptions};

use super::schema::Column;
use super::table::SpanScan;
use crate::contract::{Order, OrderKey};

/// How many spans are asked for in an order at most. More are read as they come and sorted by
/// DataFusion, which spills to disk what the host would have to hold.
const MOST: usize = 10_000;

/// The rule; see the module.
#[derive(Debug)]
pub(super) struct FirstInOrder;

impl PhysicalOptimizerRule for FirstInOrder {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            let Some((sort, key, limit)) = plan.downcast_ref::<SortExec>().and_then(wanted) else {
                return Ok(Transformed::no(plan));
            };
            let Some(input) = first(sort.input(), &*key.expr, key.options.descending, limit)?
            else {
                return Ok(Transformed::no(plan));
            };
            over(&plan, input).map(Transformed::yes)
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "FirstInOrder"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What a sort wants, if it wants few spans by one key. By several, the spans that are equal by
/// the first one would have to be known whole.
fn wanted(sort: &SortExec) -> Option<(&SortExec, &PhysicalSortExpr, usize)> {
    let limit = sort.fetch().filter(|limit| *limit <= MOST)?;
    match sort.expr().as_ref() {
        [key] => Some((sort, key, limit)),
        _ => None,
    }
}

/// This plan over another input of the same columns.
fn over(
    plan: &Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan).replace_children(vec![input], recompute)
}

/// This plan over a scan in the order that is wanted; none if it is not a scan, or not one of a
/// column that backends order by.
fn first(
    plan: &Arc<dyn ExecutionPlan>,
    key: &dyn PhysicalExpr,
    descending: bool,
    limit: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(column) = key.downcast_ref::<ColumnExpr>() else {
        return Ok(None);
    };
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let Some(source) = projection.expr().get(column.index()) else {
            return Ok(None);
        };
        let input = first(projection.input(), &*source.expr, descending, limit)?;
        return input.map(|input| over(plan, input)).transpose();
    }
    let Some(scan) = plan.downcast_ref::<SpanScan>() else {
        return Ok(None);
    };
    let key = match scan.column(column.index()) {
        Some(Column::StartTime) => OrderKey::StartTime,
        Some(Column::EndTime) => OrderKey::EndTime,
        Some(Column::LatencyMs) => OrderKey::Latency,
        _ => return Ok(None),
    };
    let first = scan.first(Order { key, descending }, limit)?;
    Ok(Some(Arc::new(first)))
}
