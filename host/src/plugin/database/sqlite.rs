//! The embedded database: one file a connection, in SQLite's write-ahead mode.
//!
//! SQLite blocks, so every statement runs on one of tokio's blocking threads; a session runs
//! one at a time, so `max_instances` bounds them. Readers never wait: each session has a
//! connection to read through. Writers of this process share one, and wait for their turn in
//! line, which is fair and wakes at once; only those of other processes are waited for by
//! SQLite's own polling. A statement is interrupted at its call's deadline, and when nobody
//! waits for it any more.

mod error;
mod file;
mod open;
mod statement;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use self::file::{File, Place, Turn};
use self::open::Open;
use self::statement::{execute, execute_many, query};
use super::bindings::{DatabaseError, Migration, RepeatedStatement, Rows, Statement};
use super::{Answer, Deadline, Quota, migrate};

/// A database file.
pub(crate) struct Database {
    place: Arc<Place>,
}

impl Database {
    pub(super) fn new(name: &str, path: PathBuf, quota: Quota) -> Self {
        let name = name.to_owned();
        Self {
            place: Arc::new(Place { name, path, quota }),
        }
    }

    pub(super) async fn session(&self) -> Answer<Session> {
        let place = Arc::clone(&self.place);
        blocking(move || {
            let file = File::at(&place.path)?;
            let reader = Arc::new(Mutex::new(place.open()?));
            Ok(Session {
                place,
                file,
                reader,
                transaction: None,
                gone: Arc::default(),
            })
        })
        .await
    }
}

/// How long work goes on.
#[derive(Clone)]
struct Patience {
    end: Deadline,
    /// Whether nobody waits for it any more.
    gone: Arc<AtomicBool>,
}

impl Patience {
    fn is_over(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || Instant::now() >= self.end
    }
}

/// An open file, for one instance.
pub(crate) struct Session {
    place: Arc<Place>,
    file: Arc<File>,
    reader: Arc<Mutex<Open>>,
    transaction: Option<Arc<Mutex<Turn>>>,
    gone: Arc<AtomicBool>,
}

impl Session {
    fn patience(&self, end: Deadline) -> Patience {
        let gone = Arc::clone(&self.gone);
        Patience { end, gone }
    }

    /// Do `work` in a turn to write.
    async fn write<T: Send + 'static>(
        &self,
        end: Deadline,
        work: impl FnOnce(&mut Open, &Patience) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let mut turn = self.file.turn(end).await?;
        let (place, patience) = (Arc::clone(&self.place), self.patience(end));
        blocking(move || {
            turn.work(&place, |open| {
                open.until(&patience)?;
                work(open, &patience)
            })
        })
        .await
    }

    /// Do `work` in the transaction `turn` is for.
    async fn inside<T: Send + 'static>(
        &self,
        turn: Arc<Mutex<Turn>>,
        end: Deadline,
        work: impl FnOnce(&mut Open, &Patience) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (place, patience) = (Arc::clone(&self.place), self.patience(end));
        blocking(move || {
            lock(&turn).work(&place, |open| {
                if !open.in_transaction() {
                    let why = "an error ended the transaction before";
                    return Err(DatabaseError::Statement(why.to_owned()));
                }
                open.until(&patience)?;
                work(open, &patience)
            })
        })
        .await
    }

    pub(super) async fn migrate(&self, migrations: Vec<Migration>, end: Deadline) -> Answer<u32> {
        let newest = migrations.iter().map(|it| it.version).max().unwrap_or(0);
        let reader = Arc::clone(&self.reader);
        let current = blocking(move || Ok(version(&lock(&reader)).unwrap_or_default()));
        if current.await? == Some(i64::from(newest)) {
            return Ok(newest);
        }
        self.write(end, |open, _| open.whole(|open| bring_up(open, migrations)))
            .await?;
        Ok(newest)
    }

    pub(super) async fn execute(&self, statement: Statement, end: Deadline) -> Answer<u64> {
        let work = move |open: &mut Open, _: &Patience| execute(open, &statement);
        match &self.transaction {
            Some(turn) => self.inside(Arc::clone(turn), end, work).await,
            None => self.write(end, work).await,
        }
    }

    pub(super) async fn execute_batch(
        &self,
        batch: Vec<Statement>,
        end: Deadline,
    ) -> Answer<Vec<u64>> {
        self.write(end, move |open, _| {
            open.whole(|open| batch.iter().map(|it| execute(open, it)).collect())
        })
        .await
    }

    pub(super) async fn execute_many(
        &self,
        batch: Vec<RepeatedStatement>,
        end: Deadline,
    ) -> Answer<Vec<u64>> {
        let work = move |open: &mut Open, patience: &Patience| execute_many(open, &batch, patience);
        match &self.transaction {
            Some(turn) => self.inside(Arc::clone(turn), end, work).await,
            None => {
                let whole = move |open: &mut Open, patience: &Patience| {
                    open.whole(|open| work(open, patience))
                };
                self.write(end, whole).await
            }
        }
    }

    pub(super) async fn query(&self, statement: Statement, end: Deadline) -> Answer<Rows> {
        let quota = self.place.quota.clone();
        let work = move |open: &mut Open, _: &Patience| query(open, &statement, &quota);
        if let Some(turn) = &self.transaction {
            return self.inside(Arc::clone(turn), end, work).await;
        }
        let (reader, patience) = (Arc::clone(&self.reader), self.patience(end));
        blocking(move || {
            let mut open = lock(&reader);
            open.until(&patience)?;
            work(&mut open, &patience)
        })
        .await
    }

    pub(super) async fn begin(&mut self, end: Deadline) -> Answer<()> {
        let mut turn = self.file.turn(end).await?;
        let (place, patience) = (Arc::clone(&self.place), self.patience(end));
        let turn = blocking(move || {
            turn.work(&place, |open| {
                open.until(&patience)?;
                Ok(open.begin()?)
            })?;
            Ok(turn)
        });
        self.transaction = Some(Arc::new(Mutex::new(turn.await?)));
        Ok(())
    }

    pub(super) async fn commit(&mut self, end: Deadline) -> Answer<()> {
        match self.transaction.take() {
            Some(turn) => self.inside(turn, end, |open, _| Ok(open.commit()?)).await,
            None => Ok(()),
        }
    }

    pub(super) async fn roll_back(&mut self, _: Deadline) -> Answer<()> {
        let turn = self.transaction.take();
        blocking(move || {
            drop(turn);
            Ok(())
        })
        .await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        // To roll back and to close a file, which tidies it up, wait for the disk.
        let rest = (
            self.transaction.take(),
            Arc::clone(&self.reader),
            Arc::clone(&self.file),
        );
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(rest));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn version(open: &Open) -> rusqlite::Result<Option<i64>> {
    open.as_host(|connection| connection.query_row(migrate::VERSION, [], |row| row.get(0)))
}

fn bring_up(open: &mut Open, all: Vec<Migration>) -> Answer<()> {
    open.as_host(|connection| connection.execute_batch(migrate::CREATE))?;
    for migration in migrate::pending(version(open)?, all)? {
        for sql in migration.statements {
            let parameters = Vec::new();
            execute(open, &Statement { sql, parameters })?;
        }
        open.as_host(|connection| connection.execute(migrate::DONE, [migration.version]))?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Answer<T> + Send + 'static,
) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(DatabaseError::Unavailable(error.to_string())))
}
