//! What one backend holds, copied into another and compared there.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use opentelemetry::Array;
use roost::contract::{
    AnnotatorKind, DatasetRef, ExperimentStatus, Metric, NewAnnotation, NewDataset, NewEvaluation,
    NewExperiment, NewRecord, NewRun, Run, Span, Target, TimeWindow,
};
use roost::copy::{Copier, CopyReport, Kind, Part};
use roost::provider::{Provider, SpanQuery};
use roost::{Config, TelemetryManager};
use roost_tests::{
    Mlflow, Phoenix, PluginFolder, begin_shell, eventually, local_provider, mlflow_provider,
    phoenix_provider, roost, unique,
};
use serde_json::{Value, json};

use crate::SOON;

/// 2026-11-18T11:27:00Z.
const BEGIN: u64 = 1_795_001_220_000_000_000;

/// A service with several connections.
struct Backends {
    telemetry: TelemetryManager,
    folder: PluginFolder,
}

impl Backends {
    async fn start(connections: &str) -> Result<Self> {
        let folder = PluginFolder::new()?;
        folder.install("local", &local_provider()?)?;
        folder.install("phoenix", &phoenix_provider()?)?;
        folder.install("mlflow", &mlflow_provider()?)?;
        let toml = format!(
            "[telemetry.batch_config]\nschedule_delay_millis = 50\nmax_queue_size = 20000\n\
             [plugins]\nfolder = \".\"\n[database]\nfolder = \".\"\n{connections}"
        );
        let file = folder.path().join("roost.toml");
        fs::write(&file, &toml)?;
        let telemetry = TelemetryManager::start(Config::from_toml(&toml, &file)?).await?;
        Ok(Self { telemetry, folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn on(&self, connection: &str) -> Result<Provider> {
        Ok(self.telemetry.connection_provider(connection)?.uncached())
    }

    fn copier(&self, from: &str, to: &str, tenant: &str) -> Result<Copier> {
        Ok(Copier::between(&self.telemetry, from, to)?.tenant(tenant.parse()?))
    }

    async fn delivered(&self) -> Result<()> {
        let report = self.telemetry.force_flush(SOON).await;
        ensure!(report.is_complete(), "{report:?}");
        Ok(())
    }

    /// Spans, annotations, a dataset of two versions and two experiments of a tenant, in the
    /// default connection. Returned is the project.
    async fn fill(&self, tenant: &str) -> Result<String> {
        let project = self.telemetry.project_name(tenant, None)?;
        let session = self.telemetry.session(tenant, "chat-1");
        session.in_scope(|| {
            let ask = self.telemetry.span("ask", tenant).kind("AGENT");
            ask.attribute("input.value", "owls?").in_scope(|span| {
                span.set_attribute("ratio", 0.25);
                span.set_attribute("llm.token_count.total", 17);
                span.set_attribute("is.cached", true);
                let tags = Array::String(vec!["a".into(), "b".into()]);
                span.set_attribute("tag.tags", opentelemetry::Value::Array(tags));
                self.telemetry
                    .span("answer", tenant)
                    .kind("LLM")
                    .in_scope(|span| span.record_error("no owls"));
            });
        });
        self.telemetry.span("alone", tenant).in_scope(|_| ());
        self.delivered().await?;
        let provider = self.on("default")?;
        let spans = eventually("the spans are there", SOON, async || {
            let query = SpanQuery::new(&project, TimeWindow::all());
            let spans = provider.traces().get_spans(&query).await?;
            ensure!(spans.len() == 3, "{}", spans.len());
            Ok(spans)
        })
        .await?;
        let ask = spans.iter().find(|it| it.name == "ask").context("ask")?;
        let about = |target| NewAnnotation::new(target, "quality").score(0.5);
        let metadata = json!({ "round": 2 });
        let annotations = [
            about(Target::span(&ask.span_id))
                .label("good")
                .by(AnnotatorKind::Llm)
                .metadata(metadata.as_object().context("an object")?),
            about(Target::span(&ask.span_id)).identifier("bob"),
            about(Target::Trace(ask.trace_id.clone())),
            about(Target::Session("chat-1".to_owned())).explanation("it was short"),
        ];
        let store = provider.annotations();
        store.add_annotations_batch(&project, &annotations).await?;
        self.run_experiments(&provider, &project, &ask.trace_id)
            .await?;
        Ok(project)
    }

    async fn run_experiments(
        &self,
        provider: &Provider,
        project: &str,
        trace_id: &str,
    ) -> Result<()> {
        let record = |number: u32| NewRecord::new(&json!({ "number": number }));
        let golden = NewDataset::new("golden")
            .description("known answers")
            .metadata(&json!({ "owner": "alice" }))
            .record(record(1).output(&json!({ "even": false })))
            .record(record(2).key("two"));
        let store = provider.datasets();
        let golden = store.create_dataset(project, golden).await?;
        let id = DatasetRef::id(&golden.id);
        let more = [record(20).key("two"), record(3)];
        store.append_to_dataset(project, &id, &more).await?;
        let (_, records) = store
            .get_dataset(project, &id, golden.version.as_deref())
            .await?;

        let store = provider.experiments();
        let new = NewExperiment::new("first")
            .description("a try")
            .metadata(&json!({ "model": "small" }))
            .over(&golden)
            .repetitions(2);
        let first = store.create_experiment(project, &new).await?.id;
        let run = |start: u64| NewRun::new(BEGIN + start, BEGIN + start + 1_000_000);
        let good = run(0)
            .record(&records[0].id)
            .inputs(&json!({ "prompt": "1?" }))
            .outputs(&json!({ "even": false }))
            .trace(trace_id)
            .metadata(&json!({ "seed": 7 }))
            .metric(Metric::new("loss", 0.5).step(1))
            .metric(Metric::new("loss", 0.25).step(2));
        let good = store.log_run(project, &first, &good).await?;
        let judged = NewEvaluation::new("exact").score(1.0).label("yes");
        store
            .log_evaluation(project, &first, &good, &judged)
            .await?;
        let failed = run(5_000_000).record(&records[1].id).failed("refused");
        store.log_run(project, &first, &failed).await?;
        let metrics = [
            Metric::new("accuracy", 0.5),
            Metric::new("accuracy", 0.75).step(2),
        ];
        store.log_metrics(project, &first, None, &metrics).await?;
        store
            .finish_experiment(project, &first, ExperimentStatus::Completed)
            .await?;
        // One over nothing, which goes on.
        let new = NewExperiment::new("second");
        let second = store.create_experiment(project, &new).await?.id;
        for number in 0..2 {
            let run = run(number).outputs(&json!(number));
            store.log_run(project, &second, &run).await?;
        }
        Ok(())
    }
}

/// How much was written, and how much was left.
fn counts(report: &CopyReport) -> (u64, u64) {
    let all = report.total().all();
    let copied = all.iter().map(|(_, tally)| tally.copied).sum();
    (copied, all.iter().map(|(_, tally)| tally.left).sum())
}

async fn spans(provider: &Provider, project: &str) -> Result<Vec<Span>> {
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
async fn holdings(provider: &Provider, project: &str) -> Result<Value> {
    let mut targets = Vec::new();
    let mut told = Vec::new();
    for mut span in spans(provider, project).await? {
        span.attributes
            .sort_by(|left, right| left.key.cmp(&right.key));
        targets.push(Target::span(&span.span_id));
        targets.push(Target::Trace(span.trace_id.clone()));
        span.resource.clear();
        told.push(format!("{span:?}"));
    }
    targets.push(Target::Session("chat-1".to_owned()));
    let store = provider.annotations();
    let annotations = store.get_annotations(project, &targets, None).await?;
    let mut annotations: Vec<String> = annotations
        .iter()
        .map(|it| {
            let target = match &it.target {
                Target::Span(span) => &span.span_id,
                Target::Trace(id) | Target::Session(id) => id,
            };
            let metadata = original(it.metadata.as_deref()).unwrap_or_default();
            format!(
                "{target} {} {} {:?} {:?} {:?} {:?} {metadata}",
                it.name, it.identifier, it.annotator, it.label, it.score, it.explanation
            )
        })
        .collect();
    annotations.sort();
    annotations.dedup();
    Ok(json!({
        "spans": told,
        "annotations": annotations,
        "datasets": datasets(provider, project).await?,
        "experiments": experiments(provider, project).await?,
    }))
}

async fn datasets(provider: &Provider, project: &str) -> Result<Value> {
    let store = provider.datasets();
    let mut told = Vec::new();
    for dataset in store.list_datasets(project).await? {
        let id = DatasetRef::id(&dataset.id);
        let mut versions = Vec::new();
        for version in store.list_versions(project, &id).await? {
            let (_, records) = store.get_dataset(project, &id, Some(&version.id)).await?;
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
    Ok(told.into())
}

async fn experiments(provider: &Provider, project: &str) -> Result<Value> {
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
        let runs = store.list_runs(project, &listed.id).await?;
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
    Ok(told.into())
}

/// Phoenix to `local`, from there to another Phoenix, and back to where it came from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phoenix_moves_to_local_and_to_another_phoenix_and_nothing_is_lost_or_there_twice()
-> Result<()> {
    let (first, second) = tokio::try_join!(Phoenix::shared(), Phoenix::start())?;
    let phoenix = |name: &str, at: &Phoenix| {
        format!(
            "[connections.{name}]\nprovider = \"phoenix\"\nprovider_config = {{ http_endpoint = \
             \"{}\", grpc_endpoint = \"{}\" }}\n",
            at.http_endpoint(),
            at.grpc_endpoint()
        )
    };
    let backends = Backends::start(&format!(
        "{}{}[connections.here]\nprovider = \"local\"\n",
        phoenix("default", first),
        phoenix("other", &second),
    ))
    .await?;
    let tenant = unique("acme");
    let project = backends.fill(&tenant).await?;
    let before = holdings(&backends.on("default")?, &project).await?;

    for (from, to) in [("default", "here"), ("here", "other")] {
        let copier = backends.copier(from, to, &tenant)?;
        let report = copier.run().await?;
        let (copied, left) = counts(&report);
        assert_eq!(
            (copied > 20, left),
            (true, 0),
            "{from} to {to}: {report:#?}"
        );
        let after = holdings(&backends.on(to)?, &project).await?;
        for what in ["spans", "annotations", "datasets", "experiments"] {
            assert_eq!(before[what], after[what], "{what}, {from} to {to}");
        }
        // Once more is no more.
        let again = copier.run().await?;
        assert_eq!(counts(&again), (0, 0), "{from} to {to}: {again:#?}");
        assert_eq!(holdings(&backends.on(to)?, &project).await?, after);
    }
    // What was copied from there is known there.
    let back = backends.copier("here", "default", &tenant)?.run().await?;
    assert_eq!(counts(&back), (0, 0), "{back:#?}");
    Ok(())
}

/// Two SQLite files; the program is killed while it copies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_killed_goes_on_and_nothing_is_there_twice() -> Result<()> {
    const SPANS: usize = 6_000;
    let backends = Backends::start(
        "[connections.default]\nprovider = \"local\"\n[connections.next]\nprovider = \"local\"\n",
    )
    .await?;
    let tenant = unique("acme");
    let project = backends.telemetry.project_name(&tenant, None)?;
    for number in 0..SPANS {
        let span = backends.telemetry.span("work", &tenant);
        span.attribute("number", i64::try_from(number)?)
            .in_scope(|_| ());
    }
    backends.delivered().await?;
    let records = (0..2_500).map(|number| NewRecord::new(&json!({ "number": number })));
    let large = NewDataset::new("large").records(records);
    let store = backends.on("default")?;
    store.datasets().create_dataset(&project, large).await?;

    let copy = format!("exec roost copy --from default --to next --tenant {tenant} --json");
    let mut killed = begin_shell(backends.path(), &copy)?;
    let next = backends.on("next")?;
    eventually("some are copied", SOON, async || {
        let some = SpanQuery::new(&project, TimeWindow::all()).limit(1);
        ensure!(!next.traces().get_spans(&some).await?.is_empty());
        Ok(())
    })
    .await?;
    killed.kill().await?;
    let there = u64::try_from(spans(&next, &project).await?.len())?;
    assert!(there > 0 && there < SPANS as u64, "{there} were copied");

    let ran = shell_ok(backends.path(), &copy).await?;
    let spans_now = &ran["spans"];
    assert_eq!(spans_now["present"], there, "{ran}");
    assert_eq!(spans_now["copied"], SPANS as u64 - there, "{ran}");
    assert_eq!(ran["records"]["copied"], 2_500, "{ran}");
    let (before, after) = (
        spans(&store, &project).await?,
        spans(&next, &project).await?,
    );
    assert_eq!(before, after);
    let again = shell_ok(backends.path(), &copy).await?;
    assert_eq!(again["spans"]["copied"], 0, "{again}");
    assert_eq!(again["records"]["present"], 2_500, "{again}");
    Ok(())
}

/// The one line that a script printed, which went well.
async fn shell_ok(folder: &Path, script: &str) -> Result<Value> {
    let ran = roost_tests::shell(folder, script).await?;
    ensure!(ran.code == 0, "{script}: {}", ran.stderr);
    ran.json()?.pop().context("it printed nothing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_way_is_left_alone_and_named() -> Result<()> {
    let backends = Backends::start(
        "[connections.default]\nprovider = \"local\"\n[connections.next]\nprovider = \"local\"\n",
    )
    .await?;
    let tenant = unique("acme");
    let project = backends.fill(&tenant).await?;
    let next = backends.on("next")?;
    let other = NewDataset::new("golden").record(NewRecord::new(&json!({ "other": 1 })));
    next.datasets().create_dataset(&project, other).await?;
    let report = backends.copier("default", "next", &tenant)?.run().await?;
    let left: Vec<_> = report.projects[0].left.iter().collect();
    assert_eq!(left[0].kind, Kind::Dataset, "{left:?}");
    assert!(left[0].reason.contains("other records"), "{left:?}");
    assert_eq!(report.total().spans.copied, 3);
    // The experiment over it has runs of records that are not there.
    assert_eq!(report.total().runs.left, 2, "{report:#?}");
    assert!(report.has_refusals());

    let arguments = ["copy", "--from", "default", "--to", "next", "--tenant"];
    let arguments = [&arguments[..], &[&*tenant, "--only", "datasets"]].concat();
    let ran = roost(backends.path(), &arguments).await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("other records"), "{}", ran.stdout);
    let ran = roost(
        backends.path(),
        &["copy", "--from", "default", "--to", "default"],
    )
    .await?;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("onto itself"), "{}", ran.stderr);
    let ran = roost(
        backends.path(),
        &[
            "copy",
            "--from",
            "default",
            "--to",
            "next",
            "--project",
            "none",
        ],
    )
    .await?;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_move_to_mlflow_and_back() -> Result<()> {
    let mlflow = Mlflow::shared().await?;
    let backends = Backends::start(&format!(
        "[connections.default]\nprovider = \"local\"\n[connections.next]\nprovider = \"local\"\n\
         [connections.mlflow]\nprovider = \"mlflow\"\nprovider_config = {{ http_endpoint = \
         \"{}\" }}\n",
        mlflow.http_endpoint()
    ))
    .await?;
    let tenant = unique("acme");
    let project = backends.fill(&tenant).await?;
    let before = spans(&backends.on("default")?, &project).await?;
    for (from, to) in [("default", "mlflow"), ("mlflow", "next")] {
        let copier = backends.copier(from, to, &tenant)?;
        let copier = copier.only([Part::Spans]);
        let report = copier.run().await?;
        assert_eq!(report.total().spans.copied, 3, "{report:#?}");
        let again = copier.run().await?;
        assert_eq!(again.total().spans.present, 3, "{again:#?}");
    }
    let after = spans(&backends.on("next")?, &project).await?;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (
                &before.span_id,
                &before.parent_id,
                &before.name,
                &before.kind
            ),
            (&after.span_id, &after.parent_id, &after.name, &after.kind)
        );
        for attribute in &before.attributes {
            let there = after.attribute(&attribute.key);
            assert_eq!(there, Some(&attribute.value), "{}", attribute.key);
        }
    }
    Ok(())
}
