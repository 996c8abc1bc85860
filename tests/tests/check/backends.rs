//! The providers that come with Roost, on what they are for.

use anyhow::Result;
use roost_tests::{
    Langfuse, Mlflow, Phoenix, PluginFolder, Postgres, langfuse_provider, local_provider,
    mlflow_provider, phoenix_provider,
};

use crate::{broken, check, skipped};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_keeps_every_rule_on_sqlite_and_on_postgresql() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("local", &local_provider()?)?;
    let postgres = Postgres::shared().await?.database().await?;
    for database in ["sqlite:test.db", &postgres] {
        let connection = format!("provider = \"local\"\ndatabase = \"{database}\"");
        let report = check(&folder, &connection, &[]).await?;
        assert_eq!(broken(&report), []);
        assert_eq!(skipped(&report), ["provider.away"]);
        assert_eq!(report.left_behind, Vec::<String>::new());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phoenix_keeps_every_rule_that_it_can() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("phoenix", &phoenix_provider()?)?;
    let phoenix = Phoenix::shared().await?;
    let connection = format!(
        "provider = \"phoenix\"\nprovider_config = {{ http_endpoint = \"{}\" }}",
        phoenix.http_endpoint()
    );
    let report = check(&folder, &connection, &[]).await?;
    assert_eq!(broken(&report), []);
    assert_eq!(
        skipped(&report),
        ["sink.accepted", "sink.again", "analytics.groups"]
    );
    assert_eq!(report.left_behind, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mlflow_keeps_every_rule_that_it_can() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("mlflow", &mlflow_provider()?)?;
    let mlflow = Mlflow::shared().await?;
    let connection = format!(
        "provider = \"mlflow\"\nprovider_config = {{ http_endpoint = \"{}\" }}",
        mlflow.http_endpoint()
    );
    let report = check(&folder, &connection, &[]).await?;
    assert_eq!(broken(&report), []);
    let numbers = ["whole", "window", "groups", "nothing", "unknown-project"];
    let numbers = numbers.map(|rule| format!("analytics.{rule}"));
    let mut expected = vec!["sink.accepted", "sink.again", "datasets.versions"];
    expected.extend(numbers.iter().map(String::as_str));
    assert_eq!(skipped(&report), expected);
    Ok(())
}

/// Not a real one: see [`Langfuse`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn langfuse_keeps_every_rule_that_it_can() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("langfuse", &langfuse_provider()?)?;
    let langfuse = Langfuse::start().await?;
    let connection = format!(
        "provider = \"langfuse\"\nprovider_config = {{ http_endpoint = \"{}\" }}\n\
         secrets.api_keys = \"{}\"",
        langfuse.http_endpoint(),
        langfuse.api_keys()
    );
    let report = check(&folder, &connection, &[]).await?;
    assert_eq!(broken(&report), []);
    // It has no experiments and no numbers.
    let not_there = ["experiments.", "analytics."];
    let is_there = |rule: &&str| not_there.iter().all(|subject| !rule.starts_with(subject));
    let skipped: Vec<_> = skipped(&report).into_iter().filter(is_there).collect();
    assert_eq!(
        skipped,
        [
            "traces.events",
            "sink.accepted",
            "sink.again",
            "datasets.versions",
            "datasets.deleted",
            "projects.listed",
            "projects.deleted"
        ]
    );
    Ok(())
}
