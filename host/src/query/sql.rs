//! Statements in SQL over the spans of a project.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::Statement;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::error::{QueryError, SyntaxError};
use super::filter::reason;
use super::first::FirstInOrder;
use super::functions::REFUSED;
use super::parse;
use super::rewrite::Rewriter;
use super::statement::TABLE;
use super::table::SpanTable;
use crate::contract::{ProviderError, TimeWindow};
use crate::provider::{GET_SPANS, Provider, TraceStore};

/// How many rows a batch of an answer has at the most.
const BATCH_ROWS: usize = 4096;

/// How many consumers of memory an error names.
const NAMED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// What a statement may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlOptions {
    /// The most memory for sorting, grouping and joining, in bytes. What does not fit is spilled
    /// to a temporary folder where the operation can.
    pub memory_limit: usize,
    /// The most that is spilled, in bytes.
    pub spill_limit: u64,
    /// The longest time from the call to the last row.
    pub deadline: Duration,
}

impl Default for SqlOptions {
    /// 256 MiB of memory, 4 GiB of temporary files and 5 minutes.
    fn default() -> Self {
        Self {
            memory_limit: 256 << 20,
            spill_limit: 4 << 30,
            deadline: Duration::from_secs(300),
        }
    }
}

impl TraceStore<'_> {
    /// Run a `SELECT` over the table `spans`, which holds the spans of `project` that began
    /// inside `window`. The default limits apply: see [`sql_with`](Self::sql_with).
    ///
    /// ```no_run
    /// # async fn example(provider: &roost::Provider) -> Result<(), roost::query::QueryError> {
    /// use roost::contract::TimeWindow;
    ///
    /// let mut answer = provider
    ///     .traces()
    ///     .sql(
    ///         "cogniverse-acme-search",
    ///         TimeWindow::all(),
    ///         "SELECT name, approx_percentile_cont(latency_ms, 0.95) AS p95 FROM spans GROUP BY name",
    ///     )
    ///     .await?;
    /// while let Some(batch) = answer.next().await? {
    ///     println!("{} rows", batch.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError::Statement`] for a statement that is no single `SELECT` over `spans`;
    /// [`QueryError::Provider`] for a window or a project that this handle does not reach.
    pub async fn sql(
        &self,
        project: &str,
        window: TimeWindow,
        statement: &str,
    ) -> Result<SqlAnswer, QueryError> {
        self.sql_with(project, window, statement, SqlOptions::default())
            .await
    }

    /// [`sql`](Self::sql) under limits of one's own.
    ///
    /// # Errors
    ///
    /// As [`sql`](Self::sql).
    pub async fn sql_with(
        &self,
        project: &str,
        window: TimeWindow,
        statement: &str,
        options: SqlOptions,
    ) -> Result<SqlAnswer, QueryError> {
        let ends = Instant::now() + options.deadline;
        let context = self.context(project, window, statement, options)?;
        let planned = async {
            let (context, statement) = context;
            let state = context.state();
            let statement = datafusion::sql::parser::Statement::Statement(Box::new(statement));
            let plan = state.statement_to_plan(statement).await?;
            reading_only().verify_plan(&plan)?;
            let frame = context.execute_logical_plan(plan).await?;
            frame.execute_stream().await
        };
        match timeout_at(ends, planned).await {
            Ok(Ok(stream)) => Ok(SqlAnswer {
                stream,
                options,
                ends,
            }),
            Ok(Err(why)) => Err(options.error(&why, true)),
            Err(_) => Err(options.late()),
        }
    }

    /// A session that knows the table, and the statement in its words.
    fn context(
        &self,
        project: &str,
        window: TimeWindow,
        statement: &str,
        options: SqlOptions,
    ) -> Result<(SessionContext, Statement), QueryError> {
        let provider: &Provider = self.provider;
        provider.admit(GET_SPANS, project)?;
        window
            .check()
            .map_err(|why| provider.invalid(GET_SPANS, why))?;
        let mut query = parse::query(statement)?;
        let mut rewriter = Rewriter::of_statements();
        rewriter.query(&mut query)?;
        let table = SpanTable::new(provider.clone(), project, window, rewriter.columns);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(TrackConsumersPool::new(
                FairSpillPool::new(options.memory_limit),
                NAMED_CONSUMERS,
            )))
            .with_max_temp_directory_size(options.spill_limit)
            .build_arc()
            .map_err(|why| options.error(&why, false))?;
        let config = SessionConfig::new()
            .with_information_schema(false)
            .with_batch_size(BATCH_ROWS);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(FirstInOrder))
            .build();
        let context = SessionContext::new_with_state(state);
        for function in REFUSED {
            context.deregister_udf(function);
            context.deregister_udtf(function);
        }
        context
            .register_table(TABLE, Arc::new(table))
            .map_err(|why| options.error(&why, false))?;
        Ok((context, Statement::Query(Box::new(query))))
    }
}

