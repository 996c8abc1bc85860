//! One host: a tenant on Phoenix, one on MLflow, one on `local`. The same code serves all, and one
//! statement asks all.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use roost::contract::{
    DatasetRef, NewAnnotation, NewDataset, NewEvaluation, NewExperiment, NewRecord, NewRun,
    SpanRef, Target, TimeWindow,
};
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use roost_tests::{
    Mlflow, Phoenix, PluginFolder, eventually, local_provider, mlflow_provider, phoenix_provider,
    roost, shell, unique,
};
use serde_json::json;

use crate::SOON;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_on_three_backends_are_served_alike_and_joined_in_one_statement() -> Result<()> {
    let (phoenix, mlflow) = tokio::try_join!(Phoenix::shared(), Mlflow::shared())?;
    let folder = PluginFolder::new()?;
    folder.install("phoenix", &phoenix_provider()?)?;
    folder.install("mlflow", &mlflow_provider()?)?;
    folder.install("local", &local_provider()?)?;
    let tenants = [
        ("acme", "phoenix"),
        ("globex", "mlflow"),
        ("initech", "local"),
    ]
    .map(|(tenant, backend)| (tenant, unique(tenant), backend));
    let mut toml = format!(
        "[telemetry.batch_config]\nschedule_delay_millis = 50\n\
         [plugins]\nfolder = \".\"\n[database]\nfolder = \".\"\n\
         [connections.phoenix]\nprovider = \"phoenix\"\n\
         provider_config = {{ http_endpoint = \"{}\" }}\n\
         [connections.mlflow]\nprovider = \"mlflow\"\n\
         provider_config = {{ http_endpoint = \"{}\" }}\n\
         [connections.local]\nprovider = \"local\"\n",
        phoenix.http_endpoint(),
        mlflow.http_endpoint(),
    );
    for (_, tenant, backend) in &tenants {
        let _ = writeln!(toml, "[tenants.{tenant}]\nconnection = \"{backend}\"");
    }
    let file = folder.path().join("roost.toml");
    std::fs::write(&file, &toml)?;
    let telemetry = TelemetryManager::start(Config::from_toml(&toml, &file)?).await?;
    for (_, tenant, backend) in &tenants {
        assert_eq!(telemetry.get_provider(tenant, None)?.name(), *backend);
        let served = works(&telemetry, tenant).await;
        served.with_context(|| format!("{tenant} on {backend}"))?;
    }

    // The statement of the page, with the names of these tenants.
    let mut command = documented()?;
    for (name, tenant, _) in &tenants {
        command = command
            .replace(&format!("{name}.spans"), &format!("\"{tenant}\".spans"))
            .replace(&format!("--tenant {name}"), &format!("--tenant {tenant}"));
    }
    let ran = shell(folder.path(), &format!("{} --json", command.trim_end())).await?;
    ensure!(ran.code == 0, "{command}: {}", ran.stderr);
    assert_eq!(
        ran.json()?,
        [
            json!({ "name": "answer", "acme": 15.0, "globex": 15.0, "initech": 15.0 }),
            json!({ "name": "request", "acme": null, "globex": null, "initech": null }),
        ]
    );

    // Whom nobody named is not there.
    let [(_, acme, _), (_, globex, _), (_, initech, _)] = &tenants;
    let both = ["--tenant", acme, "--tenant", globex];
    for table in ["spans".to_owned(), format!("\"{initech}\".spans")] {
        let statement = format!("SELECT name FROM {table}");
        let ran = roost(folder.path(), &[&["sql", &statement], &both[..]].concat()).await?;
        assert_eq!(ran.code, 2, "{ran:?}");
        let there = format!("there is `\"{acme}\".spans`, `\"{globex}\".spans`");
        assert!(ran.stderr.contains(&there), "{ran:?}");
    }
    Ok(())
}

/// The command of the page about questions that joins several tenants.
fn documented() -> Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/query.md");
    let page = std::fs::read_to_string(page)?;
    let (_, section) = page
        .split_once("### Several tenants")
        .context("no section")?;
    let (_, block) = section.split_once("```sh\n").context("no command")?;
    let (command, _) = block.split_once("```").context("no end")?;
    Ok(command.to_owned())
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
