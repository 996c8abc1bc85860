//! The embedded database: one file a connection, in SQLite's write-ahead mode.
//!
//! SQLite blocks, so every statement runs on one of tokio's blocking threads; a session runs
//! one at a time, so `max_instances` bounds them. Readers never wait. Writers of this process
//! wait for their turn in line, which is fair and wakes at once; only those of other
//! processes are waited for by SQLite's own polling. A statement is interrupted at its call's
//! deadline, also when nobody waits for it any more.

mod error;
mod file;
mod statement;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout_at;

use self::file::{File, claim, explain_opening, file, open};
use self::statement::{execute, execute_many, query};
use super::bindings::{DatabaseError, Migration, RepeatedStatement, Rows, Statement};
use super::{Answer, Deadline, Quota, migrate};

/// Instructions of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 10_000;

/// A database file.
pub(crate) struct Database {
    name: String,
    path: PathBuf,
    quota: Quota,
}

impl Database {
    pub(super) fn new(name: &str, path: PathBuf, quota: Quota) -> Self {
        Self {
            name: name.to_owned(),
            path,
            quota,
        }
    }

    pub(super) async fn session(&self) -> Answer<Session> {
        let (path, quota, name) = (self.path.clone(), self.quota.clone(), self.name.clone());
        blocking(move || {
            let file = file(&path)?;
            let host = Arc::new(AtomicBool::new(true));
            let connection =
                open(&path, &quota, &host).map_err(|error| explain_opening(&path, &error))?;
            claim(&connection, &path, &name)?;
            Ok(Session {
                interrupt: connection.get_interrupt_handle(),
                file,
                quota,
                host,
                open: Arc::new(Mutex::new(Open {
                    connection,
                    turn: None,
                    numbers: HashMap::new(),
                })),
            })
        })
        .await
    }
}

/// An open file. The order matters: the file is closed, which rolls back, before the next
/// one has its turn.
struct Open {
    connection: Connection,
    turn: Option<OwnedMutexGuard<()>>,
    /// Of statements that are kept prepared, the numbers of their parameters. SQLite looks a name
    /// up by counting, which a thousand rows of a statement would pay for squared.
    numbers: HashMap<String, Arc<[usize]>>,
}

/// An open file, for one instance.
pub(crate) struct Session {
    open: Arc<Mutex<Open>>,
    file: Arc<File>,
    interrupt: InterruptHandle,
    quota: Quota,
    /// Whether the statement at hand is the host's own.
    host: Arc<AtomicBool>,
}

