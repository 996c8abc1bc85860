//! Datasets, their records and versions.

use serde_json::{Value, json};

use super::expect::{ensure, expect_error, expect_missing, same, same_json, skip, wrong};
use super::rule::Outcome;
use super::trial::Trial;
use crate::contract::{Dataset, DatasetRecord, DatasetRef, NewDataset, NewRecord, PageRequest};

fn record(number: usize) -> NewRecord {
    NewRecord::new(&json!({ "number": number }))
}

fn id_of(dataset: &Dataset) -> DatasetRef {
    DatasetRef::Id(dataset.id.clone())
}

fn page(trial: &Trial<'_>) -> PageRequest {
    PageRequest {
        limit: trial.whole_page(),
        cursor: None,
    }
}

async fn create(trial: &Trial<'_>, records: usize) -> Outcome<Dataset> {
    let new = NewDataset::new(trial.unique("check dataset")).records((0..records).map(record));
    Ok(trial.create_dataset(&trial.project(), &new).await?)
}

async fn read(
    trial: &Trial<'_>,
    dataset: &DatasetRef,
    version: Option<&str>,
) -> Outcome<Vec<DatasetRecord>> {
    trial
        .records(&trial.project(), dataset, version, trial.whole_page())
        .await
}

/// The numbers that records hold.
fn numbers(records: &[DatasetRecord]) -> Vec<Option<u64>> {
    let number = |record: &DatasetRecord| {
        let input: Value = serde_json::from_str(&record.input).ok()?;
        input.get("number")?.as_u64()
    };
    records.iter().map(number).collect()
}

fn up_to(count: u64) -> Vec<Option<u64>> {
    (0..count).map(Some).collect()
}

pub(super) async fn created(trial: &Trial<'_>) -> Outcome {
    let name = trial.unique("check größe \"x\" \\ / %2F 🦉");
    let input =
        json!({ "query": "ein \"Käuzchen\"", "top": 3, "cut": 0.5, "deep": [{ "a": null }] });
    let (output, metadata) = (json!({ "hits": ["v17"] }), json!({ "level": "hard" }));
    let full = NewRecord::new(&input)
        .output(&output)
        .metadata(&metadata)
        .key("k 1")
        .split("test");
    let new = NewDataset::new(name.as_str())
        .description("for a check: ü")
        .record(full);
    let mut new = new.record(record(1));
    new.metadata = Some(json!({ "owner": "eva" }).to_string());
    let created = trial.create_dataset(&trial.project(), &new).await?;
    same("the name", &created.name, &name)?;
    same(
        "the description",
        created.description.as_str(),
        "for a check: ü",
    )?;
    same_json(
        "the metadata",
        created.metadata.as_deref(),
        &json!({ "owner": "eva" }),
    )?;
    for wanted in [id_of(&created), DatasetRef::Name(name.clone())] {
        let records = read(trial, &wanted, None).await?;
        let [first, second] = records.as_slice() else {
            return Err(wrong(format!("{} records are read of 2", records.len())));
        };
        same_json("the input", Some(&first.input), &input)?;
        same_json("the output", first.output.as_deref(), &output)?;
        same_json(
            "the metadata of a record",
            first.metadata.as_deref(),
            &metadata,
        )?;
        same("the key", first.key.as_deref(), Some("k 1"))?;
        same("the split", first.split.as_deref(), Some("test"))?;
        same(
            "the output of a record without one",
            second.output.as_deref(),
            None,
        )?;
        same(
            "the key of a record without one",
            second.key.as_deref(),
            None,
        )?;
        ensure!(
            first.id != second.id,
            "two records have the id `{}`",
            first.id
        );
    }
    Ok(())
}

pub(super) async fn taken_name(trial: &Trial<'_>) -> Outcome {
    let dataset = create(trial, 1).await?;
    let again = NewDataset::new(dataset.name.as_str()).record(record(1));
    let answer = trial.create_dataset(&trial.project(), &again).await;
    expect_error(
        "create-dataset with a name that is taken",
        answer,
        "conflict",
    )?;
    let records = read(trial, &id_of(&dataset), None).await?;
    same(
        "the records after it was refused",
        numbers(&records),
        up_to(1),
    )
}

