//! The shapes of datasets.

use roost::contract;
use serde::Serialize;
use serde_json::Value;

use super::json;
use crate::cli::time::rfc3339;

/// A dataset, without its records.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Dataset<'a> {
    id: &'a str,
    name: &'a str,
    description: &'a str,
    metadata: Option<Value>,
    version: Option<&'a str>,
    record_count: Option<u64>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

impl<'a> From<&'a contract::Dataset> for Dataset<'a> {
    fn from(dataset: &'a contract::Dataset) -> Self {
        Self {
            id: &dataset.id,
            name: &dataset.name,
            description: &dataset.description,
            metadata: dataset.metadata.as_deref().map(json),
            version: dataset.version.as_deref(),
            record_count: dataset.record_count,
            created_at: dataset.created_at.map(rfc3339),
            updated_at: dataset.updated_at.map(rfc3339),
        }
    }
}

/// A record of a dataset.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct DatasetRecord<'a> {
    record_id: &'a str,
    key: Option<&'a str>,
    input: Value,
    output: Option<Value>,
    metadata: Option<Value>,
    split: Option<&'a str>,
}

impl<'a> From<&'a contract::DatasetRecord> for DatasetRecord<'a> {
    fn from(record: &'a contract::DatasetRecord) -> Self {
        Self {
            record_id: &record.id,
            key: record.key.as_deref(),
            input: json(&record.input),
            output: record.output.as_deref().map(json),
            metadata: record.metadata.as_deref().map(json),
            split: record.split.as_deref(),
        }
    }
}

/// A state of a dataset.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Version<'a> {
    id: &'a str,
    created_at: Option<String>,
}

impl<'a> From<&'a contract::Version> for Version<'a> {
    fn from(version: &'a contract::Version) -> Self {
        Self {
            id: &version.id,
            created_at: version.created_at.map(rfc3339),
        }
    }
}
