//! The `database` interface: a relational database that the host keeps for a provider.
//!
//! A [`Database`] belongs to one connection of `roost.toml`: a file of its own in SQLite, a
//! schema of its own in PostgreSQL. An instance of the provider has one [`Session`] in it, so
//! `max_instances` bounds files, threads and server connections alike. Statements end with
//! the call that runs them, and what a call leaves open is rolled back.
//!
//! `guest.rs` is the glue to WebAssembly; `sqlite.rs` and `postgres.rs` each do the whole of
//! the work in their own way, and have `value.rs`, `migrate.rs` and `error.rs` in common; `tls.rs`
//! is how servers are reached.

mod bindings;
mod error;
mod guest;
mod migrate;
mod postgres;
mod sqlite;
mod tls;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;

use bindings::{DatabaseError, Dialect, Migration, RepeatedStatement, Rows, Statement};

use super::limits::Limits;
use super::runtime::size;
use super::spec::DatabaseSpec;
use crate::config::ExposeSecret;

pub(crate) use guest::{DatabaseView, GuestDatabase, add_to_linker};

type Answer<T> = Result<T, DatabaseError>;

/// What one database may use.
#[derive(Debug, Clone)]
struct Quota {
    /// Bytes of the whole database.
    bytes: u64,
    /// Bytes of one answer.
    answer: usize,
    /// How an answer may have more.
    advice: Arc<str>,
}

impl Quota {
    /// The error of an answer that has more bytes.
    fn too_large(&self) -> DatabaseError {
        let Self { answer, advice, .. } = self;
        DatabaseError::TooLarge(format!(
            "the answer has more than {answer} bytes; ask for less, or {advice}"
        ))
    }
}

/// The database of one connection. Nothing is looked at before a guest opens it.
pub(crate) struct Database {
    name: String,
    spec: DatabaseSpec,
    quota: Quota,
    statement_millis: u64,
    place: OnceCell<Place>,
}

/// Where a database is.
enum Place {
    Sqlite(sqlite::Database),
    Postgres(postgres::Database),
}

impl Database {
    /// The database of the connection `name`.
    pub(super) fn new(name: &str, spec: &DatabaseSpec, limits: &Limits) -> Self {
        Self {
            name: name.to_owned(),
            spec: spec.clone(),
            quota: Quota {
                bytes: spec.max_bytes,
                answer: size(limits.response_bytes),
                advice: limits.raise("response_bytes").into(),
            },
            statement_millis: limits.call_timeout_millis,
            place: OnceCell::new(),
        }
    }

    async fn session(&self) -> Answer<Session> {
        let place = self.place.get_or_try_init(|| self.place());
        let place = place.await.map_err(|why| {
            let name = &self.name;
            DatabaseError::Unavailable(format!("[connections.{name}]: database: {why}"))
        })?;
        match place {
            Place::Sqlite(database) => database.session().await.map(Session::Sqlite),
            Place::Postgres(database) => database.session().await.map(Session::Postgres),
        }
    }

    /// The error is without the address: that may hold a password.
    async fn place(&self) -> Result<Place, String> {
        let Self {
            name, spec, quota, ..
        } = self;
        let folder = || folder(spec.folder.as_deref());
        let Some(source) = &spec.address else {
            let path = folder()?.join(format!("{name}.db"));
            return Ok(Place::Sqlite(sqlite::Database::new(
                name,
                path,
                quota.clone(),
            )));
        };
        let address = source.resolve().await.map_err(|why| why.to_string())?;
        let address = address.expose_secret();
        if is_postgres(address) {
            let database =
                postgres::Database::new(name, address, quota.clone(), self.statement_millis);
            return database.map(Place::Postgres);
        }
        match address.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => {
                let path = folder()?.join(path);
                Ok(Place::Sqlite(sqlite::Database::new(
                    name,
                    path,
                    quota.clone(),
                )))
            }
            _ => Err("must be `sqlite:` and a path, or `postgres://` and a server".to_owned()),
        }
    }
}

fn is_postgres(address: &str) -> bool {
    address.starts_with("postgres://") || address.starts_with("postgresql://")
}

/// Where databases are that no connection names a place for.
fn folder(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(folder) = named {
        return Ok(folder.to_owned());
    }
    let user = directories_next::BaseDirs::new()
        .ok_or("this user has no data folder; set `folder` under [database] in roost.toml")?;
    Ok(user.data_local_dir().join("roost"))
}

/// A way into a database, for one instance.
enum Session {
    Sqlite(sqlite::Session),
    Postgres(postgres::Session),
}

/// Hands each operation to the one or the other.
macro_rules! either {
    ($session:expr, $inner:ident => $call:expr) => {
        match $session {
            Session::Sqlite($inner) => $call,
            Session::Postgres($inner) => $call,
        }
    };
}

impl Session {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgresql,
        }
    }

    async fn migrate(&mut self, migrations: Vec<Migration>, end: Deadline) -> Answer<u32> {
        either!(self, session => session.migrate(migrations, end).await)
    }

    async fn execute(&mut self, statement: Statement, end: Deadline) -> Answer<u64> {
        either!(self, session => session.execute(statement, end).await)
    }

    async fn execute_batch(&mut self, batch: Vec<Statement>, end: Deadline) -> Answer<Vec<u64>> {
        either!(self, session => session.execute_batch(batch, end).await)
    }

    async fn execute_many(
        &mut self,
        batch: Vec<RepeatedStatement>,
        end: Deadline,
    ) -> Answer<Vec<u64>> {
        either!(self, session => session.execute_many(batch, end).await)
    }

    async fn query(&mut self, statement: Statement, end: Deadline) -> Answer<Rows> {
        either!(self, session => session.query(statement, end).await)
    }

    async fn begin(&mut self, end: Deadline) -> Answer<()> {
        either!(self, session => session.begin(end).await)
    }

    async fn commit(&mut self, end: Deadline) -> Answer<()> {
        either!(self, session => session.commit(end).await)
    }

    async fn roll_back(&mut self, end: Deadline) -> Answer<()> {
        either!(self, session => session.roll_back(end).await)
    }
}

/// When the call that asks must have ended.
type Deadline = std::time::Instant;
