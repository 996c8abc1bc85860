//! The database that the host keeps for a provider, read row by row and column by column.
//!
//! ```no_run
//! # fn main() -> Result<(), roost_provider::Error> {
//! use roost_provider::database::{Connection, Sql as _, parameters};
//!
//! let database = Connection::open()?;
//! for mut row in database.rows("SELECT name, age FROM birds WHERE age > $1", parameters![3_i64])? {
//!     let (name, age) = (row.text()?, row.integer()?);
//! }
//! # Ok(())
//! # }
//! ```

use crate::Error;
use crate::bindings::roost::telemetry::database::{Rows, Statement};

pub use crate::bindings::roost::telemetry::database::{
    Connection, DatabaseError, Dialect, Migration, RepeatedStatement, Transaction, Value,
};
pub use crate::parameters;

/// How often a transaction that met another one is begun again.
const TRIES: u32 = 5;

/// What statements are run on: a connection, or a transaction in it.
pub trait Sql {
    /// Run a statement that returns rows.
    ///
    /// # Errors
    /// What the database says.
    fn rows(&self, sql: &str, parameters: Vec<Value>) -> Result<Vec<Row>, DatabaseError>;

    /// Run a statement that returns none; returned is how many rows it changed.
    ///
    /// # Errors
    /// What the database says.
    fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<u64, DatabaseError>;
}

macro_rules! sql {
    ($($on:ty),*) => {
        $(impl Sql for $on {
            fn rows(&self, sql: &str, parameters: Vec<Value>) -> Result<Vec<Row>, DatabaseError> {
                self.query(&statement(sql, parameters)).map(each)
            }

            fn run(&self, sql: &str, parameters: Vec<Value>) -> Result<u64, DatabaseError> {
                self.execute(&statement(sql, parameters))
            }
        })*
    };
}

sql!(Connection, Transaction);

fn statement(sql: &str, parameters: Vec<Value>) -> Statement {
    Statement {
        sql: sql.to_owned(),
        parameters,
    }
}

fn each(found: Rows) -> Vec<Row> {
    found
        .rows
        .into_iter()
        .map(|row| Row(row.into_iter()))
        .collect()
}

/// Why work in a transaction ended.
#[derive(Debug)]
pub enum Failure {
    /// The database said so: it may be worth another try.
    Database(DatabaseError),
    /// The work itself did.
    Answer(Error),
}

/// Do `work` in a transaction, which lasts when it returns well. Where it met another one it
/// is done again from its beginning, so that what it read is as it is now.
///
/// # Errors
/// What `work` ended with.
pub fn transaction<T>(
    connection: &Connection,
    work: impl Fn(&Transaction) -> Result<T, Failure>,
) -> Result<T, Error> {
    until_done(|| {
        let transaction = connection.begin()?;
        let done = work(&transaction)?;
        Transaction::commit(transaction)?;
        Ok(done)
    })
}

/// Do `work`, which makes one transaction or none, again from its beginning where it met another
/// transaction.
///
/// # Errors
/// What `work` ended with.
pub fn until_done<T>(mut work: impl FnMut() -> Result<T, Failure>) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match work() {
            Ok(done) => return Ok(done),
            Err(Failure::Answer(error)) => return Err(error),
            Err(Failure::Database(DatabaseError::Busy(_) | DatabaseError::Constraint(_)))
                if tries < TRIES =>
            {
                tries += 1;
            }
            Err(Failure::Database(error)) => return Err(error.into()),
        }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl From<DatabaseError> for Error {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Statement(why) => Self::Internal(format!("the database: {why}")),
            DatabaseError::Constraint(why) => Self::Conflict(format!("the database: {why}")),
            DatabaseError::Busy(why) => Self::Unavailable(format!("the database is busy: {why}")),
            DatabaseError::Full(why) => Self::Unavailable(format!("the database is full: {why}")),
            DatabaseError::TooLarge(why) => Self::InvalidArgument(why),
            DatabaseError::Unavailable(why) => Self::Unavailable(format!("the database: {why}")),
            DatabaseError::Corrupt(why) => {
                Self::Internal(format!("the database is damaged: {why}"))
            }
        }
    }
}

/// A row, whose columns are taken one after the other.
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    /// The next column as it is.
    ///
    /// # Errors
    /// `internal` after the last one.
    pub fn value(&mut self) -> Result<Value, Error> {
        let ended = || Error::Internal("a row has fewer columns than are read".to_owned());
        self.0.next().ok_or_else(ended)
    }
}

/// Writes the getters of one type: for columns that hold it, and for those that may be null.
macro_rules! columns {
    ($($name:ident, $optional:ident: $type:ty = $($pattern:pat => $value:expr),+;)*) => {
        impl Row {
            $(
                /// The next column.
                ///
                /// # Errors
                /// `internal` where it holds something else.
                pub fn $name(&mut self) -> Result<$type, Error> {
                    match self.value()? {
                        $($pattern => Ok($value),)+
                        other => Err(unexpected(&other, stringify!($name))),
                    }
                }

                /// The next column, which may be null.
                ///
                /// # Errors
                /// `internal` where it holds something else.
                pub fn $optional(&mut self) -> Result<Option<$type>, Error> {
                    match self.value()? {
                        Value::Null => Ok(None),
                        $($pattern => Ok(Some($value)),)+
                        other => Err(unexpected(&other, stringify!($name))),
                    }
                }
            )*
        }
    };
}

#[expect(clippy::cast_precision_loss, reason = "the column is floating point")]
const fn float(number: i64) -> f64 {
    number as f64
}

columns! {
    text, optional_text: String = Value::Text(text) => text;
    integer, optional_integer: i64 = Value::Integer(number) => number;
    number, optional_number: f64 =
        Value::Number(number) => number, Value::Integer(number) => float(number);
    time, optional_time: u64 = Value::Integer(number) => number.max(0).cast_unsigned();
}

fn unexpected(value: &Value, wanted: &str) -> Error {
    Error::Internal(format!("a column holds {value:?}, and {wanted} is read"))
}

/// Writes the ways into a [`Value`].
macro_rules! values {
    ($($type:ty: $value:pat => $into:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $into
            }
        })*
    };
}

values! {
    bool: value => Self::Boolean(value);
    i64: number => Self::Integer(number);
    u32: number => Self::Integer(number.into());
    // Times after 2262, and numbers that no database holds.
    u64: number => Self::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    f64: number => Self::Number(number);
    &str: text => Self::Text(text.to_owned());
    &String: text => Self::Text(text.clone());
    String: text => Self::Text(text);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of `$1`, `$2`, ..., each turned into a [`Value`].
#[macro_export]
macro_rules! parameters {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::database::Value::from($value)),*]
    };
}
