//! Datasets as Phoenix itself has them, read with its own client or over REST. What they are
//! through Roost is in the tests of the stores.

use anyhow::Result;
use roost::contract::{DatasetRef, Error, NewDataset, NewRecord};
use roost_tests::{Phoenix, unique};
use serde_json::json;

use crate::{Service, rest};

fn record(number: usize) -> NewRecord {
    NewRecord::new(&json!({ "number": number }))
}

#[tokio::test]
async fn the_official_client_reads_a_dataset_as_it_was_written() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let new = NewDataset::new("golden queries")
        .metadata(&json!({ "owner": "eva" }))
        .record(
            NewRecord::new(&json!({ "query": "ein \"Käuzchen\" 🦉" }))
                .output(&json!({ "hits": ["v17"] }))
                .key("q-1"),
        );
    let created = provider.datasets().create_dataset(&project, new).await?;

    let input = json!({ "dataset": format!("{project}/golden queries") });
    let seen = phoenix.python("read_dataset.py", &input).await?;
    assert_eq!(seen["id"], created.id);
    assert_eq!(seen["version"].as_str(), created.version.as_deref());
    assert_eq!(seen["metadata"]["owner"], "eva");
    assert_eq!(seen["metadata"]["roost"]["project"], project);
    assert_eq!(seen["examples"][0]["id"], "q-1");
    assert_eq!(seen["examples"][0]["input"]["query"], "ein \"Käuzchen\" 🦉");
    assert_eq!(seen["examples"][0]["output"]["hits"], json!(["v17"]));
    Ok(())
}

/// Phoenix keeps the time of a version in seconds.
#[tokio::test]
async fn phoenix_has_each_version_of_one_second() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let new = NewDataset::new("d").record(record(0));
    let id = store.create_dataset(&project, new).await?.id;
    let wanted = DatasetRef::id(&id);
    for number in 1..5 {
        let record = [record(number)];
        store.append_to_dataset(&project, &wanted, &record).await?;
    }
    let (status, there) = rest(phoenix, &format!("v1/datasets/{id}/versions")).await?;
    assert_eq!(status, 200);
    assert_eq!(there["data"].as_array().unwrap().len(), 5);
    Ok(())
}

/// Phoenix takes a key that looks like an id of its own for one, and refuses it where it has no
/// such record.
#[tokio::test]
async fn a_failure_in_between_says_which_records_are_there() -> Result<()> {
    const UNKNOWN: &str = "RGF0YXNldEV4YW1wbGU6OTk5OTk5OTk5";
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let new = NewDataset::new("half").records((0..1_001).map(record));
    let new = new.record(record(1_001).key(UNKNOWN));
    let failed = store.create_dataset(&project, new).await.unwrap_err();
    let Error::Partial(partial) = failed.kind() else {
        panic!("{failed}");
    };
    assert_eq!(partial.accepted, 1_000);
    let places: Vec<_> = partial.rejected.iter().map(|it| it.index).collect();
    assert_eq!(places, [1_000]);
    let reason = &partial.rejected[0].reason;
    assert!(reason.contains(UNKNOWN), "{failed}");
    assert!(reason.contains("1 more behind it"), "{failed}");
    let half = DatasetRef::name("half");
    let (_, records) = store.get_dataset(&project, &half, None).await?;
    assert_eq!(records.len(), 1_000);

    // In the first part, nothing is there.
    let new = NewDataset::new("none").record(record(1).key(UNKNOWN));
    let failed = store.create_dataset(&project, new).await.unwrap_err();
    assert!(
        matches!(failed.kind(), Error::InvalidArgument(_)),
        "{failed}"
    );
    assert_eq!(store.list_datasets(&project).await?.len(), 1);
    Ok(())
}
