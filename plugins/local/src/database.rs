//! This instance's way into the database, and what every interface needs of it.

use std::cell::OnceCell;

use roost_provider::bindings::wasi::random::random;
use roost_provider::database::{Connection, Failure, Sql, Transaction, parameters, transaction};
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

/// `$3, $4, $5`: so many places after the first `after`.
pub(crate) fn list(after: usize, count: usize) -> String {
    let places = (1..=count).map(|place| format!("${}", after + place));
    places.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_on() {
        assert_eq!(list(2, 3), "$3, $4, $5");
    }
}
