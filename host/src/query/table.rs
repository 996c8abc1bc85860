//! The spans of a project and a window as a table of DataFusion's.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::array;
use super::ipc;
use super::pushdown;
use super::schema::{Column, bare};
use crate::contract::TimeWindow;
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
        let schema = Arc::clone(&scan.schema);
        Ok(Arc::new(StreamingTableExec::try_new(
            schema,
            vec![Arc::new(scan)],
            None,
            Vec::new(),
            false,
            limit,
        )?))
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

/// One way through the spans, a page at a time: while a page is worked on, the next is fetched.
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
