//! A connection to a file, and what a guest's statement may do with it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::Patience;
use crate::plugin::database::{Answer, Quota};

/// How long a writer of another process is waited for at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// SQLite's own default, said here because the quota counts in it.
const PAGE_BYTES: u64 = 4_096;

/// How many pages are in the log until they are written to the file: 16 MiB. A page that is
/// changed again before is written there once.
const CHECKPOINT_PAGES: i64 = 4_096;

/// Instructions of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 10_000;

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 128;

/// The longest statement and value, in bytes.
const SQL_BYTES: i32 = 1 << 20;
const VALUE_BYTES: i32 = 64 << 20;

/// A connection to a file.
pub(super) struct Open {
    connection: Connection,
    /// Whether the statement at hand is the host's own.
    host: Arc<AtomicBool>,
    /// Of statements that are kept prepared, the numbers of their parameters. SQLite looks a name
    /// up by counting, which a thousand rows of a statement would pay for squared.
    numbers: HashMap<String, Arc<[usize]>>,
    /// Bytes that the file may have.
    bytes: u64,
}

impl Open {
    pub(super) fn new(path: &Path, quota: &Quota) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES)?;
        // What is damaged is found here, before anything is written.
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // An answered write survives the loss of power, not only that of the process.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        let host = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&host);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if asked.load(Ordering::Relaxed) {
                Authorization::Allow
            } else {
                authorize(&context.action)
            }
        }))?;
        let mut open = Self {
            connection,
            host,
            numbers: HashMap::new(),
            bytes: 0,
        };
        open.limit(quota)?;
        Ok(open)
    }

    /// Let the file have as many bytes as this.
    pub(super) fn limit(&mut self, quota: &Quota) -> rusqlite::Result<()> {
        if self.bytes != quota.bytes {
            let pages = i64::try_from(quota.bytes / PAGE_BYTES).unwrap_or(i64::MAX);
            self.as_host(|connection| connection.pragma_update(None, "max_page_count", pages))?;
            self.bytes = quota.bytes;
        }
        Ok(())
    }

    /// Interrupt every statement from now on when `patience` is over.
    pub(super) fn until(&mut self, patience: &Patience) -> rusqlite::Result<()> {
        let patience = patience.clone();
        let is_over = move || patience.is_over();
        self.connection.progress_handler(STEPS, Some(is_over))
    }

    /// The connection, for a statement of the host's own, which may do what a guest's may not.
    pub(super) fn as_host<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.host.store(true, Ordering::Relaxed);
        work(&self.connection)
    }

    /// The connection, for a guest's statement, and the numbers of the parameters of those that
    /// are kept prepared.
    pub(super) fn as_guest(&mut self) -> (&Connection, &mut HashMap<String, Arc<[usize]>>) {
        self.host.store(false, Ordering::Relaxed);
        if self.numbers.len() >= STATEMENTS {
            self.numbers.clear();
        }
        (&self.connection, &mut self.numbers)
    }

    /// Do `work` in a transaction of its own.
    pub(super) fn whole<T>(&mut self, work: impl FnOnce(&mut Self) -> Answer<T>) -> Answer<T> {
        self.begin()?;
        let made = work(self).and_then(|made| {
            self.commit()?;
            Ok(made)
        });
        if made.is_err() {
            self.roll_back()?;
        }
        made
    }

    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.as_host(|connection| connection.execute_batch("BEGIN IMMEDIATE"))
    }

    pub(super) fn commit(&self) -> rusqlite::Result<()> {
        self.as_host(|connection| connection.execute_batch("COMMIT"))
    }

    /// Whether a transaction is open. Some errors end it by themselves.
    pub(super) fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Roll back what is open, if something is.
    pub(super) fn roll_back(&mut self) -> rusqlite::Result<()> {
        if !self.in_transaction() {
            return Ok(());
        }
        // Nobody's patience ends this.
        self.connection.progress_handler(0, None::<fn() -> bool>)?;
        self.as_host(|connection| connection.execute_batch("ROLLBACK"))
    }
}

/// What a guest's statement may do: everything in its own database, and nothing that leaves
/// it, changes how it is kept, or meddles with transactions.
fn authorize(action: &AuthAction<'_>) -> Authorization {
    match action {
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Pragma { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::DropVtable { .. }
        | AuthAction::Unknown { .. } => Authorization::Deny,
        // What the host keeps there is read-only.
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
            if table_name.starts_with("roost_") =>
        {
            Authorization::Deny
        }
        AuthAction::Function { function_name }
            if function_name.eq_ignore_ascii_case("load_extension") =>
        {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }
}
