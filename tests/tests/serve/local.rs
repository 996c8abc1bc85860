//! A gateway with nothing behind it: `local` keeps what it takes, also when it is killed.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use roost_tests::{Gateway, Postgres, eventually, local_provider, program, shell};
use tempfile::TempDir;

use crate::client::{send, shop, spans};

const SOON: Duration = Duration::from_secs(60);

/// Answered when the database has the spans.
const DURABLE: &str = "serve.acknowledge = \"durable\"\n\
    telemetry.batch_config.schedule_delay_millis = 20\n";

fn install(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::copy(local_provider()?, folder.join("local.wasm"))?;
    Ok(())
}

/// A gateway whose provider is `local`.
async fn gateway(settings: &str) -> Result<Gateway> {
    let settings = format!("{DURABLE}{settings}");
    Gateway::start(&settings, |folder| install(&folder.join("plugins"))).await
}

/// As after an installation: nothing is configured but ports, and the provider is where it
/// came with the program.
#[tokio::test]
async fn without_a_configuration_spans_are_kept_and_read_back() -> Result<()> {
    let installed = TempDir::new()?;
    let (bin, plugins) = (installed.path().join("bin"), "lib/roost/plugins");
    fs::create_dir(&bin)?;
    fs::hard_link(program()?, bin.join("roost"))?;
    install(&installed.path().join(plugins))?;
    let gateway = Gateway::start_program(&bin.join("roost"), DURABLE, |folder| {
        Ok(fs::remove_dir(folder.join("plugins"))?)
    })
    .await?;
    assert_eq!(send(&gateway, &[], &shop(spans(3))).await?.status(), 200);
    assert!(gateway.folder().join("data/roost/default.db").exists());

    let ask = async |arguments: &str| {
        let bin = bin.display();
        let script = format!("export XDG_DATA_HOME=$PWD/data; {bin}/roost {arguments}");
        let ran = shell(gateway.folder(), &script).await?;
        ensure!(ran.code == 0, "{arguments}: {}", ran.stderr);
        Ok(ran)
    };
    let read = ask("spans --service shop --since 2026-01-01 --json")
        .await?
        .json()?;
    assert_eq!(read.len(), 3, "{read:?}");
    let counted = ask("stats --service shop --since 2026-01-01 --json").await?;
    assert!(counted.stdout.contains("500"), "{}", counted.stdout);
    let sql = "sql --service shop --since 2026-01-01 --json 'SELECT COUNT(*) AS n FROM spans'";
    assert_eq!(ask(sql).await?.json()?[0]["n"], 3);
    assert_eq!(gateway.stop().await?.code, 0);
    Ok(())
}

/// Sends spans until nobody answers; returned are the ids of those that were acknowledged.
async fn send_until_the_end(
    gateway: &Gateway,
    enough: tokio::sync::oneshot::Sender<()>,
) -> HashSet<String> {
    let (mut acknowledged, mut enough) = (HashSet::new(), Some(enough));
    loop {
        let batch = spans(40);
        let ids = batch.iter().map(|span| u64_id(&span.span_id));
        let ids: Vec<String> = ids.collect();
        match send(gateway, &[], &shop(batch)).await {
            Ok(answer) if answer.status() == 200 => acknowledged.extend(ids),
            _ => return acknowledged,
        }
        if acknowledged.len() >= 800
            && let Some(enough) = enough.take()
        {
            let _ = enough.send(());
        }
    }
}

