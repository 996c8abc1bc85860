//! The program `roost` on a real Phoenix.

mod asking;
mod datasets;
mod experiments;
mod files;
mod judgements;

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use roost_tests::{
    Phoenix, PluginFolder, Ran, begin_shell, phoenix_provider, roost, shell, unique,
};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::{Service, written};

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

/// A folder with a `roost.toml` to ask from, and a project whose spans a test writes itself.
struct Desk {
    folder: tempfile::TempDir,
    phoenix: &'static Phoenix,
    project: String,
    _plugins: PluginFolder,
}

impl Desk {
    async fn new() -> Result<Self> {
        let phoenix = Phoenix::shared().await?;
        let plugins = PluginFolder::new()?;
        plugins.install("phoenix", &phoenix_provider()?)?;
        let folder = tempfile::tempdir()?;
        let toml = format!(
            "[plugins]\nfolder = \"{}\"\n[connections.default]\nprovider_config = {{ http_endpoint = \"{}\" }}\n",
            plugins.path().display(),
            phoenix.http_endpoint()
        );
        fs::write(folder.path().join("roost.toml"), toml)?;
        Ok(Self {
            folder,
            phoenix,
            project: unique("desk"),
            _plugins: plugins,
        })
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Write spans of these names, a millisecond longer each.
    async fn spans(&self, names: &[&str]) -> Result<Vec<Value>> {
        let spans = names.iter().zip(1..).map(|(name, place)| {
            let attributes = json!({ "place": place, "input.value": format!("q{place} 🦉"),
                "output.value": format!("a{place}") });
            written::span(name, place, place * 1_000, attributes)
        });
        let spans: Vec<Value> = spans.collect();
        written::write(self.phoenix, &self.project, &spans).await?;
        Ok(spans)
    }

    /// Run `roost` about the project.
    async fn roost(&self, arguments: &[&str]) -> Result<Ran> {
        let scope = ["--project", &self.project];
        roost(self.folder(), &[arguments, &scope].concat()).await
    }

    /// As [`Desk::roost`], for what has to go well.
    async fn well(&self, arguments: &[&str]) -> Result<Ran> {
        let ran = self.roost(arguments).await?;
        ensure!(ran.code == 0, "{arguments:?}: {ran:?}");
        Ok(ran)
    }

    /// Run a script, in which `$P` is the project.
    async fn shell(&self, script: &str) -> Result<Ran> {
        let script = format!("P='{}'\n{script}", self.project);
        shell(self.folder(), &script).await
    }

    /// Begin to run such a script.
    fn begin(&self, script: &str) -> Result<Child> {
        let script = format!("P='{}'\n{script}", self.project);
        begin_shell(self.folder(), &script)
    }
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
