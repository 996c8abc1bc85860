//! This instance's way into the database, and what every interface needs of it.

use std::cell::OnceCell;

use roost_provider::bindings::wasi::random::random;
use roost_provider::database::{
    Connection, Dialect, Failure, RepeatedStatement, Sql, Transaction, Value, parameters,
    transaction,
};
use roost_provider::{Error, error, time};

use crate::{Result, schema};

thread_local! {
    static DATABASE: OnceCell<&'static Connection> = const { OnceCell::new() };
}

/// The database, with its schema up to date.
pub(crate) fn database() -> Result<&'static Connection> {
    DATABASE.with(|cell| {
        if let Some(database) = cell.get() {
            return Ok(*database);
        }
        let database = Connection::open()?;
        database.migrate(&schema::migrations(database.dialect()))?;
        // It lives as long as the instance, which the host ends.
        Ok(*cell.get_or_init(|| Box::leak(Box::new(database))))
    })
}

/// Do `work` in a transaction; see [`transaction`].
pub(crate) fn write<T>(work: impl Fn(&Transaction) -> Result<T, Failure>) -> Result<T> {
    transaction(database()?, work)
}

/// The id of the project `name`.
pub(crate) fn project(on: &impl Sql, name: &str) -> Result<i64> {
    let found = on.rows("SELECT id FROM projects WHERE name = $1", parameters![name])?;
    match found.into_iter().next() {
        Some(mut row) => row.integer(),
        None => Err(error::not_found(format!("there is no project `{name}`"))),
    }
}

/// The id of the project `name`, which is made if it is not there.
pub(crate) fn ensure_project(on: &Transaction, name: &str, about: &str) -> Result<i64, Failure> {
    match project(on, name) {
        Ok(id) => return Ok(id),
        Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    on.run(
        "INSERT INTO projects (id, name, description, created_at)
        SELECT COALESCE(MAX(id), 0) + 1, $1, $2, CAST($3 AS BIGINT) FROM projects",
        parameters![name, about, time::now()],
    )?;
    Ok(project(on, name)?)
}

/// A new opaque id.
pub(crate) fn new_id() -> String {
    format!("{:016x}", random::get_random_u64())
}

/// The first of as many new ids as are needed, which follow each other. Two writers that were
/// given the same ids meet in the primary key, and one begins again with later ones.
pub(crate) fn new_keys() -> u64 {
    time::now()
}

/// How many rows a statement writes, the most first. SQLite is fastest with one, which it
/// prepares once; to a server every statement is a message and a plan to start.
fn portions(dialect: Dialect) -> &'static [usize] {
    match dialect {
        Dialect::Sqlite => &[1],
        Dialect::Postgresql => &[64, 8, 1],
    }
}

/// The statements that write all rows, in their order; `sql` says how one writes so many.
pub(crate) fn many(
    dialect: Dialect,
    rows: Vec<Vec<Value>>,
    sql: impl Fn(usize) -> String,
) -> Vec<RepeatedStatement> {
    let mut rows = rows.into_iter();
    let mut statements = Vec::new();
    for &portion in portions(dialect) {
        let times = rows.len() / portion;
        let parameters = (0..times).map(|_| rows.by_ref().take(portion).flatten().collect());
        statements.push(RepeatedStatement {
            parameters: parameters.collect(),
            sql: sql(portion),
        });
    }
    statements.retain(|statement| !statement.parameters.is_empty());
    statements
}

/// `($1, $2), ($3, $4)`: so many rows of so many values.
pub(crate) fn places(rows: usize, columns: usize) -> String {
    let rows = (0..rows).map(|row| format!("({})", list(row * columns, columns)));
    rows.collect::<Vec<_>>().join(", ")
}

/// `$3, $4, $5`: so many places after the first `after`.
pub(crate) fn list(after: usize, count: usize) -> String {
    let places = (1..=count).map(|place| format!("${}", after + place));
    places.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;

    #[test]
    fn places_are_counted_on() {
        assert_eq!(list(2, 3), "$3, $4, $5");
        assert_eq!(places(2, 2), "($1, $2), ($3, $4)");
    }

    #[test]
    fn every_row_is_written_once_and_in_order() {
        let numbers = |dialect| {
            let rows = (0..203_i64).map(|n| parameters![n, "row"]).collect();
            let statements = many(dialect, rows, |portion| portion.to_string());
            let lists = statements.iter().flat_map(|it| {
                let portion: usize = it.sql.parse().unwrap();
                it.parameters.iter().map(move |list| (portion, list))
            });
            let mut numbers = Vec::new();
            let mut portions = Vec::new();
            for (portion, list) in lists {
                assert_eq!(list.len(), 2 * portion);
                portions.push(portion);
                numbers.extend(list.chunks(2).map(|row| match row[0] {
                    Value::Integer(number) => number,
                    _ => panic!("no number"),
                }));
            }
            assert!(numbers.into_iter().eq(0..203));
            portions
        };
        assert_eq!(numbers(Dialect::Sqlite), [1; 203]);
        assert_eq!(numbers(Dialect::Postgresql), [64, 64, 64, 8, 1, 1, 1]);
    }
}
