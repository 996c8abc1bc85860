//! Datasets are MLflow's evaluation datasets: one record for each input, and no versions.

use anyhow::Result;
use roost::contract::{DatasetRef, Error, NewDataset, NewRecord};
use roost_tests::{Mlflow, unique};
use serde_json::{Value, json};

use crate::Service;
use crate::server::experiment;

#[tokio::test]
async fn a_dataset_is_read_as_it_was_written_grows_and_goes() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    assert!(store.list_datasets(&project).await?.is_empty());
    let name = "golden 'queries\" \\ 🦉";
    let full = NewRecord::new(&json!({ "query": "ein \"Käuzchen\"", "top_k": 3, "cut": 0.5 }))
        .output(&json!({ "hits": ["v17"] }))
        .metadata(&json!({ "level": "hard" }))
        .key("q-1")
        .split("test");
    let plain = (0..20).map(|number| NewRecord::new(&json!({ "number": number })));
    let new = NewDataset::new(name)
        .description("with known answers")
        .metadata(&json!({ "owner": "eva" }))
        .record(full.clone())
        .records(plain);
    let created = store.create_dataset(&project, new).await?;
    assert_eq!(
        (created.name.as_str(), created.record_count),
        (name, Some(21))
    );
    assert_eq!(created.description, "with known answers");
    assert_eq!(created.metadata.as_deref(), Some(r#"{"owner":"eva"}"#));
    assert_eq!(created.version, None);
    let again = store
        .create_dataset(&project, NewDataset::new(name))
        .await
        .unwrap_err();
    assert!(matches!(again.kind(), Error::Conflict(_)), "{again}");

    for wanted in [DatasetRef::name(name), DatasetRef::id(&created.id)] {
        let (dataset, records) = store.get_dataset(&project, &wanted, None).await?;
        assert_eq!(dataset, created);
        assert_eq!(records.len(), 21);
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
        // In the order in which they were given, though MLflow has none.
        let inputs: Vec<_> = records[1..].iter().map(|it| it.input.clone()).collect();
        let expected: Vec<_> = (0..20)
            .map(|n| json!({ "number": n }).to_string())
            .collect();
        assert_eq!(inputs, expected);
    }

    // Another output by the key, which takes the expectations of the old one away; the same as
    // is there; and a new one.
    let wanted = DatasetRef::id(&created.id);
    let more = [
        full.output(&json!({ "best": "v18" })),
        NewRecord::new(&json!({ "number": 7 })),
        NewRecord::new(&json!({ "number": 20 })),
    ];
    let grown = store.append_to_dataset(&project, &wanted, &more).await?;
    assert_eq!(grown.record_count, Some(22));
    let (_, records) = store.get_dataset(&project, &wanted, None).await?;
    let keyed: Vec<_> = records.iter().filter(|it| it.key.is_some()).collect();
    assert_eq!(keyed.len(), 1);
    assert_eq!(keyed[0].output.as_deref(), Some(r#"{"best":"v18"}"#));

    // MLflow would lay the one over the other.
    let other = NewRecord::new(&json!({ "number": 7 })).output(&json!({ "even": false }));
    let refused = store
        .append_to_dataset(&project, &wanted, &[other])
        .await
        .unwrap_err();
    assert!(matches!(refused.kind(), Error::Unsupported(_)), "{refused}");
    for error in [
        store.list_versions(&project, &wanted).await.unwrap_err(),
        store
            .get_dataset(&project, &wanted, Some("1"))
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error.kind(), Error::Unsupported(_)), "{error}");
    }

    let second = NewDataset::new("second");
    let second = store.create_dataset(&project, second).await?;
    assert_eq!(second.record_count, Some(0));
    let listed = store.list_datasets(&project).await?;
    let listed: Vec<_> = listed.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(listed, ["second", name]);
    store.delete_dataset(&project, &wanted).await?;
    let gone = store
        .get_dataset(&project, &wanted, None)
        .await
        .unwrap_err();
    assert!(matches!(gone.kind(), Error::NotFound(_)), "{gone}");
    Ok(())
}

#[tokio::test]
async fn two_tenants_have_a_dataset_of_one_name_and_never_reach_the_other() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let service = Service::shared().await?;
    let tenants = [unique("acme"), unique("globex")];
    let mut made = Vec::new();
    for tenant in &tenants {
        let (provider, project) = (service.provider(tenant)?, service.project(tenant)?);
        experiment(mlflow, &project).await?;
        let new = NewDataset::new("golden").record(NewRecord::new(&json!({ "whose": tenant })));
        made.push(provider.datasets().create_dataset(&project, new).await?);
    }
    let (provider, project) = (
        service.provider(&tenants[0])?,
        service.project(&tenants[0])?,
    );
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
    assert!(records[0].input.contains(&tenants[0]));
    // With the project, its datasets go, and nobody else's.
    provider.projects().delete_project(&project).await?;
    let (other, whole) = (
        service.provider(&tenants[1])?,
        service.project(&tenants[1])?,
    );
    assert_eq!(other.datasets().list_datasets(&whole).await?.len(), 1);
    provider.projects().ensure_project(&project, None).await?;
    assert!(store.list_datasets(&project).await?.is_empty());
    Ok(())
}
