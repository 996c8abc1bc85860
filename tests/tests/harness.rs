//! The ground itself: servers start, answer, and end with whoever started them; the
//! fixtures are what they say they are.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use roost_tests::{Phoenix, eventually, span_id, trace_id, unique};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

/// Both ways through Phoenix's own client: what was written is what is read.
async fn writes_and_reads(phoenix: &Phoenix) -> Result<()> {
    let project = unique("harness");
    let span = span_id();
    let counts = phoenix
        .python(
            "write_spans.py",
            &json!({ "project": project, "spans": [{
                "name": "search",
                "context": { "trace_id": trace_id(), "span_id": span },
                "span_kind": "CHAIN",
                "start_time": "2026-11-18T11:07:00.600001+00:00",
                "end_time": "2026-11-18T11:07:01+00:00",
                "status_code": "OK",
                "attributes": { "input.value": "phoenixes" },
            }]}),
        )
        .await?;
    assert_eq!(counts["total_queued"], 1);

    let listed = eventually("the span is listed", SOON, async || {
        let listed = phoenix
            .python("list_spans.py", &json!({ "project": project }))
            .await?;
        ensure!(
            listed.as_array().is_some_and(|spans| spans.len() == 1),
            "{listed}"
        );
        Ok(listed)
    })
    .await?;
    assert_eq!(listed[0]["context"]["span_id"], *span);
    assert_eq!(listed[0]["attributes"]["input.value"], "phoenixes");

    let written = phoenix
        .python(
            "write_annotations.py",
            &json!({ "annotations": [{
                "name": "approval",
                "annotator_kind": "HUMAN",
                "span_id": span,
                "result": { "label": "approved", "score": 1.0 },
            }]}),
        )
        .await?;
    let read = phoenix
        .python(
            "read_annotations.py",
            &json!({ "project": project, "span_ids": [span] }),
        )
        .await?;
    assert_eq!(read[0]["id"], written[0]["id"]);
    assert_eq!(read[0]["result"]["label"], "approved");
    Ok(())
}

async fn status(phoenix: &Phoenix, key: Option<&str>) -> Result<u16> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client.get(format!("{}/v1/projects", phoenix.http_endpoint()));
    let request = match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test]
async fn a_phoenix_lets_everybody_in() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    assert_eq!(status(phoenix, None).await?, 200);
    assert!(phoenix.admin_key().is_none());
    writes_and_reads(phoenix).await
}

#[tokio::test]
async fn a_phoenix_with_auth_wants_a_key() -> Result<()> {
    let phoenix = Phoenix::shared_with_auth().await?;
    let key = phoenix.api_key().await?;
    assert_eq!(status(phoenix, None).await?, 401);
    assert_eq!(status(phoenix, Some(&key)).await?, 200);
    assert_eq!(status(phoenix, phoenix.admin_key()).await?, 200);
    writes_and_reads(phoenix).await
}

#[tokio::test]
async fn a_server_is_shared() -> Result<()> {
    let first = Phoenix::shared().await?.process_id();
    let second = Phoenix::shared().await?.process_id();
    assert_eq!(first, second);
    Ok(())
}

#[tokio::test]
async fn a_killed_phoenix_comes_back_with_its_data_and_ends_when_dropped() -> Result<()> {
    let mut phoenix = Phoenix::start().await?;
    let endpoint = phoenix.http_endpoint().to_owned();
    writes_and_reads(&phoenix).await?;
    let before = project_names(&phoenix).await?;

    let killed = phoenix.process_id().unwrap();
    phoenix.kill().await?;
    assert!(!is_running(killed));
    assert_eq!(phoenix.process_id(), None);
    assert!(status(&phoenix, None).await.is_err());

    phoenix.restart().await?;
    assert_eq!(phoenix.http_endpoint(), endpoint);
    assert_eq!(project_names(&phoenix).await?, before);

    let restarted = phoenix.process_id().unwrap();
    drop(phoenix);
    assert!(!is_running(restarted));
    Ok(())
}

async fn project_names(phoenix: &Phoenix) -> Result<Vec<String>> {
    let projects: Value = reqwest::get(format!("{}/v1/projects", phoenix.http_endpoint()))
        .await?
        .json()
        .await?;
    let names = projects["data"].as_array().context("no data")?;
    Ok(names
        .iter()
        .map(|project| project["name"].to_string())
        .collect())
}

/// Set in the process that [`a_phoenix_ends_with_its_owner`] kills.
const OWNER: &str = "ROOST_TESTS_OWNER";

/// The owner is this test again, in a process of its own that says which server it has
/// and waits to be killed.
#[tokio::test]
async fn a_phoenix_ends_with_its_owner() -> Result<()> {
    if std::env::var_os(OWNER).is_some() {
        let phoenix = Phoenix::start().await?;
        println!(
            "\nserver {} {}",
            phoenix.process_id().unwrap(),
            phoenix.folder().display()
        );
        std::future::pending::<()>().await;
    }

    let mut owner = Command::new(std::env::current_exe()?)
        .args(["--exact", "a_phoenix_ends_with_its_owner", "--nocapture"])
        .env(OWNER, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let said = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("server ").map(ToOwned::to_owned))
        .context("the owner started no server")?;
    let (server, folder) = said.split_once(' ').unwrap();
    let server = server.parse()?;
    assert!(is_running(server));

    owner.kill()?;
    owner.wait()?;
    eventually("the server and its folder are gone", SOON, async || {
        ensure!(!is_running(server), "process {server} runs");
        ensure!(!Path::new(folder).exists(), "{folder} is there");
        Ok(())
    })
    .await
}

/// Whether a process is there and has not ended (a zombie has).
fn is_running(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    })
}

#[tokio::test]
async fn a_failing_script_says_why() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let error = phoenix
        .python("list_spans.py", &json!({ "project": unique("nobody") }))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    Ok(())
}

#[tokio::test]
async fn waiting_ends_with_the_last_reason() {
    let mut looks = 0;
    let error = eventually(
        "never",
        Duration::from_millis(200),
        async || -> Result<()> {
            looks += 1;
            bail!("saw nothing, {looks} times")
        },
    )
    .await
    .unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains("never: not within 200ms"), "{message}");
    assert!(looks > 1);
    assert!(
        message.ends_with(&format!("saw nothing, {looks} times")),
        "{message}"
    );
}

#[tokio::test]
async fn waiting_does_not_outwait_a_probe_that_hangs() {
    let waited = eventually("hangs", Duration::from_millis(50), async || {
        std::future::pending::<Result<()>>().await
    });
    assert!(waited.await.is_err());
}
