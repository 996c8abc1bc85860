//! What both databases agree on about schemas: where the version stands, and which
//! migrations are still to be run.

use super::bindings::{DatabaseError, Migration};

/// Where the versions are that were run.
pub(super) const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS roost_schema (version BIGINT NOT NULL PRIMARY KEY)";

/// The newest of them; NULL before the first.
pub(super) const VERSION: &str = "SELECT MAX(version) FROM roost_schema";

/// One more was run.
pub(super) const DONE: &str = "INSERT INTO roost_schema (version) VALUES ($1)";

/// The migrations that come after the version `now`, in their order.
///
/// The error is `corrupt` for a database that is newer than all of them.
pub(super) fn pending(
    now: Option<i64>,
    mut migrations: Vec<Migration>,
) -> Result<Vec<Migration>, DatabaseError> {
    migrations.sort_by_key(|migration| migration.version);
    let newest = migrations.last().map_or(0, |last| i64::from(last.version));
    let now = now.unwrap_or(-1);
    if now > newest {
        return Err(DatabaseError::Corrupt(format!(
            "its schema is of version {now}, and this provider knows none after {newest}: a newer \
             provider has made it. Nothing was changed"
        )));
    }
    migrations.retain(|migration| i64::from(migration.version) > now);
    Ok(migrations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrations(versions: &[u32]) -> Vec<Migration> {
        let migration = |version: &u32| Migration {
            version: *version,
            statements: Vec::new(),
        };
        versions.iter().map(migration).collect()
    }

    #[test]
    fn what_was_run_is_not_run_again() {
        assert_eq!(pending(None, migrations(&[2, 1])), Ok(migrations(&[1, 2])));
        assert_eq!(pending(Some(1), migrations(&[1, 2])), Ok(migrations(&[2])));
        assert_eq!(pending(Some(2), migrations(&[1, 2])), Ok(Vec::new()));
        let newer = pending(Some(3), migrations(&[1, 2]));
        assert!(matches!(newer, Err(DatabaseError::Corrupt(_))), "{newer:?}");
    }
}
