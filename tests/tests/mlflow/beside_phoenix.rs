//! One host, one tenant on Phoenix and one on MLflow: the same code for both.

use anyhow::{Result, ensure};
use roost::contract::{
    DatasetRef, NewAnnotation, NewDataset, NewEvaluation, NewExperiment, NewRecord, NewRun,
    SpanRef, Target, TimeWindow,
};
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use roost_tests::{
    Mlflow, Phoenix, PluginFolder, eventually, mlflow_provider, phoenix_provider, roost, unique,
};
use serde_json::json;

use crate::SOON;

#[tokio::test]
async fn two_tenants_on_two_backends_are_served_alike() -> Result<()> {
    let (phoenix, mlflow) = tokio::try_join!(Phoenix::shared(), Mlflow::shared())?;
    let folder = PluginFolder::new()?;
    folder.install("phoenix", &phoenix_provider()?)?;
    folder.install("mlflow", &mlflow_provider()?)?;
    let (acme, globex) = (unique("acme"), unique("globex"));
    let toml = format!(
        "[telemetry.batch_config]\nschedule_delay_millis = 50\n\
         [plugins]\nfolder = \"{}\"\n\
         [connections.default]\nprovider = \"phoenix\"\n\
         provider_config = {{ http_endpoint = \"{}\" }}\n\
         [connections.second]\nprovider = \"mlflow\"\n\
         provider_config = {{ http_endpoint = \"{}\" }}\n\
         [tenants.{globex}]\nconnection = \"second\"\n",
        folder.path().display(),
        phoenix.http_endpoint(),
        mlflow.http_endpoint(),
    );
    let telemetry = TelemetryManager::start(Config::from_toml(&toml, "/roost.toml")?).await?;
    let desk = tempfile::tempdir()?;
    std::fs::write(desk.path().join("roost.toml"), toml)?;

    for (tenant, backend) in [(&acme, "phoenix"), (&globex, "mlflow")] {
        assert_eq!(telemetry.get_provider(tenant, None)?.name(), backend);
        works(&telemetry, tenant).await?;
        let statement = "SELECT name, attributes['llm.token_count.total'] AS tokens FROM spans \
                         WHERE span_kind = 'LLM' ORDER BY start_time";
        let ran = roost(
            desk.path(),
            &["sql", statement, "--tenant", tenant, "--json"],
        )
        .await?;
        ensure!(ran.code == 0, "{}", ran.stderr);
        assert_eq!(
            ran.json()?,
            [json!({ "name": "answer", "tokens": 15.0 })],
            "{backend}"
        );
    }
    Ok(())
}

/// What a service does, whatever holds its data.
async fn works(telemetry: &TelemetryManager, tenant: &str) -> Result<()> {
    telemetry.span("request", tenant).in_scope(|_| {
        telemetry
            .session_span("answer", tenant, "chat 7")
            .kind("LLM")
            .in_scope(|span| span.set_attribute("llm.token_count.total", 15));
    });
    let report = telemetry.force_flush(SOON).await;
    ensure!(report.is_complete(), "{report:?}");

    let provider = telemetry.get_provider(tenant, None)?;
    let project = telemetry.project_name(tenant, None)?;
    let query = SpanQuery::new(project.as_str(), TimeWindow::all());
    let mut spans = eventually("the spans are there", SOON, async || {
        let spans = provider.traces().get_spans(&query).await?;
        ensure!(spans.len() == 2, "{}", spans.len());
        Ok(spans)
    })
    .await?;
    spans.sort_by_key(|span| span.start_time);
    let [request, answer] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(answer.parent_id.as_ref(), Some(&request.span_id));
    assert_eq!(answer.kind, "LLM");
    let sessions = provider.sessions();
    assert_eq!(
        sessions
            .list_sessions(&project, TimeWindow::all(), 9)
            .await?[0]
            .id,
        "chat 7"
    );

    let span = SpanRef::new(answer.trace_id.as_str(), answer.span_id.as_str());
    let target = [Target::Span(span)];
    let note = NewAnnotation::new(target[0].clone(), "quality").score(0.5);
    let store = provider.annotations();
    store.add_annotation(&project, note.clone()).await?;
    store.add_annotation(&project, note.score(0.75)).await?;
    let notes = store.get_annotations(&project, &target, None).await?;
    let scores: Vec<_> = notes.iter().map(|it| it.score).collect();
    assert_eq!(scores, [Some(0.75)]);

    let new = NewDataset::new("golden").record(NewRecord::new(&json!({ "q": "owls" })));
    let dataset = provider.datasets().create_dataset(&project, new).await?;
    let wanted = DatasetRef::id(&dataset.id);
    let (_, records) = provider
        .datasets()
        .get_dataset(&project, &wanted, None)
        .await?;
    let store = provider.experiments();
    let new = NewExperiment::new("first").over(&dataset);
    let experiment = store.create_experiment(&project, &new).await?.id;
    let run = NewRun::new(answer.start_time, answer.end_time).record(&records[0].id);
    let run = store.log_run(&project, &experiment, &run).await?;
    let judged = NewEvaluation::new("correct").score(1.0);
    store
        .log_evaluation(&project, &experiment, &run, &judged)
        .await?;
    let read = store.get_experiment(&project, &experiment).await?;
    assert_eq!((read.successful_runs, read.runs[0].mean), (1, Some(1.0)));

    let statistics = provider
        .analytics()
        .get_trace_statistics(&project, TimeWindow::all())
        .await?;
    assert_eq!((statistics.count, statistics.error_rate), (2, Some(0.0)));
    Ok(())
}
