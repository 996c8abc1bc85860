//! PostgreSQL, and what speaks its protocol: a schema a connection, and a pool of
//! server connections that its instances share.
//!
//! What keeps one connection from another's data is the server's own roles. A role that could
//! reach the schema of another connection, or files of the server, is refused before the
//! first statement of a guest, with the lines that make a better one.

mod error;
mod statement;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::error::said;
use self::statement::{check, check_count};
use super::bindings::{DatabaseError, Migration, RepeatedStatement, Rows, Statement, Value};
use super::sqlite::too_large;
use super::{Answer, Deadline, Quota, migrate, tls};

/// How long a server may take to answer a new connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Server connections of one connection of `roost.toml` in one process.
const CONNECTIONS: usize = 16;

/// How many prepared statements a server connection keeps.
const STATEMENTS: usize = 256;

/// How many runs of a repeated statement are on their way to the server at once.
const PIPELINED: usize = 256;

/// How old the last look at the size of the schema may be.
const MEASURED: Duration = Duration::from_secs(10);

/// A schema on a server.
pub(crate) struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    schema: String,
    pool: Pool,
    tls: MakeRustlsConnect,
    quota: Quota,
    prepared: OnceCell<()>,
    /// When the schema was measured last, and what it had.
    size: Mutex<Option<(Instant, u64)>>,
}

impl Database {
    pub(super) fn new(
        name: &str,
        url: &str,
        quota: Quota,
        statement_millis: u64,
    ) -> Result<Self, String> {
        let (url, authorities) = tls::of_address(url)?;
        let mut config: tokio_postgres::Config = url.parse().map_err(|_| {
            "it is no address of a PostgreSQL, such as \
             postgres://user:password@host:5432/database"
                .to_owned()
        })?;
        let schema = schema(name);
        let options = config.get_options().unwrap_or_default();
        config.options(format!(
            "{options} -c search_path=\"{schema}\" -c statement_timeout={statement_millis} \
             -c idle_in_transaction_session_timeout={statement_millis}"
        ));
        config.application_name("roost").connect_timeout(CONNECT);
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if is_local(&config) {
                SslMode::Disable
            } else {
                SslMode::Require
            });
        }
        let tls = tls::connector(authorities.as_deref())?;
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(config, tls.clone(), ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            shared: Arc::new(Shared {
                name: name.to_owned(),
                schema,
                pool,
                tls,
                quota,
                prepared: OnceCell::new(),
                size: Mutex::default(),
            }),
        })
    }

    pub(super) async fn session(&self) -> Answer<Session> {
        let shared = Arc::clone(&self.shared);
        shared.prepared.get_or_try_init(|| shared.prepare()).await?;
        Ok(Session {
            shared: Arc::clone(&self.shared),
            transaction: None,
        })
    }
}

/// The schema of a connection. Names are cut at 63 bytes by the server, so a long one is
/// told apart by its digest.
fn schema(name: &str) -> String {
    if name.len() <= 50 {
        return format!("roost_{name}");
    }
    let digest = Sha256::digest(name);
    let digest: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let start: String = name.chars().take(32).collect();
    format!("roost_{start}_{digest}")
}

