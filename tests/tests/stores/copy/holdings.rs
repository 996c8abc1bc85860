//! What a project holds, told so that two backends can be compared.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use roost::contract::{Attribute, DatasetRef, Error, Run, Span, Target, TimeWindow};
use roost::provider::{Provider, SpanQuery};
use serde_json::{Value, json};

pub(super) async fn spans(provider: &Provider, project: &str) -> Result<Vec<Span>> {
    let query = SpanQuery::new(project, TimeWindow::all()).limit(usize::MAX);
    let mut spans = provider.traces().get_spans(&query).await?;
    spans.sort_by(|left, right| left.span_id.cmp(&right.span_id));
    Ok(spans)
}

/// Metadata as they were before a copy.
fn original(metadata: Option<&str>) -> Result<Value> {
    let mut metadata: Value = serde_json::from_str(metadata.unwrap_or("{}"))?;
    let object = metadata.as_object_mut().context("an object")?;
    object.remove("roost.copied_from");
    Ok(metadata)
}

/// All that a project holds, without what each backend calls it. Resources are kept by some alone.
pub(super) async fn holdings(provider: &Provider, project: &str) -> Result<Value> {
    let mut targets = Vec::new();
    let mut told = Vec::new();
    for span in spans(provider, project).await? {
        targets.push(Target::span(&span.span_id));
        targets.push(Target::Trace(span.trace_id.clone()));
        told.push(tell(&span));
    }
    targets.push(Target::Session("chat-1".to_owned()));
    let store = provider.annotations();
    let annotations = store.get_annotations(project, &targets, None).await?;
    let annotations = annotations.iter().map(|it| {
        let target = match &it.target {
            Target::Span(span) => &span.span_id,
            Target::Trace(id) | Target::Session(id) => id,
        };
        Ok(json!({
            "target": target,
            "name": it.name,
            "identifier": it.identifier,
            "annotator": format!("{:?}", it.annotator),
            "label": it.label,
            "score": it.score,
            "explanation": it.explanation,
            "metadata": original(it.metadata.as_deref())?,
        }))
    });
    let mut annotations = annotations.collect::<Result<Vec<_>>>()?;
    annotations.sort_by_key(Value::to_string);
    annotations.dedup();
    Ok(json!({
        "spans": told,
        "annotations": annotations,
        "datasets": sorted(datasets(provider, project).await?),
        "experiments": sorted(experiments(provider, project).await?),
    }))
}

fn tell(span: &Span) -> Value {
    let object = |attributes: &[Attribute]| {
        let told = attributes.iter();
        let told = told.map(|it| (it.key.clone(), json!(format!("{:?}", it.value))));
        Value::Object(told.collect())
    };
    let events = span.events.iter();
    let events = events.map(|it| json!([it.name, it.time, object(&it.attributes)]));
    let links = span.links.iter();
    let links = links.map(|it| json!([it.trace_id, it.span_id, object(&it.attributes)]));
    json!({
        "ids": [span.trace_id, span.span_id, span.parent_id],
        "name": span.name,
        "kind": span.kind,
        "status": format!("{:?} {}", span.status, span.status_message),
        "times": [span.start_time, span.end_time],
        "attributes": object(&span.attributes),
        "events": events.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
    })
}

/// In the order of their names, which not every backend lists them in.
fn sorted(mut told: Vec<Value>) -> Value {
    told.sort_by_key(|it| it["name"].to_string());
    told.into()
}

/// Where two tellings differ: the names on the way, without places in lists. Attributes of spans are
/// named.
pub(super) fn differences(before: &Value, after: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    compare(before, after, "", &mut found);
    found
}

fn compare(before: &Value, after: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path} {key}"),
                };
                compare(&before[key], &after[key], &path, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (left, right) in left.iter().zip(right) {
                compare(left, right, path, found);
            }
        }
        _ if before == after => {}
        _ => {
            found.insert(path.to_owned());
        }
    }
}

async fn datasets(provider: &Provider, project: &str) -> Result<Vec<Value>> {
    let store = provider.datasets();
    let mut told = Vec::new();
    for dataset in store.list_datasets(project).await? {
        let id = DatasetRef::id(&dataset.id);
        let listed = match store.list_versions(project, &id).await {
            Ok(versions) => versions.into_iter().map(|it| Some(it.id)).collect(),
            // There is what it holds now.
            Err(error) if matches!(error.kind(), Error::Unsupported(_)) => vec![None],
            Err(error) => return Err(error.into()),
        };
        let mut versions = Vec::new();
        for version in listed {
            let (_, records) = store.get_dataset(project, &id, version.as_deref()).await?;
            let records = records
                .iter()
                .map(|it| json!([it.key, it.input, it.output, it.metadata]));
            versions.push(records.collect::<Vec<_>>());
        }
        told.push(json!({
            "name": dataset.name,
            "description": dataset.description,
            "metadata": original(dataset.metadata.as_deref())?,
            "versions": versions,
        }));
    }
    Ok(told)
}

async fn experiments(provider: &Provider, project: &str) -> Result<Vec<Value>> {
    let store = provider.experiments();
    let mut told = Vec::new();
    for listed in store.list_experiments(project, None).await? {
        let experiment = store.get_experiment(project, &listed.id).await?;
        let mut records = Vec::new();
        if let Some(dataset) = &experiment.dataset {
            let version = experiment.dataset_version.as_deref();
            let id = DatasetRef::id(dataset);
            (_, records) = provider
                .datasets()
                .get_dataset(project, &id, version)
                .await?;
        }
        let tell = |run: Run| -> Result<Value> {
            let record = run.content.record_id.as_ref();
            let record = records.iter().find(|it| Some(&it.id) == record);
            let it = run.content;
            let metrics = it.metrics.iter().map(|m| json!([m.name, m.value, m.step]));
            let evaluations = run.evaluations.iter();
            let evaluations = evaluations.map(|it| json!([it.name, it.label, it.score]));
            Ok(json!({
                "record": record.map(|record| record.input.as_str()),
                "run": [it.inputs, it.outputs, it.error, it.trace_id],
                "times": [it.start_time, it.end_time],
                "repetition": it.repetition,
                "metadata": original(it.metadata.as_deref())?,
                "metrics": metrics.collect::<Vec<_>>(),
                "evaluations": evaluations.collect::<Vec<_>>(),
            }))
        };
        let mut runs = store.list_runs(project, &listed.id).await?;
        runs.sort_by_key(|run| run.content.start_time);
        let runs = runs.into_iter().map(tell).collect::<Result<Vec<_>>>()?;
        let metrics = experiment.metrics.iter();
        told.push(json!({
            "name": experiment.name,
            "description": experiment.description,
            "metadata": original(experiment.metadata.as_deref())?,
            "repetitions": experiment.repetitions,
            "status": format!("{:?}", experiment.status),
            "metrics": metrics.map(|m| json!([m.name, m.value, m.step])).collect::<Vec<_>>(),
            "runs": runs,
        }));
    }
    Ok(told)
}
