//! Statements in SQL: over the spans of a project, what they may use, and their answers.

use std::fmt;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::error::{QueryError, SyntaxError};
use super::filter::reason;
use super::tables::SqlTables;
use crate::contract::{ProviderError, TimeWindow};
use crate::provider::TraceStore;

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
        SqlTables::one(self.provider, project)
            .sql(window, statement, options)
            .await
    }
}

/// The rows that answer a statement, as they come.
pub struct SqlAnswer {
    stream: SendableRecordBatchStream,
    options: SqlOptions,
    ends: Instant,
}

impl SqlAnswer {
    pub(super) fn new(
        stream: SendableRecordBatchStream,
        options: SqlOptions,
        ends: Instant,
    ) -> Self {
        Self {
            stream,
            options,
            ends,
        }
    }

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
    pub(super) fn late(&self) -> QueryError {
        QueryError::Deadline {
            after: self.deadline,
        }
    }

    /// What DataFusion ended in, in our words.
    pub(super) fn error(&self, why: &DataFusionError, planning: bool) -> QueryError {
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
