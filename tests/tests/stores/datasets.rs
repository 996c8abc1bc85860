//! Datasets, created, filled, read and deleted.

use anyhow::Result;
use roost::ProviderError;
use roost::contract::{Dataset, DatasetRef, Error, NewDataset, NewRecord, SpanRef};
use roost_tests::unique;
use serde_json::{Value, json};

use crate::{Backend, Service, on_every_backend};

fn is_missing(error: &ProviderError) -> bool {
    matches!(error.kind(), Error::NotFound(_))
}

fn record(number: usize) -> NewRecord {
    NewRecord::new(&json!({ "number": number }))
}

fn by_id(dataset: &Dataset) -> DatasetRef {
    DatasetRef::id(&dataset.id)
}

on_every_backend! {
    a_dataset_is_read_as_it_was_written,
    names_hold_anything_and_are_taken_once_in_a_project,
    an_empty_dataset_can_be_read_filled_and_deleted,
    spans_become_records_and_missing_ones_are_named;
    not on mlflow:
    each_version_is_read_as_it_was,
    a_record_with_a_key_is_replaced_and_old_versions_keep_it,
    many_records_are_written_and_read_in_many_calls,
    what_is_not_there_is_not_found,
    two_tenants_have_a_dataset_of_one_name_and_never_reach_the_other,
}

async fn names_hold_anything_and_are_taken_once_in_a_project(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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

async fn an_empty_dataset_can_be_read_filled_and_deleted(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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

async fn a_record_with_a_key_is_replaced_and_old_versions_keep_it(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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

async fn many_records_are_written_and_read_in_many_calls(backend: Backend) -> Result<()> {
    const RECORDS: usize = 2_500;
    let service = Service::on(backend).await?;
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

async fn what_is_not_there_is_not_found(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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

async fn two_tenants_have_a_dataset_of_one_name_and_never_reach_the_other(
    backend: Backend,
) -> Result<()> {
    let service = Service::on(backend).await?;
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

async fn spans_become_records_and_missing_ones_are_named(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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

async fn a_dataset_is_read_as_it_was_written(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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
    Ok(())
}

async fn each_version_is_read_as_it_was(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
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
    for (place, version) in made.iter().enumerate() {
        let (dataset, records) = store.get_dataset(&project, &wanted, Some(version)).await?;
        assert_eq!(dataset.version.as_ref(), Some(version));
        assert_eq!(dataset.record_count, Some(place as u64 + 1));
        assert_eq!(records.len(), place + 1);
    }
    Ok(())
}
