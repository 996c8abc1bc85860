//! Which statements of a guest are run.

use crate::plugin::database::Answer;
use crate::plugin::database::bindings::{DatabaseError, Value};

/// The first words of statements that stay in a schema and leave the session as it is.
const ALLOWED: [&str; 10] = [
    "SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "EXPLAIN",
];

/// What `CREATE`, `ALTER` and `DROP` may be about.
const OBJECTS: [&str; 4] = ["TABLE", "INDEX", "UNIQUE", "VIEW"];

pub(super) fn check_count(wanted: usize, parameters: &[Value]) -> Answer<()> {
    let given = parameters.len();
    if wanted == given {
        return Ok(());
    }
    Err(DatabaseError::Statement(format!(
        "the statement has {wanted} parameters, and {given} values are given"
    )))
}

/// Whether a guest may run a statement, by its first words. The server's roles keep it from
/// the data of others; this keeps it from its session, and from `COPY`.
pub(super) fn check(sql: &str) -> Answer<()> {
    let mut words = sql.split(|c: char| !c.is_ascii_alphabetic());
    let mut next = || {
        words
            .find(|it| !it.is_empty())
            .unwrap_or_default()
            .to_ascii_uppercase()
    };
    let first = next();
    let allowed = sql
        .trim_start()
        .starts_with(|c: char| c.is_ascii_alphabetic())
        && ALLOWED.contains(&&*first)
        && match &*first {
            "CREATE" | "ALTER" | "DROP" => OBJECTS.contains(&&*next()),
            _ => true,
        };
    if allowed {
        return Ok(());
    }
    Err(DatabaseError::Statement(format!(
        "`{first}` is not allowed; statements begin with one of {}",
        ALLOWED.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_stay_in_the_schema_are_run() {
        for sql in [
            "SELECT 1",
            "  insert into t values ($1)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "CREATE UNIQUE INDEX i ON t (a)",
            "ALTER TABLE t ADD COLUMN b TEXT",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
        for sql in [
            "COPY t TO PROGRAM 'sh'",
            "/* x */ COPY t FROM '/etc/passwd'",
            "SET search_path = public",
            "RESET ROLE",
            "BEGIN",
            "COMMIT",
            "DO $$ BEGIN END $$",
            "CREATE FUNCTION f() RETURNS int",
            "CREATE EXTENSION dblink",
            "DROP SCHEMA public",
            "",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }
}
