//! Files: who has them open, whose they are, and whose turn it is to write.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout_at;

use super::open::Open;
use crate::plugin::database::bindings::DatabaseError;
use crate::plugin::database::{Answer, Deadline, Quota};

/// Where a connection of `roost.toml` has its database, and how much it may have there.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) quota: Quota,
}

impl Place {
    /// Open the file, for who it belongs to.
    pub(super) fn open(&self) -> Answer<Open> {
        let open = Open::new(&self.path, &self.quota);
        let mut open = open.map_err(|error| explain_opening(&self.path, &error))?;
        self.claim(&mut open)?;
        Ok(open)
    }

    /// Write down in the file which connection of `roost.toml` it belongs to, and refuse it to
    /// every other.
    fn claim(&self, open: &mut Open) -> Answer<()> {
        let owner = |open: &mut Open| {
            open.as_host(|connection| {
                let sql = "SELECT connection FROM roost_owner";
                connection.query_row(sql, [], |row| row.get::<_, String>(0))
            })
        };
        let found = match owner(open) {
            Ok(found) => found,
            Err(_) => {
                open.whole(|open| {
                    let sql = "CREATE TABLE IF NOT EXISTS roost_owner (connection TEXT NOT NULL)";
                    open.as_host(|connection| connection.execute_batch(sql))?;
                    let sql = "INSERT INTO roost_owner SELECT ?1
                        WHERE NOT EXISTS (SELECT 1 FROM roost_owner)";
                    Ok(open.as_host(|connection| connection.execute(sql, [&self.name]))?)
                })?;
                owner(open)?
            }
        };
        let Self { name, path, .. } = self;
        if found == *name {
            return Ok(());
        }
        Err(DatabaseError::Unavailable(format!(
            "{} is the database of [connections.{found}], and a database belongs to one \
             connection: give [connections.{name}] another path",
            path.display()
        )))
    }
}

/// A file that this process has open.
#[derive(Default)]
pub(super) struct File {
    /// What everybody writes through, one after the other: a connection that finds that another
    /// one has written forgets all pages it knows. None until somebody writes, and after errors
    /// that may be its own.
    writer: Arc<tokio::sync::Mutex<Option<Open>>>,
}

static FILES: LazyLock<Mutex<HashMap<PathBuf, Weak<File>>>> = LazyLock::new(Mutex::default);

impl File {
    /// The file at `path`, whose folder is made where it is missing.
    pub(super) fn at(path: &Path) -> Answer<Arc<Self>> {
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
        let file = Arc::new(Self::default());
        files.insert(place, Arc::downgrade(&file));
        Ok(file)
    }

    /// Wait for a turn to write, in line.
    pub(super) async fn turn(&self, end: Deadline) -> Answer<Turn> {
        let writer = Arc::clone(&self.writer).lock_owned();
        let writer = timeout_at(end.into(), writer).await.map_err(|_| {
            DatabaseError::Busy("others wrote to the database until the deadline".to_owned())
        })?;
        Ok(Turn {
            writer,
            broken: false,
        })
    }
}

/// A turn to write. What is left undone at its end is rolled back, which blocks.
pub(super) struct Turn {
    writer: OwnedMutexGuard<Option<Open>>,
    broken: bool,
}

impl Turn {
    /// Do `work` with the connection that writes. Blocks.
    pub(super) fn work<T>(
        &mut self,
        place: &Place,
        work: impl FnOnce(&mut Open) -> Answer<T>,
    ) -> Answer<T> {
        let writer = match &mut *self.writer {
            Some(writer) => writer,
            none => none.insert(place.open()?),
        };
        // The file may have another quota since it was opened.
        writer.limit(&place.quota)?;
        let done = work(writer);
        self.broken |= matches!(
            done,
            Err(DatabaseError::Unavailable(_) | DatabaseError::Corrupt(_))
        );
        done
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let left = self.writer.as_mut().map_or(Ok(()), Open::roll_back);
        if self.broken || left.is_err() {
            *self.writer = None;
        }
    }
}

fn explain_opening(path: &Path, error: &rusqlite::Error) -> DatabaseError {
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