pub(super) async fn pages(trial: &Trial<'_>) -> Outcome {
    let dataset = create(trial, 5).await?;
    for limit in [1, 2, 5] {
        let limit = limit.min(trial.whole_page());
        let records = trial
            .records(&trial.project(), &id_of(&dataset), None, limit)
            .await?;
        same(
            &format!("the records by pages of {limit}"),
            numbers(&records),
            up_to(5),
        )?;
    }
    Ok(())
}

pub(super) async fn appended(trial: &Trial<'_>) -> Outcome {
    let dataset = create(trial, 2).await?;
    let wanted = id_of(&dataset);
    let more = [record(2), record(3)];
    let grown = trial
        .append_records(&trial.project(), &wanted, &more)
        .await?;
    same("the id after records were added", &grown.id, &dataset.id)?;
    let records = read(trial, &wanted, None).await?;
    same(
        "the records after two were added",
        numbers(&records),
        up_to(4),
    )?;
    if let Some(count) = grown.record_count {
        same("the record count", count, 4)?;
    }
    Ok(())
}

pub(super) async fn versions(trial: &Trial<'_>) -> Outcome {
    let dataset = create(trial, 2).await?;
    let wanted = id_of(&dataset);
    let first = trial
        .versions(&trial.project(), &wanted, trial.whole_page())
        .await?;
    same("the versions of a new dataset", first.len(), 1)?;
    let grown = trial
        .append_records(&trial.project(), &wanted, &[record(2)])
        .await?;
    ensure!(
        grown.version != dataset.version,
        "records were added, and no version was made"
    );
    let all = trial.versions(&trial.project(), &wanted, 1).await?;
    let ids: Vec<Option<String>> = all.into_iter().map(|it| Some(it.id)).collect();
    same(
        "the versions, newest first",
        ids,
        vec![grown.version.clone(), dataset.version.clone()],
    )?;
    let before = read(trial, &wanted, dataset.version.as_deref()).await?;
    same(
        "the records of the first version",
        numbers(&before),
        up_to(2),
    )?;
    let now = read(trial, &wanted, grown.version.as_deref()).await?;
    same("the records of the second version", numbers(&now), up_to(3))?;
    let unknown = trial
        .get_dataset(&trial.project(), &wanted, Some("no version"), &page(trial))
        .await;
    expect_missing(
        "get-dataset of an unknown version",
        unknown.map(|it| it.records.len()),
    )
}

pub(super) async fn keys(trial: &Trial<'_>) -> Outcome {
    let name = trial.unique("check keys");
    let new = NewDataset::new(name)
        .record(record(0).key("a"))
        .record(record(1).key("b"));
    let dataset = trial.create_dataset(&trial.project(), &new).await?;
    let wanted = id_of(&dataset);
    let changed = [record(7).key("a")];
    trial
        .append_records(&trial.project(), &wanted, &changed)
        .await?;
    let records = read(trial, &wanted, None).await?;
    let mut found: Vec<_> = records
        .iter()
        .map(|it| it.key.as_deref())
        .zip(numbers(&records))
        .collect();
    found.sort_unstable();
    same(
        "the keys and numbers after the first record was replaced",
        found,
        vec![(Some("a"), Some(7)), (Some("b"), Some(1))],
    )
}

pub(super) async fn unknown(trial: &Trial<'_>) -> Outcome {
    let project = trial.project();
    create(trial, 1).await?;
    for unknown in [
        DatasetRef::Id("roost-check-no-such-id".to_owned()),
        DatasetRef::Name("roost check: no such name".to_owned()),
    ] {
        let read = trial
            .get_dataset(&project, &unknown, None, &page(trial))
            .await;
        expect_missing(
            "get-dataset of an unknown dataset",
            read.map(|it| it.records.len()),
        )?;
        let appended = trial.append_records(&project, &unknown, &[record(1)]).await;
        expect_missing("append-records to an unknown dataset", appended)?;
        let deleted = trial.delete_dataset(&project, &unknown).await;
        expect_missing("delete-dataset of an unknown dataset", deleted)?;
    }
    Ok(())
}

