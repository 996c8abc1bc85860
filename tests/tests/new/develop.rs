//! `roost dev`.

use std::time::Duration;

use anyhow::{Result, ensure};
use roost_tests::{begin_shell, eventually, local_provider, roost, wrong};

use crate::toolchains;

/// How long a build and a check may take here.
const SOON: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_change_is_built_and_checked_and_a_build_that_fails_ends_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // The source is a line that says which component the build has to take.
    let source = folder.path().join("source");
    std::fs::write(&source, local_provider()?.to_str().unwrap())?;
    let script = "exec roost dev --build 'cp \"$(cat source)\" my.wasm' --only traces.window \
                  >out.log 2>&1";
    let mut running = begin_shell(folder.path(), script)?;
    let shown = async |what: &str, times: usize| {
        eventually(what, SOON, async || {
            let log = std::fs::read_to_string(folder.path().join("out.log"))?;
            let found = log.matches(what).count();
            ensure!(found == times, "{found} times in:\n{log}");
            Ok(())
        })
        .await
    };
    shown("1 passed, 0 failed", 1).await?;
    shown("waiting for a change", 1).await?;

    std::fs::write(&source, "no such file")?;
    shown("failed: exit status: 1", 1).await?;
    shown("waiting for a change", 2).await?;

    std::fs::write(&source, wrong()?.to_str().unwrap())?;
    shown("1 passed, 0 failed", 2).await?;
    running.kill().await?;
    Ok(())
}

#[tokio::test]
async fn what_a_provider_prints_is_shown_as_it_is_developed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    roost(folder.path(), &["new", "my-c", "--lang", "c"]).await?;
    let source = folder.path().join("my-c/src/telemetry_provider.c");
    let begin = "    uint64_t begin = ";
    let text = std::fs::read_to_string(&source)?;
    let text = text.replace(begin, &format!("    puts(\"a word of mine\");\n{begin}"));
    std::fs::write(&source, format!("#include <stdio.h>\n{text}"))?;
    let script = "exec roost dev my-c --only provider.health >out.log 2>&1";
    let mut running = begin_shell(folder.path(), &(toolchains()? + script))?;
    eventually("the word is shown", SOON, async || {
        let log = std::fs::read_to_string(folder.path().join("out.log"))?;
        let mut lines = log.lines();
        let shown = lines.any(|line| line.contains("a word of mine") && line.contains("my-c"));
        ensure!(shown && log.contains("1 passed"), "{log}");
        Ok(())
    })
    .await?;
    running.kill().await?;
    Ok(())
}
