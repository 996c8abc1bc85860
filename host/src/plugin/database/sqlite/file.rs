//! Files: who has them open, whose they are, and what a guest's statement may do in one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::settle;
use crate::plugin::database::bindings::DatabaseError;
use crate::plugin::database::{Answer, Quota};

/// How long a writer of another process is waited for at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// SQLite's own default, said here because the quota counts in it.
const PAGE_BYTES: u64 = 4_096;

/// How many prepared statements a session keeps.
pub(super) const STATEMENTS: usize = 128;

/// The longest statement and value, in bytes.
const SQL_BYTES: i32 = 1 << 20;
const VALUE_BYTES: i32 = 64 << 20;

/// A file that this process has open.
#[derive(Default)]
pub(super) struct File {
    /// Whose turn it is to write.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

static FILES: LazyLock<Mutex<HashMap<PathBuf, Weak<File>>>> = LazyLock::new(Mutex::default);

/// The file at `path`, whose folder is made where it is missing.
pub(super) fn file(path: &Path) -> Answer<Arc<File>> {
    let unavailable = |what: &str, error: std::io::Error| {
        DatabaseError::Unavailable(format!("{}: {what}: {error}", path.display()))
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| unavailable("its folder", error))?;
    let folder = folder.canonicalize();
    let folder = folder.map_err(|error| unavailable("its folder", error))?;
    let place = folder.join(path.file_name().unwrap_or_default());

    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    files.retain(|_, file| file.strong_count() > 0);
    if let Some(file) = files.get(&place).and_then(Weak::upgrade) {
        return Ok(file);
    }
    let file = Arc::new(File::default());
    files.insert(place, Arc::downgrade(&file));
    Ok(file)
}

pub(super) fn open(
    path: &Path,
    quota: &Quota,
    host: &Arc<AtomicBool>,
) -> rusqlite::Result<Connection> {
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
    let pages = i64::try_from(quota.bytes / PAGE_BYTES).unwrap_or(i64::MAX);
    connection.pragma_update(None, "max_page_count", pages)?;
    let host = Arc::clone(host);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if host.load(Ordering::Relaxed) {
            Authorization::Allow
        } else {
            authorize(&context.action)
        }
    }))?;
    Ok(connection)
}

/// Write down in the file which connection of `roost.toml` it belongs to, and refuse it to
/// every other.
pub(super) fn claim(connection: &Connection, path: &Path, name: &str) -> Answer<()> {
    let owner = |connection: &Connection| {
        connection.query_row("SELECT connection FROM roost_owner", [], |row| row.get(0))
    };
    let found: String = match owner(connection) {
        Ok(found) => found,
        Err(_) => {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let claimed = connection
                .execute_batch("CREATE TABLE IF NOT EXISTS roost_owner (connection TEXT NOT NULL)")
                .and_then(|()| {
                    let sql = "INSERT INTO roost_owner SELECT ?1
                        WHERE NOT EXISTS (SELECT 1 FROM roost_owner)";
                    connection.execute(sql, [name])
                });
            settle(
                connection,
                &AtomicBool::new(true),
                claimed.map_err(Into::into),
            )?;
            owner(connection)?
        }
    };
    if found == name {
        return Ok(());
    }
    Err(DatabaseError::Unavailable(format!(
        "{} is the database of [connections.{found}], and a database belongs to one connection: \
         give [connections.{name}] another path",
        path.display()
    )))
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

pub(super) fn explain_opening(path: &Path, error: &rusqlite::Error) -> DatabaseError {
    let path = path.display();
    match DatabaseError::from_sqlite(error) {
        DatabaseError::Corrupt(why) => DatabaseError::Corrupt(format!(
            "{path}: {why}. Nothing was changed; put a copy in its place, or move it away to begin \
             an empty one"
        )),
        DatabaseError::Busy(why) => DatabaseError::Busy(format!("{path}: {why}")),
        DatabaseError::Full(why) => DatabaseError::Full(format!("{path}: {why}")),
        _ => DatabaseError::Unavailable(format!("{path} cannot be opened: {error}")),
    }
}