pub(super) async fn deleted(trial: &Trial<'_>) -> Outcome {
    let dataset = create(trial, 1).await?;
    trial
        .delete_dataset(&trial.project(), &id_of(&dataset))
        .await?;
    let read = trial
        .get_dataset(&trial.project(), &id_of(&dataset), None, &page(trial))
        .await;
    expect_missing(
        "get-dataset of a deleted dataset",
        read.map(|it| it.records.len()),
    )?;
    let listed = trial.datasets(&trial.project(), trial.whole_page()).await?;
    ensure!(
        listed.iter().all(|it| it.id != dataset.id),
        "a deleted dataset is still listed"
    );
    let again = NewDataset::new(dataset.name.as_str()).record(record(1));
    trial.create_dataset(&trial.project(), &again).await?;
    Ok(())
}

pub(super) async fn listed(trial: &Trial<'_>) -> Outcome {
    let project = trial.project_of("datasets");
    let mut expected = Vec::new();
    for number in 0..4 {
        let new = NewDataset::new(format!("check {number}")).record(record(number));
        expected.insert(0, trial.create_dataset(&project, &new).await?.name);
    }
    for limit in [1, 3, trial.whole_page()] {
        let limit = limit.min(trial.whole_page());
        let found = trial.datasets(&project, limit).await?;
        let names: Vec<String> = found.into_iter().map(|it| it.name).collect();
        same(
            &format!("the datasets by pages of {limit}, newest first"),
            &names,
            &expected,
        )?;
    }
    Ok(())
}

pub(super) async fn other_project(trial: &Trial<'_>) -> Outcome {
    let ours = create(trial, 1).await?;
    let other = trial.other_project();
    let by_id = id_of(&ours);
    let by_name = DatasetRef::Name(ours.name.clone());
    for theirs in [&by_id, &by_name] {
        let read = trial.get_dataset(&other, theirs, None, &page(trial)).await;
        expect_missing(
            "get-dataset of another project's dataset",
            read.map(|it| it.records.len()),
        )?;
        let appended = trial.append_records(&other, theirs, &[record(9)]).await;
        expect_missing("append-records to another project's dataset", appended)?;
        let deleted = trial.delete_dataset(&other, theirs).await;
        expect_missing("delete-dataset of another project's dataset", deleted)?;
    }
    let listed = trial.datasets(&other, trial.whole_page()).await?;
    ensure!(
        listed.iter().all(|it| it.id != ours.id),
        "a dataset is listed in another project than its own"
    );
    let same_name = NewDataset::new(ours.name.as_str()).record(record(5));
    let theirs = trial.create_dataset(&other, &same_name).await?;
    ensure!(
        theirs.id != ours.id,
        "two projects' datasets of one name have one id"
    );
    let records = read(trial, &by_name, None).await?;
    same(
        "the records after another project made one of the same name",
        numbers(&records),
        up_to(1),
    )
}

pub(super) async fn large(trial: &Trial<'_>) -> Outcome {
    let long = "größer ".repeat(10_000);
    let input = json!({ "text": long });
    let new = NewDataset::new(trial.unique("check large")).record(NewRecord::new(&input));
    let dataset = trial.create_dataset(&trial.project(), &new).await?;
    let records = read(trial, &id_of(&dataset), None).await?;
    let record = records.first().ok_or_else(|| skip("an empty dataset"))?;
    let found: Value = serde_json::from_str(&record.input).unwrap_or_default();
    let length = found.get("text").and_then(Value::as_str).map(str::len);
    same("the bytes of a long text", length, Some(long.len()))
}
