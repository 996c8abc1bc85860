//! What one backend holds, copied into another and compared there.

mod again;
mod holdings;
mod pairs;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use opentelemetry::Array;
use roost::contract::{
    AnnotatorKind, DatasetRef, ExperimentStatus, Metric, NewAnnotation, NewDataset, NewEvaluation,
    NewExperiment, NewRecord, NewRun, Target, TimeWindow,
};
use roost::copy::{Copier, CopyReport};
use roost::provider::{Provider, SpanQuery};
use roost::{Config, TelemetryManager};
use roost_tests::{PluginFolder, eventually, local_provider, mlflow_provider, phoenix_provider};
use serde_json::json;

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
    /// connection that is the tenant's. Returned is the project.
    async fn fill(&self, connection: &str, tenant: &str) -> Result<String> {
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
        let provider = self.on(connection)?;
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
