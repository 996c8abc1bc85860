//! The same rows, inserted by a program that does nothing else.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

/// As many spans as the host hands over at once.
const BATCH: usize = 1_000;

/// What the provider has stored: its schema, and its rows of spans.
pub(crate) struct Rows {
    schema: Vec<String>,
    projects: Vec<Vec<Value>>,
    spans: Vec<Vec<Value>>,
    contents: Vec<Vec<Value>>,
}

impl Rows {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let schema = all(
            &database,
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
        )?;
        let text = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        Ok(Self {
            schema: schema.into_iter().filter_map(text).collect(),
            projects: all(&database, "SELECT * FROM projects")?,
            spans: all(&database, "SELECT * FROM spans ORDER BY id")?,
            contents: all(&database, "SELECT * FROM contents ORDER BY span")?,
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.spans.len()
    }

    /// Insert them into a new file, in transactions as large as the provider's and as safe;
    /// returned are the seconds.
    pub(crate) fn insert_into(&self, file: &Path) -> Result<f64> {
        let mut database = Connection::open(file)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "synchronous", "full")?;
        database.pragma_update(None, "foreign_keys", true)?;
        database.pragma_update(None, "cache_size", -16_384)?;
        for sql in &self.schema {
            database.execute_batch(sql)?;
        }
        insert(&database, "projects", &self.projects)?;
        let began = Instant::now();
        let batches = self.spans.chunks(BATCH).zip(self.contents.chunks(BATCH));
        for (spans, contents) in batches {
            let transaction = database.transaction()?;
            insert(&transaction, "spans", spans)?;
            insert(&transaction, "contents", contents)?;
            transaction.commit()?;
        }
        Ok(began.elapsed().as_secs_f64())
    }
}

fn insert(on: &Connection, table: &str, rows: &[Vec<Value>]) -> Result<()> {
    let columns = rows.first().context("there are no rows")?.len();
    let places = vec!["?"; columns].join(", ");
    let mut statement = on.prepare_cached(&format!("INSERT INTO {table} VALUES ({places})"))?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

fn all(database: &Connection, sql: &str) -> Result<Vec<Vec<Value>>> {
    let mut statement = database.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|it| row.get(it)).collect())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How SQLite finds the 95th percentile of a name: the provider's statement, see
/// `plugins/local/src/percentiles.rs`.
pub(crate) fn plan(file: &Path) -> Result<Vec<String>> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = database.prepare(
        "EXPLAIN QUERY PLAN SELECT s.latency FROM spans s WHERE s.project = 1 AND s.name = 'step 1' \
         AND +s.start_time >= 0 AND +s.start_time < 9223372036854775807 ORDER BY s.latency LIMIT 2 \
         OFFSET 47499",
    )?;
    let lines = statement.query_map([], |row| row.get("detail"))?;
    Ok(lines.collect::<Result<_, _>>()?)
}
