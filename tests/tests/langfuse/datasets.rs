//! Datasets, which belong to a project by their name.

use anyhow::Result;
use roost::contract::{DatasetRef, Error, NewDataset, NewRecord};
use serde_json::{Value, json};

use crate::Service;

#[tokio::test]
async fn a_dataset_is_read_as_it_was_written_and_grows() -> Result<()> {
    let service = Service::start().await?;
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let store = provider.datasets();
    assert!(store.list_datasets(&project).await?.is_empty());
    let name = "golden/'queries\" \\ 🦉 100%";
    let full = NewRecord::new(&json!({ "query": "ein \"Käuzchen\"", "top_k": 3, "cut": 0.5 }))
        .output(&json!({ "hits": ["v17"] }))
        .metadata(&json!({ "level": "hard" }))
        .key("q-1")
        .split("test");
    // More than one call of the provider, and than one page of Langfuse.
    let plain = (0..120).map(|number| NewRecord::new(&json!({ "number": number })));
    let new = NewDataset::new(name)
        .description("with known answers")
        .metadata(&json!({ "owner": "eva" }))
        .record(full.clone())
        .records(plain);
    let created = store.create_dataset(&project, new).await?;
    assert_eq!(
        (created.name.as_str(), created.record_count),
        (name, Some(121))
    );
    assert_eq!(created.description, "with known answers");
    assert_eq!(created.metadata.as_deref(), Some(r#"{"owner":"eva"}"#));
    let again = store
        .create_dataset(&project, NewDataset::new(name))
        .await
        .unwrap_err();
    assert!(matches!(again.kind(), Error::Conflict(_)), "{again}");

    for wanted in [DatasetRef::name(name), DatasetRef::id(&created.id)] {
        let (dataset, records) = store.get_dataset(&project, &wanted, None).await?;
        assert_eq!(dataset, created);
        assert_eq!(records.len(), 121);
        let json: Value = serde_json::from_str(&records[0].input)?;
        assert_eq!(
            json,
            json!({ "query": "ein \"Käuzchen\"", "top_k": 3, "cut": 0.5 })
        );
        assert_eq!(records[0].output.as_deref(), Some(r#"{"hits":["v17"]}"#));
        assert_eq!(records[0].metadata.as_deref(), Some(r#"{"level":"hard"}"#));
        assert_eq!(records[0].key.as_deref(), Some("q-1"));
        assert_eq!(records[0].split.as_deref(), Some("test"));
        assert_eq!((&records[1].key, &records[1].output), (&None, &None));
        // In the order in which they were given, though Langfuse has another.
        let inputs: Vec<_> = records[1..].iter().map(|it| it.input.clone()).collect();
        let expected: Vec<_> = (0..120)
            .map(|n| json!({ "number": n }).to_string())
            .collect();
        assert_eq!(inputs, expected);
    }

    // Another output by the key; the same as is there; the input of another; and a new one.
    let wanted = DatasetRef::id(&created.id);
    let more = [
        full.output(&json!({ "best": "v18" })),
        NewRecord::new(&json!({ "number": 7 })),
        NewRecord::new(&json!({ "number": 7 })).output(&json!({ "even": false })),
        NewRecord::new(&json!({ "number": 120 })),
    ];
    let grown = store.append_to_dataset(&project, &wanted, &more).await?;
    assert_eq!(grown.record_count, Some(123));
    assert_ne!(grown.version, created.version);
    let (now, records) = store.get_dataset(&project, &wanted, None).await?;
    assert_eq!((now, records.len()), (grown, 123));
    assert_eq!(records[0].output.as_deref(), Some(r#"{"best":"v18"}"#));

    // What it held before is there by the time.
    let version = created.version.as_deref();
    let (then, records) = store.get_dataset(&project, &wanted, version).await?;
    assert_eq!(then.version, created.version);
    assert_eq!(records.len(), 121);
    assert_eq!(records[0].output.as_deref(), Some(r#"{"hits":["v17"]}"#));
    for unknown in ["1", "2001-01-01T00:00:00Z"] {
        let error = store.get_dataset(&project, &wanted, Some(unknown)).await;
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    }
    let versions = store.list_versions(&project, &wanted).await.unwrap_err();
    assert!(
        matches!(versions.kind(), Error::Unsupported(_)),
        "{versions}"
    );

    let second = store
        .create_dataset(&project, NewDataset::new("second"))
        .await?;
    assert_eq!(second.record_count, Some(0));
    let listed = store.list_datasets(&project).await?;
    let listed: Vec<_> = listed.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(listed, ["second", name]);
    Ok(())
}

#[tokio::test]
async fn two_tenants_have_a_dataset_of_one_name_and_never_reach_the_other() -> Result<()> {
    let service = Service::start().await?;
    let mut made = Vec::new();
    for tenant in ["acme", "globex"] {
        let (provider, project) = (service.provider(tenant)?, service.project(tenant)?);
        let record = NewRecord::new(&json!({ "whose": tenant })).key("a");
        let new = NewDataset::new("golden").record(record);
        made.push(provider.datasets().create_dataset(&project, new).await?);
    }
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let store = provider.datasets();
    let theirs = DatasetRef::id(&made[1].id);
    let record = [NewRecord::new(&json!({ "x": 1 }))];
    for error in [
        store.list_versions(&project, &theirs).await.unwrap_err(),
        store
            .get_dataset(&project, &theirs, None)
            .await
            .unwrap_err(),
        store
            .append_to_dataset(&project, &theirs, &record)
            .await
            .unwrap_err(),
        store.delete_dataset(&project, &theirs).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    }
    let (own, records) = store
        .get_dataset(&project, &DatasetRef::name("golden"), None)
        .await?;
    assert_eq!(own, made[0]);
    assert!(records[0].input.contains("acme"));
    assert_eq!(store.list_datasets(&project).await?, [listed(&made[0])]);
    Ok(())
}

/// As a listing has it, which would have to ask for the records of each.
fn listed(dataset: &roost::contract::Dataset) -> roost::contract::Dataset {
    roost::contract::Dataset {
        version: None,
        record_count: None,
        updated_at: dataset.created_at,
        ..dataset.clone()
    }
}

/// More than a page of Langfuse's, which has those of others in it.
#[tokio::test]
async fn more_datasets_than_a_page_holds_are_all_listed() -> Result<()> {
    let service = Service::start().await?;
    for number in 0..130 {
        for tenant in ["acme", "globex"] {
            let name = format!("{}/{number}", service.project(tenant)?);
            let body = json!({ "name": name });
            let path = "/api/public/v2/datasets";
            let (status, _) = service.langfuse.ask("POST", path, Some(&body)).await?;
            assert_eq!(status, 200);
        }
    }
    let (provider, project) = (service.provider("acme")?, service.project("acme")?);
    let listed = provider.datasets().list_datasets(&project).await?;
    let names: Vec<_> = listed.iter().map(|it| it.name.clone()).collect();
    let expected: Vec<_> = (0..130).rev().map(|number| number.to_string()).collect();
    assert_eq!(names, expected);
    Ok(())
}
