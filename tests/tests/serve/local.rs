//! A gateway with nothing behind it: `local` keeps what it takes, also when it is killed.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost::{Config, TelemetryManager};
use roost_tests::{
    Gateway, Postgres, eventually, local_provider, mlflow_provider, phoenix_provider, program,
    shell,
};
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

/// Whose variables are set is meant, whatever else lies in the folder.
#[tokio::test]
async fn of_several_providers_the_one_that_can_have_what_is_configured_is_taken() -> Result<()> {
    let folder = TempDir::new()?;
    let plugins = folder.path().join("plugins");
    install(&plugins)?;
    fs::copy(phoenix_provider()?, plugins.join("phoenix.wasm"))?;
    fs::copy(mlflow_provider()?, plugins.join("mlflow.wasm"))?;
    let health = async |variables: &str| {
        let script = format!("{variables} XDG_DATA_HOME=$PWD roost health --json");
        Ok::<_, anyhow::Error>(shell(folder.path(), &script).await?.stdout)
    };
    let alone = health("").await?;
    assert!(alone.contains("\"provider\":\"local\""), "{alone}");
    for variable in ["PHOENIX_API_ENDPOINT", "PHOENIX_GRPC_ENDPOINT"] {
        let told = health(&format!("{variable}=http://127.0.0.1:1")).await?;
        assert!(told.contains("\"provider\":\"phoenix\""), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn an_endpoint_that_is_not_used_is_told_to_the_operator() -> Result<()> {
    let gateway = gateway("telemetry.otlp_endpoint = \"http://collector.example:4317\"\n").await?;
    assert_eq!(send(&gateway, &[], &shop(spans(1))).await?.status(), 200);
    let log = gateway.log();
    let told = log.matches("collector.example").count();
    assert_eq!(told, 1, "{log}");
    assert!(log.contains("leave `otlp_endpoint` out"), "{log}");
    assert_eq!(gateway.stop().await?.code, 0);
    Ok(())
}

/// On a file system of 4 MiB, in a mount namespace of its own, which goes with its processes.
#[tokio::test]
async fn a_full_disk_is_told_and_what_was_written_before_stays() -> Result<()> {
    let folder = TempDir::new()?;
    install(&folder.path().join("plugins"))?;
    fs::write(
        folder.path().join("roost.toml"),
        "database.folder = \"small\"\n",
    )?;
    let text = "owl ".repeat(250);
    let records = |count: usize| -> String {
        let record = |number| format!("{{\"number\": {number}, \"text\": \"{text}\"}}\n");
        (0..count).map(record).collect()
    };
    fs::write(folder.path().join("few.jsonl"), records(1))?;
    fs::write(folder.path().join("many.jsonl"), records(8_000))?;
    let script = "mkdir small && exec unshare --mount --map-root-user sh -ec '
        mount -t tmpfs -o size=4m tmpfs small
        roost datasets create few few.jsonl >&2
        if roost datasets create many many.jsonl; then exit 9; fi
        roost datasets list --json
        mount -o remount,size=64m small
        roost datasets append many few.jsonl >&2'";
    let ran = shell(folder.path(), script).await?;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("the disk is full"), "{}", ran.stderr);
    let listed = ran.json()?;
    // Deleting wants room as well on a full disk, so some are there, and that is said.
    let there = format!("only the first {} records", listed[0]["record_count"]);
    assert!(ran.stderr.contains(&there), "{}", ran.stderr);
    assert_eq!(listed[1]["name"], "few");
    Ok(())
}