fn reading_only() -> SQLOptions {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
}

/// The rows that answer a statement, as they come.
pub struct SqlAnswer {
    stream: SendableRecordBatchStream,
    options: SqlOptions,
    ends: Instant,
}

impl SqlAnswer {
    /// The columns, named as the statement writes them.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next rows; `None` after the last. Never none at all.
    ///
    /// # Errors
    ///
    /// [`QueryError::Provider`] as [`SpanPages::next`](crate::provider::SpanPages::next);
    /// [`QueryError::OutOfMemory`] and [`QueryError::Deadline`] beyond the limits;
    /// [`QueryError::Failed`] for a row on which an operation is not defined.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        loop {
            match timeout_at(self.ends, self.stream.next()).await {
                Err(_) => return Err(self.options.late()),
                Ok(None) => return Ok(None),
                Ok(Some(Err(why))) => return Err(self.options.error(&why, false)),
                Ok(Some(Ok(batch))) if batch.num_rows() == 0 => {}
                Ok(Some(Ok(batch))) => return Ok(Some(batch)),
            }
        }
    }

    /// All rows that are left as one batch.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); and [`QueryError::OutOfMemory`] for an answer that is larger than
    /// the limit of memory.
    pub async fn collect(mut self) -> Result<RecordBatch, QueryError> {
        let schema = self.schema();
        let mut batches = Vec::new();
        let mut held = 0_usize;
        while let Some(batch) = self.next().await? {
            held = held.saturating_add(batch.get_array_memory_size());
            if held > self.options.memory_limit {
                return Err(QueryError::OutOfMemory {
                    limit: self.options.memory_limit,
                    why: "the answer is collected as a whole".to_owned(),
                });
            }
            batches.push(batch);
        }
        arrow::compute::concat_batches(&schema, &batches)
            .map_err(|why| QueryError::Failed(why.to_string()))
    }
}

impl fmt::Debug for SqlAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlAnswer")
            .field("schema", &self.schema())
            .finish_non_exhaustive()
    }
}

impl SqlOptions {
    fn late(&self) -> QueryError {
        QueryError::Deadline {
            after: self.deadline,
        }
    }

    /// What DataFusion ended in, in our words.
    fn error(&self, why: &DataFusionError, planning: bool) -> QueryError {
        if let Some(error) = provider_error(why) {
            return QueryError::Provider(error);
        }
        match why.find_root() {
            DataFusionError::ResourcesExhausted(_) => QueryError::OutOfMemory {
                limit: self.memory_limit,
                why: reason(why),
            },
            DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_) => QueryError::Statement(plan_error(why)),
            _ if planning => QueryError::Statement(plan_error(why)),
            _ => QueryError::Failed(reason(why)),
        }
    }
}

fn plan_error(why: &DataFusionError) -> SyntaxError {
    SyntaxError::Plan(reason(why))
}

/// The provider's error that a table handed through a plan.
fn provider_error(why: &DataFusionError) -> Option<ProviderError> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(why);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<ProviderError>() {
            return Some(found.clone());
        }
        source = error.source();
    }
    None
}
