//! The tables. A change is a new migration at the end; those that were shipped stay as they
//! are, since databases have run them.
//!
//! A span is a narrow row that everything is found and counted by, and beside it one JSON text
//! with its attributes, events, links and resource. So a number over a million spans reads a
//! tenth of what is stored, and most of that from indexes:
//!
//! * `spans_by_start` finds windows and pages through them in the order of time,
//! * `spans_by_latency` holds all that a percentile by name needs, already sorted by latency,
//! * `spans_by_id` finds a span, also without its trace, and keeps a span that is sent again
//!   from being there twice,
//! * `spans_by_trace` and `spans_by_session` gather what belongs together.
//!
//! Times are nanoseconds since 1970. Ids of spans and annotations begin as the time they were
//! written at, so that new rows lie at the end of the table on disk.

use roost_provider::database::{Dialect, Migration};

/// The migrations, oldest first.
pub(crate) fn migrations(dialect: Dialect) -> Vec<Migration> {
    let integer_key = match dialect {
        // The number of the row itself, which needs no index.
        Dialect::Sqlite => "INTEGER",
        Dialect::Postgresql => "BIGINT",
    };
    (1..)
        .zip([FIRST])
        .map(|(version, statements)| Migration {
            version,
            statements: statements
                .split(";\n")
                .map(|it| it.replace("{key}", integer_key))
                .filter(|it| !it.trim().is_empty())
                .collect(),
        })
        .collect()
}

const FIRST: &str = "
CREATE TABLE projects (
    id {key} PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE spans (
    id {key} PRIMARY KEY,
    project BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_id TEXT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    status_message TEXT NOT NULL,
    start_time BIGINT NOT NULL,
    end_time BIGINT NOT NULL,
    latency BIGINT NOT NULL,
    session TEXT,
    prompt_tokens DOUBLE PRECISION,
    completion_tokens DOUBLE PRECISION,
    total_tokens DOUBLE PRECISION,
    cost DOUBLE PRECISION
);
CREATE UNIQUE INDEX spans_by_id ON spans (project, span_id, trace_id);
CREATE INDEX spans_by_trace ON spans (project, trace_id);
CREATE INDEX spans_by_start ON spans (project, start_time, id);
CREATE INDEX spans_by_latency ON spans (project, name, latency, start_time);
CREATE INDEX spans_by_session ON spans (project, session, trace_id) WHERE session IS NOT NULL;
CREATE TABLE contents (
    span {key} PRIMARY KEY REFERENCES spans (id) ON DELETE CASCADE,
    content TEXT NOT NULL
);
CREATE TABLE annotations (
    id {key} PRIMARY KEY,
    project BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    identifier TEXT NOT NULL,
    annotator TEXT NOT NULL,
    label TEXT,
    score DOUBLE PRECISION,
    explanation TEXT,
    metadata TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project, kind, target, trace_id, name, identifier)
);
CREATE INDEX annotations_by_trace ON annotations (project, trace_id);
CREATE TABLE datasets (
    id TEXT PRIMARY KEY,
    project BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project, name)
);
CREATE TABLE dataset_versions (
    dataset TEXT NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    records BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (dataset, version)
);
CREATE TABLE dataset_records (
    dataset TEXT NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT,
    key TEXT,
    digest BIGINT NOT NULL,
    input TEXT NOT NULL,
    output TEXT,
    metadata TEXT,
    split TEXT,
    PRIMARY KEY (dataset, place, since)
);
CREATE INDEX records_by_digest ON dataset_records (dataset, digest);
CREATE INDEX records_by_key ON dataset_records (dataset, key) WHERE key IS NOT NULL;
CREATE TABLE experiments (
    id TEXT PRIMARY KEY,
    project BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT,
    dataset TEXT REFERENCES datasets (id) ON DELETE CASCADE,
    version BIGINT,
    repetitions BIGINT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX experiments_by_project ON experiments (project, created_at);
CREATE INDEX experiments_by_dataset ON experiments (dataset);
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    experiment TEXT NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    record BIGINT,
    repetition BIGINT NOT NULL,
    inputs TEXT,
    outputs TEXT,
    error TEXT,
    start_time BIGINT NOT NULL,
    end_time BIGINT NOT NULL,
    trace_id TEXT,
    metadata TEXT,
    UNIQUE (experiment, place)
);
CREATE UNIQUE INDEX runs_by_record ON runs (experiment, record, repetition)
    WHERE record IS NOT NULL;
CREATE TABLE metrics (
    experiment TEXT NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    run TEXT NOT NULL,
    place BIGINT NOT NULL,
    name TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    step BIGINT,
    time BIGINT,
    PRIMARY KEY (experiment, run, place)
);
CREATE TABLE evaluations (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    annotator TEXT NOT NULL,
    label TEXT,
    score DOUBLE PRECISION,
    explanation TEXT,
    error TEXT,
    metadata TEXT,
    PRIMARY KEY (run, name)
)";
