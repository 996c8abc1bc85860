//! The server connections that the instances of a connection share, and what runs on them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use tokio::sync::OnceCell;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::CONNECT;
use super::error::said;
use super::statement::{check, check_count};
use crate::plugin::database::bindings::{DatabaseError, RepeatedStatement, Rows, Statement, Value};
use crate::plugin::database::{Answer, Quota};

/// How many prepared statements a server connection keeps.
const STATEMENTS: usize = 256;

/// How many runs of a repeated statement are on their way to the server at once.
const PIPELINED: usize = 256;

/// How old the last look at the size of the schema may be.
const MEASURED: Duration = Duration::from_secs(10);

/// A schema on a server, and the connections there.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) pool: Pool,
    pub(super) tls: MakeRustlsConnect,
    pub(super) quota: Quota,
    pub(super) prepared: OnceCell<()>,
    /// When the schema was measured last, and what it had.
    pub(super) size: Mutex<Option<(Instant, u64)>>,
}

impl Server {
    /// A server connection, for one operation.
    pub(super) async fn checkout(&self) -> Answer<Checkout> {
        let client = self.pool.get().await.map_err(|error| {
            DatabaseError::Unavailable(match error {
                deadpool_postgres::PoolError::Backend(error) => format!(
                    "the PostgreSQL of [connections.{}] cannot be reached: {}",
                    self.name,
                    said(&error)
                ),
                error => format!("no connection to PostgreSQL: {error}"),
            })
        })?;
        if client.statement_cache.size() > STATEMENTS {
            client.statement_cache.clear();
        }
        Ok(Checkout {
            client: Some(client),
            tls: self.tls.clone(),
        })
    }

