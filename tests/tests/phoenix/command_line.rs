//! The program `roost` on a real Phoenix.

use std::fs;

use anyhow::Result;
use roost_tests::{Phoenix, roost, unique};

use crate::Service;

/// A tenant with a trace of two spans, and a folder with a `roost.toml` to ask from.
async fn tenant_with_a_trace() -> Result<(Service, tempfile::TempDir, String)> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let telemetry = &service.telemetry;
    let outcome: Result<(), &str> = telemetry.span("request", &tenant).try_in_scope(|_| {
        telemetry
            .span("generate", &tenant)
            .kind("LLM")
            .attribute("llm.model_name", "gpt-4")
            .in_scope(|_| Err("the model is away"))
    });
    assert!(outcome.is_err());
    service.delivered().await?;
    service.spans(&tenant, 2).await?;
    let folder = tempfile::tempdir()?;
    let phoenix = Phoenix::shared().await?;
    let toml = format!(
        "[plugins]\nfolder = \"{}\"\n[connections.default]\nprovider_config = {{ http_endpoint = \"{}\" }}\n",
        service.folder.path().display(),
        phoenix.http_endpoint()
    );
    fs::write(folder.path().join("roost.toml"), toml)?;
    Ok((service, folder, tenant))
}

#[tokio::test]
async fn spans_are_listed_shown_as_a_tree_and_annotated() -> Result<()> {
    let (service, folder, tenant) = tenant_with_a_trace().await?;
    let folder = folder.path();
    let project = service.project(&tenant)?;

    let listed = roost(folder, &["spans", "--tenant", &tenant, "--json"]).await?;
    assert_eq!(listed.code, 0, "{listed:?}");
    let spans = listed.json()?;
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0]["name"], "generate");
    assert_eq!(spans[0]["kind"], "LLM");
    assert_eq!(spans[0]["attributes"]["llm.model_name"], "gpt-4");
    assert_eq!(spans[0]["parent_id"], spans[1]["span_id"]);

    let table = roost(folder, &["spans", "--project", &project, "--roots"]).await?;
    assert!(table.stdout.contains("request") && !table.stdout.contains("generate"));
    assert!(!table.stdout.contains('\u{1b}'), "no colours in a pipe");

    let trace_id = spans[0]["trace_id"].as_str().unwrap();
    let tree = roost(folder, &["trace", trace_id, "--tenant", &tenant]).await?;
    assert_eq!(tree.code, 0, "{tree:?}");
    assert!(tree.stdout.contains("└─ generate"), "{}", tree.stdout);
    assert!(tree.stdout.contains("the model is away"), "{}", tree.stdout);

    let span_id = spans[0]["span_id"].as_str().unwrap();
    let annotate = [
        "annotate", span_id, "--tenant", &tenant, "--name", "quality",
    ];
    let judgement = ["--label", "poor", "--score", "0.1", "--json"];
    let written = roost(folder, &[&annotate[..], &judgement[..]].concat()).await?;
    assert_eq!(written.code, 0, "{written:?}");
    assert_eq!(written.json()?[0]["label"], "poor");

    let projects = roost(folder, &["projects", "--tenant", &tenant, "--json"]).await?;
    assert_eq!(projects.json()?[0]["name"], project);
    Ok(())
}

#[tokio::test]
async fn exit_codes_tell_how_it_ended() -> Result<()> {
    let (service, folder, tenant) = tenant_with_a_trace().await?;
    let folder = folder.path();
    let code = async |arguments: &[&str]| roost(folder, arguments).await.map(|ran| ran.code);

    let healthy = roost(folder, &["health", "--json"]).await?;
    assert_eq!(healthy.code, 0, "{healthy:?}");
    assert_eq!(healthy.json()?[0]["authenticated"], true);
    let listed = roost(folder, &["providers", "list", "--json"]).await?;
    assert_eq!(listed.json()?[0]["name"], "phoenix");
    assert_eq!(listed.json()?[0]["state"], "serving");

    let unknown_trace = roost_tests::trace_id();
    assert_eq!(
        code(&["trace", &unknown_trace, "--tenant", &tenant]).await?,
        3
    );
    assert_eq!(code(&["spans", "--tenant", "no/tenant"]).await?, 2);
    assert_eq!(code(&["spans", "--since", "yesterday-ish"]).await?, 2);

    let phoenix = Phoenix::shared_with_auth().await?;
    let toml = format!(
        "[plugins]\nfolder = \"{}\"\n[connections.default]\nprovider_config = {{ http_endpoint = \"{}\" }}\n",
        service.folder.path().display(),
        phoenix.http_endpoint()
    );
    fs::write(folder.join("roost.toml"), toml)?;
    assert_eq!(code(&["spans", "--tenant", &tenant]).await?, 4);
    assert_eq!(code(&["health"]).await?, 1);
    Ok(())
}
