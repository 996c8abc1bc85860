//! The glue between a guest's resources and the host's sessions.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::bindings::{
    self, DatabaseError, Dialect, Host, HostConnection, HostTransaction, Migration,
    RepeatedStatement, Rows, Statement,
};
use super::{Answer, Database, Session};
use crate::plugin::State;

/// What an instance has of its connection's database.
#[derive(Default)]
pub(crate) struct GuestDatabase {
    /// None in an instance without a configuration, which only describes itself.
    database: Option<Arc<Database>>,
    session: Option<Session>,
    /// The transaction that is open, by its number.
    transaction: Option<u64>,
    transactions: u64,
}

/// A guest's `connection`.
#[expect(unreachable_pub, reason = "the generated code is public")]
pub struct Opened;

/// A guest's `transaction`, by its number.
#[expect(unreachable_pub, reason = "the generated code is public")]
pub struct Begun(u64);

impl GuestDatabase {
    /// That of an instance of a configured connection.
    pub(crate) fn of(database: &Arc<Database>) -> Self {
        Self {
            database: Some(Arc::clone(database)),
            ..Self::default()
        }
    }

    /// Whether the last call left a transaction open: then the instance must go, and the
    /// transaction with it.
    pub(crate) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The session, for work outside of a transaction.
    fn free(&mut self) -> Answer<&mut Session> {
        if self.transaction.is_some() {
            return Err(misuse("a transaction is open on this connection; use that"));
        }
        self.session.as_mut().ok_or_else(|| misuse("it is closed"))
    }

    /// The session, for work in the transaction of this number.
    fn inside(&mut self, number: u64) -> Answer<&mut Session> {
        if self.transaction != Some(number) {
            return Err(misuse("the transaction is over"));
        }
        self.session.as_mut().ok_or_else(|| misuse("it is closed"))
    }
}

fn misuse(why: &str) -> DatabaseError {
    DatabaseError::Statement(why.to_owned())
}

struct HasDatabase;

impl HasData for HasDatabase {
    type Data<'a> = DatabaseView<'a>;
}

/// What the interface's functions see of an instance.
pub(crate) struct DatabaseView<'a> {
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) database: &'a mut GuestDatabase,
    pub(crate) deadline: Instant,
}

/// Offer `database` to guests.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    bindings::add_to_linker::<_, HasDatabase>(linker, State::database)
}

impl Host for DatabaseView<'_> {}

impl HostConnection for DatabaseView<'_> {
    async fn open(&mut self) -> wasmtime::Result<Answer<Resource<Opened>>> {
        let Some(database) = &self.database.database else {
            return Ok(Err(DatabaseError::Unavailable(
                "there is no connection to have a database for".to_owned(),
            )));
        };
        if self.database.session.is_some() {
            return Ok(Err(misuse("this instance has it open already")));
        }
        match database.session().await {
            Ok(session) => self.database.session = Some(session),
            Err(error) => return Ok(Err(error)),
        }
        Ok(Ok(self.table.push(Opened)?))
    }

    async fn dialect(&mut self, _: Resource<Opened>) -> wasmtime::Result<Dialect> {
        let session = self.database.session.as_ref();
        Ok(session.map_or(Dialect::Sqlite, Session::dialect))
    }

    async fn migrate(
        &mut self,
        _: Resource<Opened>,
        migrations: Vec<Migration>,
    ) -> wasmtime::Result<Answer<u32>> {
        Ok(match self.database.free() {
            Ok(session) => session.migrate(migrations, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn execute(
        &mut self,
        _: Resource<Opened>,
        statement: Statement,
    ) -> wasmtime::Result<Answer<u64>> {
        Ok(match self.database.free() {
            Ok(session) => session.execute(statement, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn execute_batch(
        &mut self,
        _: Resource<Opened>,
        statements: Vec<Statement>,
    ) -> wasmtime::Result<Answer<Vec<u64>>> {
        Ok(match self.database.free() {
            Ok(session) => session.execute_batch(statements, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn execute_many(
        &mut self,
        _: Resource<Opened>,
        statements: Vec<RepeatedStatement>,
    ) -> wasmtime::Result<Answer<Vec<u64>>> {
        Ok(match self.database.free() {
            Ok(session) => session.execute_many(statements, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn query(
        &mut self,
        _: Resource<Opened>,
        statement: Statement,
    ) -> wasmtime::Result<Answer<Rows>> {
        Ok(match self.database.free() {
            Ok(session) => session.query(statement, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn begin(&mut self, _: Resource<Opened>) -> wasmtime::Result<Answer<Resource<Begun>>> {
        let deadline = self.deadline;
        let begun = match self.database.free() {
            Ok(session) => session.begin(deadline).await,
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            return Ok(Err(error));
        }
        self.database.transactions += 1;
        let number = self.database.transactions;
        self.database.transaction = Some(number);
        Ok(Ok(self.table.push(Begun(number))?))
    }

    async fn drop(&mut self, connection: Resource<Opened>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        self.database.session = None;
        self.database.transaction = None;
        Ok(())
    }
}

impl HostTransaction for DatabaseView<'_> {
    async fn execute(
        &mut self,
        transaction: Resource<Begun>,
        statement: Statement,
    ) -> wasmtime::Result<Answer<u64>> {
        let number = self.table.get(&transaction)?.0;
        Ok(match self.database.inside(number) {
            Ok(session) => session.execute(statement, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn execute_many(
        &mut self,
        transaction: Resource<Begun>,
        statements: Vec<RepeatedStatement>,
    ) -> wasmtime::Result<Answer<Vec<u64>>> {
        let number = self.table.get(&transaction)?.0;
        Ok(match self.database.inside(number) {
            Ok(session) => session.execute_many(statements, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn query(
        &mut self,
        transaction: Resource<Begun>,
        statement: Statement,
    ) -> wasmtime::Result<Answer<Rows>> {
        let number = self.table.get(&transaction)?.0;
        Ok(match self.database.inside(number) {
            Ok(session) => session.query(statement, self.deadline).await,
            Err(error) => Err(error),
        })
    }

    async fn commit(&mut self, transaction: Resource<Begun>) -> wasmtime::Result<Answer<()>> {
        let number = self.table.delete(transaction)?.0;
        let committed = match self.database.inside(number) {
            Ok(session) => session.commit(self.deadline).await,
            Err(error) => return Ok(Err(error)),
        };
        self.database.transaction = None;
        Ok(committed)
    }

    async fn drop(&mut self, transaction: Resource<Begun>) -> wasmtime::Result<()> {
        let number = self.table.delete(transaction)?.0;
        if let Ok(session) = self.database.inside(number) {
            // Where this fails, nothing was made to last either.
            if let Err(error) = session.roll_back(self.deadline).await {
                tracing::debug!(?error, "a transaction could not be rolled back");
            }
            self.database.transaction = None;
        }
        Ok(())
    }
}
