//! Copies that are run again, were killed, or find something in their way.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use roost::contract::{NewDataset, NewRecord, TimeWindow};
use roost::copy::Kind;
use roost::provider::SpanQuery;
use roost_tests::{Phoenix, begin_shell, eventually, roost, unique};
use serde_json::{Value, json};

use super::holdings::{holdings, spans};
use super::{Backends, counts};
use crate::SOON;

/// Phoenix to `local`, from there to another Phoenix, and back to where it came from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phoenix_moves_to_local_and_to_another_phoenix_and_nothing_is_lost_or_there_twice()
-> Result<()> {
    let (first, second) = tokio::try_join!(Phoenix::shared(), Phoenix::start())?;
    let phoenix = |name: &str, at: &Phoenix| {
        format!(
            "[connections.{name}]\nprovider = \"phoenix\"\nprovider_config = {{ http_endpoint = \
             \"{}\", grpc_endpoint = \"{}\" }}\n",
            at.http_endpoint(),
            at.grpc_endpoint()
        )
    };
    let backends = Backends::start(&format!(
        "{}{}[connections.here]\nprovider = \"local\"\n",
        phoenix("default", first),
        phoenix("other", &second),
    ))
    .await?;
    let tenant = unique("acme");
    let project = backends.fill("default", &tenant).await?;
    let before = holdings(&backends.on("default")?, &project).await?;

    for (from, to) in [("default", "here"), ("here", "other")] {
        let copier = backends.copier(from, to, &tenant)?;
        let report = copier.run().await?;
        let (copied, left) = counts(&report);
        assert_eq!(
            (copied > 20, left),
            (true, 0),
            "{from} to {to}: {report:#?}"
        );
        let after = holdings(&backends.on(to)?, &project).await?;
        for what in ["spans", "annotations", "datasets", "experiments"] {
            assert_eq!(before[what], after[what], "{what}, {from} to {to}");
        }
        // Once more is no more.
        let again = copier.run().await?;
        assert_eq!(counts(&again), (0, 0), "{from} to {to}: {again:#?}");
        assert_eq!(holdings(&backends.on(to)?, &project).await?, after);
    }
    // What was copied from there is known there.
    let back = backends.copier("here", "default", &tenant)?.run().await?;
    assert_eq!(counts(&back), (0, 0), "{back:#?}");
    Ok(())
}

/// Two SQLite files; the program is killed while it copies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_killed_goes_on_and_nothing_is_there_twice() -> Result<()> {
    const SPANS: usize = 6_000;
    let backends = Backends::start(
        "[connections.default]\nprovider = \"local\"\n[connections.next]\nprovider = \"local\"\n",
    )
    .await?;
    let tenant = unique("acme");
    let project = backends.telemetry.project_name(&tenant, None)?;
    for number in 0..SPANS {
        let span = backends.telemetry.span("work", &tenant);
        span.attribute("number", i64::try_from(number)?)
            .in_scope(|_| ());
    }
    backends.delivered().await?;
    let records = (0..2_500).map(|number| NewRecord::new(&json!({ "number": number })));
    let large = NewDataset::new("large").records(records);
    let store = backends.on("default")?;
    store.datasets().create_dataset(&project, large).await?;

    let copy = format!("exec roost copy --from default --to next --tenant {tenant} --json");
    let mut killed = begin_shell(backends.path(), &copy)?;
    let next = backends.on("next")?;
    eventually("some are copied", SOON, async || {
        let some = SpanQuery::new(&project, TimeWindow::all()).limit(1);
        ensure!(!next.traces().get_spans(&some).await?.is_empty());
        Ok(())
    })
    .await?;
    killed.kill().await?;
    let there = u64::try_from(spans(&next, &project).await?.len())?;
    assert!(there > 0 && there < SPANS as u64, "{there} were copied");

    let ran = shell_ok(backends.path(), &copy).await?;
    let spans_now = &ran["spans"];
    assert_eq!(spans_now["present"], there, "{ran}");
    assert_eq!(spans_now["copied"], SPANS as u64 - there, "{ran}");
    assert_eq!(ran["records"]["copied"], 2_500, "{ran}");
    let (before, after) = (
        spans(&store, &project).await?,
        spans(&next, &project).await?,
    );
    assert_eq!(before, after);
    let again = shell_ok(backends.path(), &copy).await?;
    assert_eq!(again["spans"]["copied"], 0, "{again}");
    assert_eq!(again["records"]["present"], 2_500, "{again}");
    Ok(())
}

/// The one line that a script printed, which went well.
async fn shell_ok(folder: &Path, script: &str) -> Result<Value> {
    let ran = roost_tests::shell(folder, script).await?;
    ensure!(ran.code == 0, "{script}: {}", ran.stderr);
    ran.json()?.pop().context("it printed nothing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_way_is_left_alone_and_named() -> Result<()> {
    let backends = Backends::start(
        "[connections.default]\nprovider = \"local\"\n[connections.next]\nprovider = \"local\"\n",
    )
    .await?;
    let tenant = unique("acme");
    let project = backends.fill("default", &tenant).await?;
    let next = backends.on("next")?;
    let other = NewDataset::new("golden").record(NewRecord::new(&json!({ "other": 1 })));
    next.datasets().create_dataset(&project, other).await?;
    let report = backends.copier("default", "next", &tenant)?.run().await?;
    let left: Vec<_> = report.projects[0].left.iter().collect();
    assert_eq!(left[0].kind, Kind::Dataset, "{left:?}");
    assert!(left[0].reason.contains("other records"), "{left:?}");
    assert_eq!(report.total().spans.copied, 3);
    // The experiment over it has runs of records that are not there.
    assert_eq!(report.total().runs.left, 2, "{report:#?}");
    assert!(report.has_refusals());

    let arguments = ["copy", "--from", "default", "--to", "next", "--tenant"];
    let arguments = [&arguments[..], &[&*tenant, "--only", "datasets"]].concat();
    let ran = roost(backends.path(), &arguments).await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("other records"), "{}", ran.stdout);
    let ran = roost(
        backends.path(),
        &["copy", "--from", "default", "--to", "default"],
    )
    .await?;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("onto itself"), "{}", ran.stderr);
    let ran = roost(
        backends.path(),
        &[
            "copy",
            "--from",
            "default",
            "--to",
            "next",
            "--project",
            "none",
        ],
    )
    .await?;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    Ok(())
}
