//! Datasets, created, filled, read and deleted; what Phoenix has of them is read with its own
//! client or over REST.

use anyhow::Result;
use roost::ProviderError;
use roost::contract::{Dataset, DatasetRef, Error, NewDataset, NewRecord, SpanRef};
use roost_tests::{Phoenix, unique};
use serde_json::{Value, json};

use crate::{Service, rest};

fn is_missing(error: &ProviderError) -> bool {
    matches!(error.kind(), Error::NotFound(_))
}

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

#[tokio::test]
async fn names_hold_anything_and_are_taken_once_in_a_project() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let names = [
        "a/b ?#%2F+&",
        "Käuzchen 🦉",
        "UPPER",
        "upper",
        "RGF0YXNldDox",
    ];
    for name in names {
        store
            .create_dataset(&project, NewDataset::new(name).record(record(1)))
            .await?;
        let again = store
            .create_dataset(&project, NewDataset::new(name))
            .await
            .unwrap_err();
        assert!(matches!(again.kind(), Error::Conflict(_)), "{again}");
        assert!(again.to_string().contains("append to it"), "{again}");
        let (read, records) = store
            .get_dataset(&project, &DatasetRef::name(name), None)
            .await?;
        assert_eq!((read.name.as_str(), records.len()), (name, 1));
    }
    let listed = store.list_datasets(&project).await?;
    let listed: Vec<_> = listed.iter().rev().map(|it| it.name.as_str()).collect();
    assert_eq!(listed, names);
    Ok(())
}

#[tokio::test]
async fn an_empty_dataset_can_be_read_filled_and_deleted() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let empty = store
        .create_dataset(&project, NewDataset::new("empty"))
        .await?;
    let (read, records) = store.get_dataset(&project, &by_id(&empty), None).await?;
    assert_eq!((read.record_count, records.len()), (Some(0), 0));
    let nothing = store
        .append_to_dataset(&project, &by_id(&empty), &[])
        .await
        .unwrap_err();
    assert!(nothing.to_string().contains("no records"), "{nothing}");
    store
        .append_to_dataset(&project, &by_id(&empty), &[record(1)])
        .await?;
    let (read, _) = store.get_dataset(&project, &by_id(&empty), None).await?;
    assert_eq!(read.record_count, Some(1));
    store.delete_dataset(&project, &by_id(&empty)).await?;
    let gone = store.delete_dataset(&project, &by_id(&empty)).await;
    assert!(is_missing(&gone.unwrap_err()));
    assert!(store.list_datasets(&project).await?.is_empty());
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

