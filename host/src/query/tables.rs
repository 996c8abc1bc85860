//! The tables of a statement: `spans`, of one project or of several.

use std::fmt;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::Statement;
use tokio::time::{Instant, timeout_at};

use super::error::QueryError;
use super::first::FirstInOrder;
use super::functions::REFUSED;
use super::parse;
use super::rewrite::Rewriter;
use super::sql::{SqlAnswer, SqlOptions};
use super::table::SpanTable;
use crate::contract::TimeWindow;
use crate::provider::{GET_SPANS, Provider};

/// How many rows a batch of an answer has at the most.
const BATCH_ROWS: usize = 4096;

/// How many consumers of memory an error names.
const NAMED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// The tables that a statement reaches, each the spans of one project, wherever those are: one
/// tenant may be in Phoenix and the next in MLflow.
///
/// A table is called by its owner: `"acme".spans`, in quotes where the owner is no plain word.
/// One that is alone is called `spans` as well.
///
/// ```no_run
/// # async fn example(telemetry: &roost::TelemetryManager) -> Result<(), Box<dyn std::error::Error>> {
/// use roost::contract::TimeWindow;
/// use roost::query::{SqlOptions, SqlTables};
///
/// let mut tables = SqlTables::new();
/// for tenant in ["acme", "globex"] {
///     let provider = telemetry.get_provider(tenant, None)?;
///     tables = tables.with(tenant, &provider, telemetry.project_name(tenant, None)?);
/// }
/// let statement = "SELECT a.name, a.latency_ms, g.latency_ms AS theirs
///                  FROM acme.spans AS a JOIN globex.spans AS g ON a.name = g.name";
/// let mut answer = tables.sql(TimeWindow::all(), statement, SqlOptions::default()).await?;
/// while let Some(batch) = answer.next().await? {
///     println!("{} rows", batch.num_rows());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SqlTables {
    tables: Vec<Table>,
}

#[derive(Clone)]
struct Table {
    owner: Option<String>,
    provider: Provider,
    project: String,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("owner", &self.owner)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

impl SqlTables {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These, and the spans of `project` as those of `owner`, in place of another table of that
    /// owner.
    #[must_use]
    pub fn with(
        mut self,
        owner: impl Into<String>,
        provider: &Provider,
        project: impl Into<String>,
    ) -> Self {
        let table = Table {
            owner: Some(owner.into()),
            provider: provider.clone(),
            project: project.into(),
        };
        self.tables.retain(|other| other.owner != table.owner);
        self.tables.push(table);
        self
    }

    /// The one table `spans`.
    pub(super) fn one(provider: &Provider, project: &str) -> Self {
        Self {
            tables: vec![Table {
                owner: None,
                provider: provider.clone(),
                project: project.to_owned(),
            }],
        }
    }

    /// Run a `SELECT` over these tables, of which each holds the spans that began inside
    /// `window`.
    ///
    /// # Errors
    ///
    /// [`QueryError::Statement`] for a statement that is no single `SELECT` over these tables;
    /// [`QueryError::Provider`] for a window, or for a project that its provider does not reach.
    pub async fn sql(
        &self,
        window: TimeWindow,
        statement: &str,
        options: SqlOptions,
    ) -> Result<SqlAnswer, QueryError> {
        let ends = Instant::now() + options.deadline;
        let (context, statement) = self.context(window, statement, options)?;
        let planned = async {
            let state = context.state();
            let statement = datafusion::sql::parser::Statement::Statement(Box::new(statement));
            let plan = state.statement_to_plan(statement).await?;
            reading_only().verify_plan(&plan)?;
            let frame = context.execute_logical_plan(plan).await?;
            frame.execute_stream().await
        };
        match timeout_at(ends, planned).await {
            Ok(Ok(stream)) => Ok(SqlAnswer::new(stream, options, ends)),
            Ok(Err(why)) => Err(options.error(&why, true)),
            Err(_) => Err(options.late()),
        }
    }

    /// A session that knows the tables, and the statement in its words.
    fn context(
        &self,
        window: TimeWindow,
        statement: &str,
        options: SqlOptions,
    ) -> Result<(SessionContext, Statement), QueryError> {
        for Table {
            provider, project, ..
        } in &self.tables
        {
            provider.admit(GET_SPANS, project)?;
            window
                .check()
                .map_err(|why| provider.invalid(GET_SPANS, why))?;
        }
        let mut query = parse::query(statement)?;
        let owners = self.tables.iter().map(|table| table.owner.clone());
        let mut rewriter = Rewriter::of_statements(owners.collect());
        rewriter.query(&mut query)?;
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
        for table in &self.tables {
            let name = rewriter.table_name(table.owner.as_deref());
            let columns = rewriter.columns.clone();
            let spans = SpanTable::new(table.provider.clone(), &table.project, window, columns);
            context
                .register_table(TableReference::bare(name), Arc::new(spans))
                .map_err(|why| options.error(&why, false))?;
        }
        Ok((context, Statement::Query(Box::new(query))))
    }
}

fn reading_only() -> SQLOptions {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
}