    /// Make the schema, once, if the role may have one.
    pub(super) async fn prepare(&self) -> Answer<()> {
        let checkout = self.checkout().await?;
        let client = checkout.client()?;
        // Hosts and connections that start at once look one after the other.
        client
            .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('roost schemas'))")
            .await?;
        let sql = "SELECT rolsuper OR pg_has_role(rolname, 'pg_read_server_files', 'MEMBER')
                OR pg_has_role(rolname, 'pg_write_server_files', 'MEMBER')
                OR pg_has_role(rolname, 'pg_execute_server_program', 'MEMBER')
            FROM pg_roles WHERE rolname = current_user";
        if client.query_one(sql, &[]).await?.try_get::<_, bool>(0)? {
            return Err(self.refuse("its role may read files of the server".to_owned()));
        }
        let sql = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'roost\\_%'
            AND nspname <> $1 AND has_schema_privilege(oid, 'USAGE') LIMIT 1";
        if let Some(row) = client.query_opt(sql, &[&self.schema]).await? {
            let other: String = row.try_get(0)?;
            return Err(self.refuse(format!(
                "its role can reach the schema {other}, which belongs to another connection"
            )));
        }
        let schema = &self.schema;
        client
            .batch_execute(&format!(
                "CREATE SCHEMA IF NOT EXISTS \"{schema}\";
                REVOKE ALL ON SCHEMA \"{schema}\" FROM PUBLIC; COMMIT"
            ))
            .await?;
        checkout.done();
        Ok(())
    }

    fn refuse(&self, why: String) -> DatabaseError {
        let name = &self.name;
        DatabaseError::Unavailable(format!(
            "the database of [connections.{name}] is refused: {why}. Give the connection a role of \
             its own: CREATE ROLE roost_{name} LOGIN PASSWORD '...'; GRANT CREATE ON DATABASE ... \
             TO roost_{name}"
        ))
    }

    /// The quota holds for what adds rows; deleting always works.
    async fn check_quota(&self, client: &Object, sql: &str) -> Answer<()> {
        let first = sql.split_whitespace().next().unwrap_or_default();
        if !first.eq_ignore_ascii_case("INSERT") {
            return Ok(());
        }
        let known = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let used = match known {
            Some((at, used)) if at.elapsed() < MEASURED => used,
            _ => {
                let sql =
                    "SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
                    WHERE relkind = 'r' AND relnamespace = $1::text::regnamespace";
                let schema = format!("\"{}\"", self.schema);
                let statement = client.prepare_cached(sql).await?;
                let used: i64 = client.query_one(&statement, &[&schema]).await?.try_get(0)?;
                let used = u64::try_from(used).unwrap_or_default();
                let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
                *size = Some((Instant::now(), used));
                used
            }
        };
        if used < self.quota.bytes {
            return Ok(());
        }
        Err(DatabaseError::Full(format!(
            "the schema has {used} bytes, and {} are allowed; raise `max_bytes` under [database], or \
             delete some",
            self.quota.bytes
        )))
    }

    /// A guest's statement, checked and prepared.
    async fn prepared(&self, client: &Object, sql: &str) -> Answer<tokio_postgres::Statement> {
        check(sql)?;
        self.check_quota(client, sql).await?;
        Ok(client.prepare_cached(sql).await?)
    }

    pub(super) async fn execute(&self, client: &Object, statement: &Statement) -> Answer<u64> {
        let prepared = self.prepared(client, &statement.sql).await?;
        run(client, &prepared, &statement.parameters).await
    }

    pub(super) async fn execute_many(
        &self,
        client: &Object,
        batch: &[RepeatedStatement],
    ) -> Answer<Vec<u64>> {
        let mut changed = Vec::with_capacity(batch.len());
        for (place, repeated) in batch.iter().enumerate() {
            let prepared = self.prepared(client, &repeated.sql).await;
            let prepared = &prepared.map_err(|error| error.at(place, None))?;
            let mut rows = 0;
            let numbered: Vec<_> = repeated.parameters.iter().enumerate().collect();
            for portion in numbered.chunks(PIPELINED) {
                let runs = portion.iter().map(|(row, parameters)| async move {
                    let ran = run(client, prepared, parameters).await;
                    ran.map_err(|error| error.at(place, Some(*row)))
                });
                rows += try_join_all(runs).await?.iter().sum::<u64>();
            }
            changed.push(rows);
        }
        Ok(changed)
    }

    pub(super) async fn query(&self, client: &Object, statement: &Statement) -> Answer<Rows> {
        let prepared = self.prepared(client, &statement.sql).await?;
        check_count(prepared.params().len(), &statement.parameters)?;
        let columns = prepared
            .columns()
            .iter()
            .map(|column| column.name().to_owned());
        let columns: Vec<String> = columns.collect();
        let found = client.query_raw(&prepared, &statement.parameters).await?;
        let mut found = std::pin::pin!(found);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = found.try_next().await? {
            let values = (0..columns.len()).map(|column| row.try_get(column));
            let values = values.collect::<Result<Vec<Value>, _>>()?;
            bytes += values.iter().map(Value::size).sum::<usize>();
            if bytes > self.quota.answer {
                return Err(self.quota.too_large());
            }
            rows.push(values);
        }
        Ok(Rows { columns, rows })
    }
}

async fn run(
    client: &Object,
    prepared: &tokio_postgres::Statement,
    parameters: &[Value],
) -> Answer<u64> {
    check_count(prepared.params().len(), parameters)?;
    Ok(client.execute_raw(prepared, parameters).await?)
}

/// A server connection that is in use. Dropped before it is done, whatever runs on it is
/// cancelled and it is closed, which rolls back.
pub(super) struct Checkout {
    client: Option<Object>,
    tls: MakeRustlsConnect,
}

impl Checkout {
    pub(super) fn client(&self) -> Answer<&Object> {
        let gone = || DatabaseError::Unavailable("the server connection is gone".to_owned());
        self.client.as_ref().ok_or_else(gone)
    }

    /// Back into the pool with it.
    pub(super) fn done(mut self) {
        self.client.take();
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let cancel = client.cancel_token();
        drop(Object::take(client));
        let tls = self.tls.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Where it cannot be told, `statement_timeout` ends it.
                let _ = tokio::time::timeout(CONNECT, cancel.cancel_query(tls)).await;
            });
        }
    }
}