/// Whether every host is this machine, so that nothing can be read on the way.
fn is_local(config: &tokio_postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

impl Shared {
    /// A server connection, for one operation.
    async fn checkout(&self) -> Answer<Checkout> {
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
    async fn prepare(&self) -> Answer<()> {
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
}

/// A server connection that is in use. Dropped before it is done, whatever runs on it is
/// cancelled and it is closed, which rolls back.
struct Checkout {
    client: Option<Object>,
    tls: MakeRustlsConnect,
}

impl Checkout {
    fn client(&self) -> Answer<&Object> {
        let gone = || DatabaseError::Unavailable("the server connection is gone".to_owned());
        self.client.as_ref().ok_or_else(gone)
    }

    /// Back into the pool with it.
    fn done(mut self) {
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

/// A way into a schema, for one instance.
pub(crate) struct Session {
    shared: Arc<Shared>,
    transaction: Option<Box<Checkout>>,
}

impl Session {
    pub(super) async fn migrate(&self, all: Vec<Migration>, _: Deadline) -> Answer<u32> {
        let newest = all.iter().map(|it| it.version).max().unwrap_or(0);
        let checkout = self.shared.checkout().await?;
        let client = checkout.client()?;
        // A query that fails outside of a transaction leaves nothing behind.
        if let Ok(row) = client.query_one(migrate::VERSION, &[]).await
            && row.try_get::<_, Option<i64>>(0)? == Some(i64::from(newest))
        {
            checkout.done();
            return Ok(newest);
        }
        client.batch_execute("BEGIN").await?;
        let lock = "SELECT pg_advisory_xact_lock(hashtext($1))";
        client.query_one(lock, &[&self.shared.schema]).await?;
        client.batch_execute(migrate::CREATE).await?;
        let now = client.query_one(migrate::VERSION, &[]).await?.try_get(0)?;
        for migration in migrate::pending(now, all)? {
            for sql in &migration.statements {
                check(sql)?;
                client.execute(sql, &[]).await?;
            }
            let version = i64::from(migration.version);
            client.execute(migrate::DONE, &[&version]).await?;
        }
        client.batch_execute("COMMIT").await?;
        checkout.done();
        Ok(newest)
    }

    pub(super) async fn execute(&self, statement: Statement, _: Deadline) -> Answer<u64> {
        if let Some(transaction) = &self.transaction {
            return self.shared.execute(transaction.client()?, &statement).await;
        }
        let checkout = self.shared.checkout().await?;
        let changed = self.shared.execute(checkout.client()?, &statement).await;
        checkout.done();
        changed
    }

    pub(super) async fn execute_batch(
        &self,
        batch: Vec<Statement>,
        _: Deadline,
    ) -> Answer<Vec<u64>> {
        let checkout = self.shared.checkout().await?;
        let client = checkout.client()?;
        client.batch_execute("BEGIN").await?;
        // All at once, on one connection: the server runs them in order, and the way there
        // and back is paid once.
        let each = batch.iter().map(|it| self.shared.execute(client, it));
        let changed = try_join_all(each).await?;
        client.batch_execute("COMMIT").await?;
        checkout.done();
        Ok(changed)
    }

    pub(super) async fn execute_many(
        &self,
        batch: Vec<RepeatedStatement>,
        _: Deadline,
    ) -> Answer<Vec<u64>> {
        if let Some(transaction) = &self.transaction {
            return self
                .shared
                .execute_many(transaction.client()?, &batch)
                .await;
        }
        let checkout = self.shared.checkout().await?;
        let client = checkout.client()?;
        client.batch_execute("BEGIN").await?;
        let changed = self.shared.execute_many(client, &batch).await?;
        client.batch_execute("COMMIT").await?;
        checkout.done();
        Ok(changed)
    }

    pub(super) async fn query(&self, statement: Statement, _: Deadline) -> Answer<Rows> {
        if let Some(transaction) = &self.transaction {
            return self.shared.query(transaction.client()?, &statement).await;
        }
        let checkout = self.shared.checkout().await?;
        let found = self.shared.query(checkout.client()?, &statement).await;
        // What was too large is still on its way.
        if !matches!(found, Err(DatabaseError::TooLarge(_))) {
            checkout.done();
        }
        found
    }

    pub(super) async fn begin(&mut self, _: Deadline) -> Answer<()> {
        let checkout = self.shared.checkout().await?;
        checkout.client()?.batch_execute("BEGIN").await?;
        self.transaction = Some(Box::new(checkout));
        Ok(())
    }

    pub(super) async fn commit(&mut self, _: Deadline) -> Answer<()> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        // After a statement that failed, `COMMIT` rolls back and says nothing; this says it.
        let client = transaction.client()?;
        client.batch_execute("SELECT 1; COMMIT").await?;
        transaction.done();
        Ok(())
    }

    pub(super) async fn roll_back(&mut self, _: Deadline) -> Answer<()> {
        if let Some(transaction) = self.transaction.take() {
            transaction.client()?.batch_execute("ROLLBACK").await?;
            transaction.done();
        }
        Ok(())
    }
}

impl Shared {
    /// A guest's statement, checked and prepared.
    async fn prepared(&self, client: &Object, sql: &str) -> Answer<tokio_postgres::Statement> {
        check(sql)?;
        self.check_quota(client, sql).await?;
        Ok(client.prepare_cached(sql).await?)
    }

    async fn execute(&self, client: &Object, statement: &Statement) -> Answer<u64> {
        let prepared = self.prepared(client, &statement.sql).await?;
        run(client, &prepared, &statement.parameters).await
    }

    async fn execute_many(&self, client: &Object, batch: &[RepeatedStatement]) -> Answer<Vec<u64>> {
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

    async fn query(&self, client: &Object, statement: &Statement) -> Answer<Rows> {
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
                return Err(too_large(self.quota.answer));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_not_cut_to_one() {
        let (one, two) = (
            format!("{}1", "a".repeat(90)),
            format!("{}2", "a".repeat(90)),
        );
        assert_ne!(schema(&one), schema(&two));
        assert!(schema(&one).len() <= 63);
        assert_eq!(schema("default"), "roost_default");
    }
}
