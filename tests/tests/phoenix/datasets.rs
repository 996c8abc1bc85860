//! Datasets, created, filled, read and deleted; what Phoenix has of them is read with its own
//! client or over REST.

use anyhow::Result;
use roost::contract::{Dataset, DatasetRef, Error, NewDataset, NewRecord};
use roost_tests::{Phoenix, unique};
use serde_json::{Value, json};

use crate::{Service, rest};

fn record(number: usize) -> NewRecord {
    NewRecord::new(&json!({ "number": number }))
}

fn by_id(dataset: &Dataset) -> DatasetRef {
    DatasetRef::id(&dataset.id)
}

#[tokio::test]
async fn a_dataset_is_read_as_it_was_written_also_by_the_official_client() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();

    let new = NewDataset::new("golden queries")
        .description("with known answers")
        .metadata(&json!({ "owner": "eva" }))
        .record(
            NewRecord::new(&json!({ "query": "ein \"Käuzchen\" 🦉", "top_k": 3, "cut": 0.5 }))
                .output(&json!({ "hits": ["v17"] }))
                .metadata(&json!({ "level": "hard" }))
                .key("q-1")
                .split("test"),
        )
        .record(record(2));
    let created = store.create_dataset(&project, new).await?;
    assert_eq!(created.name, "golden queries");
    assert_eq!(created.description, "with known answers");
    assert_eq!(created.metadata.as_deref(), Some(r#"{"owner":"eva"}"#));
    assert_eq!(created.record_count, Some(2));

    for wanted in [DatasetRef::name("golden queries"), by_id(&created)] {
        let (dataset, records) = store.get_dataset(&project, &wanted, None).await?;
        assert_eq!(dataset, created);
        assert_eq!(records.len(), 2);
        let input: Value = serde_json::from_str(&records[0].input)?;
        let query = json!({ "query": "ein \"Käuzchen\" 🦉", "top_k": 3, "cut": 0.5 });
        assert_eq!(input, query);
        let output: Value = serde_json::from_str(records[0].output.as_deref().unwrap())?;
        assert_eq!(output, json!({ "hits": ["v17"] }));
        assert_eq!(records[0].key.as_deref(), Some("q-1"));
        assert_eq!(records[0].split.as_deref(), Some("test"));
        assert_eq!((&records[1].key, &records[1].output), (&None, &None));
        assert_eq!(records[1].metadata, None);
    }

    let input = json!({ "dataset": format!("{project}/golden queries") });
    let seen = phoenix.python("read_dataset.py", &input).await?;
    assert_eq!(seen["id"], created.id);
    assert_eq!(
        Some(seen["version"].as_str().unwrap()),
        created.version.as_deref()
    );
    assert_eq!(seen["metadata"]["owner"], "eva");
    assert_eq!(seen["metadata"]["roost"]["project"], project);
    assert_eq!(seen["examples"][0]["id"], "q-1");
    assert_eq!(seen["examples"][0]["input"]["query"], "ein \"Käuzchen\" 🦉");
    assert_eq!(seen["examples"][0]["output"]["hits"], json!(["v17"]));
    Ok(())
}

/// Phoenix keeps the time of a version in seconds, and names an old one of the same second
/// when nothing is new.
#[tokio::test]
async fn versions_of_one_second_are_told_apart() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let created = store
        .create_dataset(&project, NewDataset::new("d").record(record(0)))
        .await?;
    let wanted = by_id(&created);
    let mut made = vec![created.version.clone().unwrap()];
    for number in 1..5 {
        let appended = store
            .append_to_dataset(&project, &wanted, &[record(number)])
            .await?;
        assert_eq!(appended.record_count, Some(number as u64 + 1));
        made.push(appended.version.unwrap());
        // The same again makes nothing, and the newest version is named.
        let again = store
            .append_to_dataset(&project, &wanted, &[record(number)])
            .await?;
        assert_eq!(again.version.as_ref(), made.last());
        assert_eq!(again.record_count, Some(number as u64 + 1));
    }
    let listed = store.list_versions(&project, &wanted).await?;
    let listed: Vec<_> = listed.iter().rev().map(|it| it.id.clone()).collect();
    assert_eq!(listed, made);
    let (status, there) = rest(phoenix, &format!("v1/datasets/{}/versions", created.id)).await?;
    assert_eq!(status, 200);
    assert_eq!(there["data"].as_array().unwrap().len(), 5);
    for (place, version) in made.iter().enumerate() {
        let (dataset, records) = store.get_dataset(&project, &wanted, Some(version)).await?;
        assert_eq!(dataset.version.as_ref(), Some(version));
        assert_eq!(dataset.record_count, Some(place as u64 + 1));
        assert_eq!(records.len(), place + 1);
    }
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