#[tokio::test]
async fn a_record_with_a_key_is_replaced_and_old_versions_keep_it() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let first = NewDataset::new("d").records([record(1).key("a"), record(2).key("b")]);
    let created = store.create_dataset(&project, first).await?;
    let wanted = by_id(&created);
    let appended = store
        .append_to_dataset(&project, &wanted, &[record(10).key("a")])
        .await?;
    assert_ne!(appended.version, created.version);
    let inputs = async |version: Option<&str>| -> Result<Vec<String>> {
        let (_, records) = store.get_dataset(&project, &wanted, version).await?;
        Ok(records.into_iter().map(|it| it.input).collect())
    };
    let replaced = inputs(None).await?;
    assert_eq!(replaced, [r#"{"number":10}"#, r#"{"number":2}"#]);
    let before = inputs(created.version.as_deref()).await?;
    assert_eq!(before, [r#"{"number":1}"#, r#"{"number":2}"#]);

    let twice = [record(1).key("x"), record(2).key("x")];
    let refused = store.append_to_dataset(&project, &wanted, &twice).await;
    assert!(refused.unwrap_err().to_string().contains("comes twice"));
    Ok(())
}

#[tokio::test]
async fn many_records_are_written_and_read_in_many_calls() -> Result<()> {
    const RECORDS: usize = 2_500;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let new = NewDataset::new("large").records((0..RECORDS).map(record));
    let created = store.create_dataset(&project, new).await?;
    assert_eq!(created.record_count, Some(RECORDS as u64));
    let wanted = by_id(&created);
    assert_eq!(store.list_versions(&project, &wanted).await?.len(), 3);

    let mut pages = store.pages(&project, &wanted, None)?;
    let mut read = pages.next().await?.unwrap();
    assert!(read.len() < RECORDS);
    // What comes meanwhile belongs to another version.
    store
        .append_to_dataset(&project, &wanted, &[record(RECORDS)])
        .await?;
    while let Some(page) = pages.next().await? {
        read.extend(page);
    }
    assert_eq!(pages.dataset().unwrap().version, created.version);
    let inputs: Vec<_> = read.into_iter().map(|it| it.input).collect();
    let sent: Vec<_> = (0..RECORDS).map(|it| record(it).input).collect();
    assert_eq!(inputs, sent);
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_not_found() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    let there = store
        .create_dataset(&project, NewDataset::new("d").record(record(1)))
        .await?;
    let other = store
        .create_dataset(&project, NewDataset::new("other").record(record(1)))
        .await?;
    for unknown in [
        DatasetRef::name("unknown"),
        // `Dataset:999999999` and `Dataset:x`, a trap: Phoenix answers status 500.
        DatasetRef::id("RGF0YXNldDo5OTk5OTk5OTk="),
        DatasetRef::id("RGF0YXNldDp4"),
        DatasetRef::id(there.id.to_uppercase()),
        DatasetRef::id("d"),
    ] {
        let read = store.get_dataset(&project, &unknown, None).await;
        assert!(is_missing(&read.unwrap_err()), "{unknown:?}");
        let appended = store
            .append_to_dataset(&project, &unknown, &[record(2)])
            .await;
        assert!(is_missing(&appended.unwrap_err()), "{unknown:?}");
        let versions = store.list_versions(&project, &unknown).await;
        assert!(is_missing(&versions.unwrap_err()), "{unknown:?}");
        let deleted = store.delete_dataset(&project, &unknown).await;
        assert!(is_missing(&deleted.unwrap_err()), "{unknown:?}");
    }
    for version in [
        other.version.as_deref().unwrap(),
        "1",
        "RGF0YXNldFZlcnNpb246OTk5OTk5OTk5",
    ] {
        let read = store
            .get_dataset(&project, &by_id(&there), Some(version))
            .await;
        assert!(is_missing(&read.unwrap_err()), "{version}");
    }
    assert_eq!(store.list_datasets(&project).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn two_tenants_have_a_dataset_of_one_name_and_never_reach_the_other() -> Result<()> {
    let service = Service::shared().await?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let mut made = Vec::new();
    for tenant in [&acme, &globex] {
        let provider = service.provider(tenant)?;
        let store = provider.datasets();
        let new = NewDataset::new("golden").record(NewRecord::new(&json!({ "of": tenant })));
        made.push(store.create_dataset(&service.project(tenant)?, new).await?);
    }
    let (provider, project) = (service.provider(&globex)?, service.project(&globex)?);
    let store = provider.datasets();
    let named = DatasetRef::name("golden");
    let (_, records) = store.get_dataset(&project, &named, None).await?;
    assert_eq!(records[0].input, json!({ "of": globex }).to_string());
    assert_eq!(store.list_datasets(&project).await?.len(), 1);

    let theirs = by_id(&made[0]);
    let read = store.get_dataset(&project, &theirs, None).await;
    assert!(is_missing(&read.unwrap_err()));
    let appended = store
        .append_to_dataset(&project, &theirs, &[record(1)])
        .await;
    assert!(is_missing(&appended.unwrap_err()));
    assert!(is_missing(
        &store.delete_dataset(&project, &theirs).await.unwrap_err()
    ));
    // Their version, of my dataset.
    let version = made[0].version.as_deref();
    let read = store.get_dataset(&project, &named, version).await;
    assert!(is_missing(&read.unwrap_err()));
    let foreign = store
        .list_datasets(&service.project(&acme)?)
        .await
        .unwrap_err();
    assert!(matches!(foreign.kind(), Error::PermissionDenied(_)));

    let provider = service.provider(&acme)?;
    let (_, records) = provider
        .datasets()
        .get_dataset(&service.project(&acme)?, &theirs, None)
        .await?;
    assert_eq!(records.len(), 1);
    Ok(())
}

#[tokio::test]
async fn spans_become_records_and_missing_ones_are_named() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    for number in 0..3 {
        service
            .telemetry
            .span(format!("answer {number}"), &tenant)
            .kind("LLM")
            .attribute("input.value", format!("{{\"query\": \"owls {number}\"}}"))
            .attribute("output.value", "seventeen")
            .attribute("llm.model_name", "gpt-4")
            .in_scope(|_| ());
    }
    service.delivered().await?;
    let spans = service.spans(&tenant, 3).await?;
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let store = provider.datasets();
    // In the order that is asked for.
    let refs: Vec<SpanRef> = [2, 0]
        .map(|it| SpanRef::new(&spans[it].trace_id, &spans[it].span_id))
        .to_vec();
    let created = store
        .create_from_spans(&project, NewDataset::new("from spans"), &refs)
        .await?;
    let (_, records) = store.get_dataset(&project, &by_id(&created), None).await?;
    let inputs: Vec<Value> = records
        .iter()
        .map(|it| serde_json::from_str(&it.input).unwrap())
        .collect();
    assert_eq!(
        inputs,
        [json!({ "query": "owls 2" }), json!({ "query": "owls 0" })]
    );
    let output: Value = serde_json::from_str(records[0].output.as_deref().unwrap())?;
    assert_eq!(output, json!({ "output": "seventeen" }));
    let metadata: Value = serde_json::from_str(records[0].metadata.as_deref().unwrap())?;
    assert_eq!(metadata["span_id"], spans[2].span_id);
    assert_eq!(metadata["attributes"]["llm.model_name"], "gpt-4");

    let unknown = [refs[0].clone(), SpanRef::by_id("00000000000000aa")];
    let refused = store
        .create_from_spans(&project, NewDataset::new("none"), &unknown)
        .await
        .unwrap_err();
    assert!(is_missing(&refused), "{refused}");
    assert!(
        refused.to_string().contains("00000000000000aa"),
        "{refused}"
    );
    assert_eq!(store.list_datasets(&project).await?.len(), 1);
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