fn u64_id(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ids of the spans that are there.
async fn stored(settings: &str) -> Result<Vec<String>> {
    let plugins = TempDir::new()?;
    install(plugins.path())?;
    let folder = plugins.path().display();
    let toml = format!("plugins.folder = \"{folder}\"\n{settings}");
    let telemetry = TelemetryManager::start(Config::from_toml(&toml, "/roost.toml")?).await?;
    let provider = telemetry.get_provider("default", Some("shop"))?;
    let project = telemetry.project_name("default", Some("shop"))?;
    let query = SpanQuery::new(project, TimeWindow::all()).limit(usize::MAX);
    let spans = provider.traces().get_spans(&query).await?;
    Ok(spans.into_iter().map(|span| span.span_id).collect())
}

fn holds_all(stored: Vec<String>, acknowledged: &HashSet<String>) {
    let count = stored.len();
    let stored: HashSet<String> = stored.into_iter().collect();
    assert_eq!(stored.len(), count, "some are there twice");
    let lost = acknowledged.difference(&stored).count();
    assert_eq!(lost, 0, "of {} acknowledged", acknowledged.len());
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_while_writing() -> Result<()> {
    let data = TempDir::new()?;
    let settings = format!("database.folder = \"{}\"\n", data.path().display());
    let gateway = gateway(&settings).await?;
    let (enough, reached) = tokio::sync::oneshot::channel();
    let killing = async {
        reached.await.context("it never acknowledged enough")?;
        gateway.signal("KILL").await
    };
    let (acknowledged, killed) = tokio::join!(send_until_the_end(&gateway, enough), killing);
    killed?;
    drop(gateway);
    holds_all(stored(&settings).await?, &acknowledged);
    Ok(())
}

#[tokio::test]
async fn two_gateways_share_a_postgresql_and_one_goes_on_alone() -> Result<()> {
    let address = Postgres::shared().await?.database().await?;
    let settings = format!("connections.default.database = \"{address}\"\n");
    let (first, second) = tokio::try_join!(gateway(&settings), gateway(&settings))?;
    let (enough, reached) = tokio::sync::oneshot::channel();
    let (other_enough, _other_reached) = tokio::sync::oneshot::channel();
    let killing = async {
        reached.await.context("it never acknowledged enough")?;
        first.signal("KILL").await?;
        // The other one still takes some.
        let before = stored(&settings).await?.len();
        eventually("the other one goes on", SOON, async || {
            ensure!(stored(&settings).await?.len() > before);
            Ok(())
        })
        .await?;
        second.signal("KILL").await
    };
    let (of_first, of_second, killed) = tokio::join!(
        send_until_the_end(&first, enough),
        send_until_the_end(&second, other_enough),
        killing
    );
    killed?;
    assert!(!of_second.is_empty());
    let acknowledged = of_first.union(&of_second).cloned().collect();
    holds_all(stored(&settings).await?, &acknowledged);
    Ok(())
}

#[tokio::test]
async fn a_damaged_file_is_told_and_never_taken_for_an_empty_one() -> Result<()> {
    let folder = TempDir::new()?;
    install(&folder.path().join("plugins"))?;
    fs::write(
        folder.path().join("roost.toml"),
        "database.folder = \".\"\n",
    )?;
    let damaged = "SQLite format 3, it was once".repeat(1_000);
    fs::write(folder.path().join("default.db"), &damaged)?;
    for command in ["spans", "projects"] {
        let ran = shell(folder.path(), &format!("roost {command}")).await?;
        assert_ne!(ran.code, 0, "{command}: {}", ran.stdout);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("damaged") && said.contains("default.db"),
            "{command}: {said}"
        );
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("default.db"))?,
        damaged
    );
    Ok(())
}

/// Nothing but the program and what came with it, in a folder that is empty.
#[tokio::test]
async fn the_demo_runs_from_an_installation_and_leaves_nothing_behind() -> Result<()> {
    let installed = TempDir::new()?;
    fs::hard_link(program()?, installed.path().join("roost"))?;
    install(&installed.path().join("plugins"))?;
    let folder = TempDir::new()?;
    let script = format!(
        "export TMPDIR=$PWD/tmp HOME=$PWD/home; mkdir tmp home; {}/roost demo --swaps 2",
        installed.path().display()
    );
    let ran = shell(folder.path(), &script).await?;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for said in ["20 created = 20 delivered", "0 failures", "is removed"] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    for left in ["tmp", "home"] {
        let left = fs::read_dir(folder.path().join(left))?.count();
        assert_eq!(left, 0, "it left files behind");
    }
    Ok(())
}
