//! Experiments, begun, logged to, finished, compared and deleted.

mod life;
mod refusals;
mod runs;

use anyhow::Result;
use roost::ProviderError;
use roost::contract::{Dataset, DatasetRecord, DatasetRef, Error, NewDataset, NewRecord, NewRun};
use roost::provider::Provider;
use serde_json::json;

/// 2026-11-18T11:27:00Z, and two seconds later.
const BEGIN: u64 = 1_795_001_220_000_000_000;
const END: u64 = BEGIN + 2_000_000_000;

fn is_missing(error: &ProviderError) -> bool {
    matches!(error.kind(), Error::NotFound(_))
}

fn is_conflict(error: &ProviderError) -> bool {
    matches!(error.kind(), Error::Conflict(_))
}

fn run_of(record: &DatasetRecord) -> NewRun {
    NewRun::new(BEGIN, END).record(&record.id)
}

/// A dataset of this many records, and the records.
async fn dataset(
    provider: &Provider,
    project: &str,
    name: &str,
    records: usize,
) -> Result<(Dataset, Vec<DatasetRecord>)> {
    let records = (0..records).map(|it| NewRecord::new(&json!({ "number": it })));
    let new = NewDataset::new(name).records(records);
    let created = provider.datasets().create_dataset(project, new).await?;
    let wanted = DatasetRef::id(created.id);
    Ok(provider
        .datasets()
        .get_dataset(project, &wanted, None)
        .await?)
}
