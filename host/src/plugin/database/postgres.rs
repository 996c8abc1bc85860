//! PostgreSQL, and what speaks its protocol: a schema a connection, and a pool of
//! server connections that its instances share.
//!
//! What keeps one connection from another's data is the server's own roles. A role that could
//! reach the schema of another connection, or files of the server, is refused before the
//! first statement of a guest, with the lines that make a better one.

mod error;
mod server;
mod statement;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use futures_util::future::try_join_all;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio_postgres::config::{Host, SslMode};

use self::server::{Checkout, Server};
use self::statement::check;
use super::bindings::{DatabaseError, Migration, RepeatedStatement, Rows, Statement};
use super::{Answer, Deadline, Quota, migrate, tls};

/// How long a server may take to answer a new connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Server connections of one connection of `roost.toml` in one process.
const CONNECTIONS: usize = 16;

/// A schema on a server.
pub(crate) struct Database {
    server: Arc<Server>,
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
            server: Arc::new(Server {
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
        let server = Arc::clone(&self.server);
        server.prepared.get_or_try_init(|| server.prepare()).await?;
        Ok(Session {
            server: Arc::clone(&self.server),
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

/// A way into a schema, for one instance.
pub(crate) struct Session {
    server: Arc<Server>,
    transaction: Option<Box<Checkout>>,
}

impl Session {
    pub(super) async fn migrate(&self, all: Vec<Migration>, _: Deadline) -> Answer<u32> {
        let newest = all.iter().map(|it| it.version).max().unwrap_or(0);
        let checkout = self.server.checkout().await?;
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
        client.query_one(lock, &[&self.server.schema]).await?;
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
            return self.server.execute(transaction.client()?, &statement).await;
        }
        let checkout = self.server.checkout().await?;
        let changed = self.server.execute(checkout.client()?, &statement).await;
        checkout.done();
        changed
    }

    pub(super) async fn execute_batch(
        &self,
        batch: Vec<Statement>,
        _: Deadline,
    ) -> Answer<Vec<u64>> {
        let checkout = self.server.checkout().await?;
        let client = checkout.client()?;
        client.batch_execute("BEGIN").await?;
        // All at once, on one connection: the server runs them in order, and the way there
        // and back is paid once.
        let each = batch.iter().map(|it| self.server.execute(client, it));
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
                .server
                .execute_many(transaction.client()?, &batch)
                .await;
        }
        let checkout = self.server.checkout().await?;
        let client = checkout.client()?;
        client.batch_execute("BEGIN").await?;
        let changed = self.server.execute_many(client, &batch).await?;
        client.batch_execute("COMMIT").await?;
        checkout.done();
        Ok(changed)
    }

    pub(super) async fn query(&self, statement: Statement, _: Deadline) -> Answer<Rows> {
        if let Some(transaction) = &self.transaction {
            return self.server.query(transaction.client()?, &statement).await;
        }
        let checkout = self.server.checkout().await?;
        let found = self.server.query(checkout.client()?, &statement).await;
        // What was too large is still on its way.
        if !matches!(found, Err(DatabaseError::TooLarge(_))) {
            checkout.done();
        }
        found
    }

    pub(super) async fn begin(&mut self, _: Deadline) -> Answer<()> {
        let checkout = self.server.checkout().await?;
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
