//! The spans of a project and a window as a table of DataFusion's.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::array;
use super::ipc;
use super::pushdown;
use super::schema::{Column, bare};
use crate::contract::{Order, TimeWindow};
use crate::provider::{Provider, SpanQuery};

/// The table of one statement: the columns of spans, and those columns of attributes that the
/// statement names.
pub(super) struct SpanTable {
    provider: Provider,
    project: String,
    window: TimeWindow,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl SpanTable {
    pub(super) fn new(
        provider: Provider,
        project: &str,
        window: TimeWindow,
        named: BTreeSet<Column>,
    ) -> Self {
        let mut columns: Vec<Column> = Column::fixed().collect();
        let attributes = named.into_iter();
        columns.extend(attributes.filter(|column| matches!(column, Column::Attribute(..))));
        Self {
            provider,
            project: project.to_owned(),
            window,
            schema: array::schema(&columns),
            columns,
        }
    }

    /// The question that answers a scan of these columns under these conditions.
    fn question(&self, columns: &[Column], filters: &[Expr], limit: Option<usize>) -> SpanQuery {
        let mut wanted = bare();
        for column in columns {
            column.widen(&mut wanted);
        }
        let mut query = SpanQuery::new(self.project.as_str(), self.window)
            .limit(limit.unwrap_or(usize::MAX))
            .project_to(wanted);
        for pushed in filters.iter().filter_map(pushdown::push) {
            for predicate in pushed.predicates {
                query = query.narrowed_by(predicate);
            }
        }
        query
    }
}

impl fmt::Debug for SpanTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanTable")
            .field("project", &self.project)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SpanTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns: Vec<Column> = match projection {
            Some(places) => places
                .iter()
                .filter_map(|place| self.columns.get(*place).cloned())
                .collect(),
            None => self.columns.clone(),
        };
        let scan = Scan {
            provider: self.provider.clone(),
            query: self.question(&columns, filters, limit),
            schema: array::schema(&columns),
            columns,
        };
        Ok(Arc::new(SpanScan::new(scan, limit)?))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match pushdown::push(filter) {
            Some(pushed) if pushed.exact => TableProviderFilterPushDown::Exact,
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }
}

/// A scan as a plan has it.
#[derive(Debug)]
pub(super) struct SpanScan {
    scan: Arc<Scan>,
    limit: Option<usize>,
    stream: Arc<StreamingTableExec>,
}

impl SpanScan {
    fn new(scan: Scan, limit: Option<usize>) -> Result<Self> {
        let scan = Arc::new(scan);
        let partition: Arc<dyn PartitionStream> = Arc::<Scan>::clone(&scan);
        let schema = Arc::clone(&scan.schema);
        let stream =
            StreamingTableExec::try_new(schema, vec![partition], None, Vec::new(), false, limit)?;
        Ok(Self {
            scan,
            limit,
            stream: Arc::new(stream),
        })
    }

    /// The column at this place of the scan's rows.
    pub(super) fn column(&self, place: usize) -> Option<&Column> {
        self.scan.columns.get(place)
    }

    /// The same scan of no more than the first `limit` spans in this order.
    pub(super) fn first(&self, order: Order, limit: usize) -> Result<Self> {
        let limit = self.limit.map_or(limit, |already| already.min(limit));
        let mut scan = Scan::clone(&self.scan);
        scan.query = scan.query.order_by(order).limit(limit);
        Self::new(scan, Some(limit))
    }
}

impl DisplayAs for SpanScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanScan: {:?}", self.scan.query)
    }
}

impl ExecutionPlan for SpanScan {
    fn name(&self) -> &'static str {
        "SpanScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.stream.properties()
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.stream.execute(partition, context)
    }
}

/// One way through the spans, a page at a time: while a page is worked on, the next is fetched.
#[derive(Clone)]
struct Scan {
    provider: Provider,
    query: SpanQuery,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 1);
        let sender = stream.tx();
        let provider = self.provider.clone();
        let (query, columns) = (self.query.clone(), self.columns.clone());
        let schema = Arc::clone(&self.schema);
        stream.spawn(async move {
            let external = |why| DataFusionError::External(Box::new(why));
            let mut pages = provider
                .traces()
                .pages(&query)
                .map_err(external)?
                .accept_arrow(ipc::decode);
            while let Some(spans) = pages.next().await.map_err(external)? {
                let batch = array::batch(&schema, &columns, &spans)
                    .map_err(|why| DataFusionError::External(Box::new(why)))?;
                if sender.send(Ok(batch)).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        stream.build()
    }
}
