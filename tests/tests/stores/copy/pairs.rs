//! Phoenix, MLflow and `local`, each copied into each of the others, and what comes of it.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use roost_tests::{Mlflow, Phoenix, page_has, unique};

use super::holdings::{differences, holdings};
use super::{Backends, counts};

/// One host, with a tenant on each backend.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_backend_is_copied_into_each_other_and_the_page_says_what_differs() -> Result<()> {
    let (phoenix, mlflow) = tokio::try_join!(Phoenix::shared(), Mlflow::shared())?;
    let tenants = ["phoenix", "mlflow", "local"].map(|backend| (backend, unique(backend)));
    let mut connections = format!(
        "[connections.phoenix]\nprovider = \"phoenix\"\nprovider_config = {{ http_endpoint = \
         \"{}\", grpc_endpoint = \"{}\" }}\n\
         [connections.mlflow]\nprovider = \"mlflow\"\nprovider_config = {{ http_endpoint = \"{}\" }}\n\
         [connections.local]\nprovider = \"local\"\n",
        phoenix.http_endpoint(),
        phoenix.grpc_endpoint(),
        mlflow.http_endpoint(),
    );
    for (backend, tenant) in &tenants {
        let _ = writeln!(
            connections,
            "[tenants.{tenant}]\nconnection = \"{backend}\""
        );
    }
    let backends = Backends::start(&connections).await?;
    let mut table = "\n| from | to | left, and why | noted | not the same afterwards |\n\
                     |---|---|---|---|---|\n"
        .to_owned();
    for (from, tenant) in &tenants {
        let project = backends.fill(from, tenant).await?;
        let before = holdings(&backends.on(from)?, &project).await?;
        for (to, _) in tenants.iter().filter(|(to, _)| to != from) {
            let copier = backends.copier(from, to, tenant)?;
            let report = copier
                .run()
                .await
                .with_context(|| format!("{from} to {to}"))?;
            let after = holdings(&backends.on(to)?, &project).await?;
            let again = copier.run().await?;
            assert_eq!(counts(&again).0, 0, "{from} to {to}: {again:#?}");
            assert_eq!(holdings(&backends.on(to)?, &project).await?, after);
            let report = report.projects.first().context("no project")?;
            let left = report.left.iter().map(|it| {
                let kind = serde_json::to_string(&it.kind).unwrap_or_default();
                format!("{} {}: {}", it.count, kind.trim_matches('"'), it.reason)
            });
            let cell = |texts: Vec<String>| match texts.is_empty() {
                true => "-".to_owned(),
                false => texts.join("; "),
            };
            let _ = writeln!(
                table,
                "| {from} | {to} | {} | {} | {} |",
                cell(left.collect()),
                cell(report.notes.clone()),
                cell(differences(&before, &after).into_iter().collect()),
            );
        }
    }
    table.push('\n');
    page_has("docs/copy.md", file!(), &table)
}