impl Session {
    /// Run `work` on a blocking thread, until `end`.
    async fn run<T: Send + 'static>(
        &self,
        end: Deadline,
        work: impl FnOnce(&mut Open, &AtomicBool) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (open, host) = (Arc::clone(&self.open), Arc::clone(&self.host));
        // Closing waits for the disk, so it must not fall to whoever waits for this.
        blocking(move || {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            let late = move || Instant::now() >= end;
            open.connection.progress_handler(STEPS, Some(late))?;
            work(&mut open, &host)
        })
        .await
    }

    /// As [`run`](Self::run), in this session's turn to write.
    async fn write<T: Send + 'static>(
        &self,
        end: Deadline,
        work: impl FnOnce(&mut Open, &AtomicBool) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let turn = self.turn(end).await?;
        self.run(end, move |open, host| {
            let done = work(open, host);
            drop(turn);
            done
        })
        .await
    }

    /// As [`write`](Self::write), in a transaction of its own.
    async fn write_whole<T: Send + 'static>(
        &self,
        end: Deadline,
        work: impl FnOnce(&mut Open, &AtomicBool) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.write(end, move |open, host| {
            as_host(host, || open.connection.execute_batch("BEGIN IMMEDIATE"))?;
            let made = work(open, host);
            settle(&open.connection, host, made)
        })
        .await
    }

    async fn turn(&self, end: Deadline) -> Answer<OwnedMutexGuard<()>> {
        let turn = Arc::clone(&self.file.turn).lock_owned();
        timeout_at(end.into(), turn).await.map_err(|_| {
            DatabaseError::Busy("others wrote to the database until the deadline".to_owned())
        })
    }

    fn in_transaction(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.turn.is_some()
    }

    pub(super) async fn migrate(&self, migrations: Vec<Migration>, end: Deadline) -> Answer<u32> {
        let newest = migrations.iter().map(|it| it.version).max().unwrap_or(0);
        let current = self.run(end, |open, _| {
            Ok(version(&open.connection).unwrap_or_default())
        });
        if current.await? == Some(i64::from(newest)) {
            return Ok(newest);
        }
        self.write_whole(end, |open, host| bring_up(open, host, migrations))
            .await?;
        Ok(newest)
    }

    pub(super) async fn execute(&self, statement: Statement, end: Deadline) -> Answer<u64> {
        let work = move |open: &mut Open, host: &AtomicBool| execute(open, host, &statement);
        if self.in_transaction() {
            self.run(end, work).await
        } else {
            self.write(end, work).await
        }
    }

    pub(super) async fn execute_batch(
        &self,
        batch: Vec<Statement>,
        end: Deadline,
    ) -> Answer<Vec<u64>> {
        self.write_whole(end, move |open, host| {
            batch.iter().map(|it| execute(open, host, it)).collect()
        })
        .await
    }

    pub(super) async fn execute_many(
        &self,
        batch: Vec<RepeatedStatement>,
        end: Deadline,
    ) -> Answer<Vec<u64>> {
        let work = move |open: &mut Open, host: &AtomicBool| execute_many(open, host, &batch, end);
        if self.in_transaction() {
            self.run(end, work).await
        } else {
            self.write_whole(end, work).await
        }
    }

    pub(super) async fn query(&self, statement: Statement, end: Deadline) -> Answer<Rows> {
        let quota = self.quota.clone();
        self.run(end, move |open, host| query(open, host, &statement, &quota))
            .await
    }

    pub(super) async fn begin(&self, end: Deadline) -> Answer<()> {
        let turn = self.turn(end).await?;
        self.run(end, move |open, host| {
            as_host(host, || open.connection.execute_batch("BEGIN IMMEDIATE"))?;
            open.turn = Some(turn);
            Ok(())
        })
        .await
    }

    pub(super) async fn commit(&self, end: Deadline) -> Answer<()> {
        self.run(end, move |open, host| {
            let committed = settle(&open.connection, host, Ok(()));
            open.turn = None;
            committed
        })
        .await
    }

    pub(super) async fn roll_back(&self, end: Deadline) -> Answer<()> {
        self.run(end, move |open, host| {
            let over = as_host(host, || open.connection.execute_batch("ROLLBACK"));
            open.turn = None;
            over
        })
        .await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nobody waits for what runs. Where nothing does, closing must not be interrupted: it
        // tidies the file up, and waits for the disk.
        if self.open.try_lock().is_err() {
            self.interrupt.interrupt();
        }
        let open = Arc::clone(&self.open);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(open));
        }
    }
}

/// Run a statement of the host's own, which may do what a guest's may not.
fn as_host<T>(host: &AtomicBool, work: impl FnOnce() -> rusqlite::Result<T>) -> Answer<T> {
    host.store(true, Ordering::Relaxed);
    Ok(work()?)
}

/// End the transaction that `made` was made in.
fn settle<T>(connection: &Connection, host: &AtomicBool, made: Answer<T>) -> Answer<T> {
    let made = made.and_then(|made| {
        as_host(host, || connection.execute_batch("COMMIT"))?;
        Ok(made)
    });
    // Some errors end the transaction by themselves.
    if made.is_err() && !connection.is_autocommit() {
        as_host(host, || connection.execute_batch("ROLLBACK"))?;
    }
    made
}

fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row(migrate::VERSION, [], |row| row.get(0))
}

fn bring_up(open: &mut Open, host: &AtomicBool, all: Vec<Migration>) -> Answer<()> {
    as_host(host, || open.connection.execute_batch(migrate::CREATE))?;
    for migration in migrate::pending(version(&open.connection)?, all)? {
        for sql in migration.statements {
            let statement = Statement {
                sql,
                parameters: Vec::new(),
            };
            execute(open, host, &statement)?;
        }
        as_host(host, || {
            open.connection.execute(migrate::DONE, [migration.version])
        })?;
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
