//! `roost check` as a shell and a CI system have it.

use anyhow::Result;
use roost_tests::{local_provider, roost, wrong};

#[tokio::test]
async fn a_report_says_what_is_wrong_for_people_and_for_programs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let wrong = wrong()?;
    let wrong = wrong.to_str().unwrap();
    let arguments = [
        "check",
        wrong,
        "--set",
        "wrong=traces.window",
        "--only",
        "traces.window",
    ];
    let ran = roost(
        folder.path(),
        &[&arguments[..], &["--junit", "report.xml"]].concat(),
    )
    .await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for part in [
        "traces.window  FAILED",
        "found     a span that began at ",
        "contract  A stretch of time: `start` is in it, `end` is not.",
        "called    get-spans {\"query\":",
        "answered  {\"Ok\":",
        "1 rule: 0 passed, 1 failed, 0 skipped",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(
        !ran.stdout.contains('\x1b'),
        "colours that nobody asked for"
    );
    let xml = std::fs::read_to_string(folder.path().join("report.xml"))?;
    assert!(xml.contains("<testcase name=\"traces.window\""), "{xml}");
    assert!(
        xml.contains("<failure message=\"a span that began at "),
        "{xml}"
    );

    let ran = roost(folder.path(), &[&arguments[..], &["--json"]].concat()).await?;
    let [rule] = &ran.json()?[..] else {
        panic!("{}", ran.stdout);
    };
    assert_eq!(rule["rule"], "traces.window");
    assert_eq!(rule["result"], "failed");
    assert!(
        rule["why"].as_str().unwrap().contains("the window"),
        "{rule}"
    );
    assert!(!rule["calls"].as_array().unwrap().is_empty(), "{rule}");
    Ok(())
}

#[tokio::test]
async fn a_provider_is_configured_by_the_command_line_or_by_a_connection() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let toml = "[connections.keeper]\nprovider_config = { retain_days = 30 }\n";
    std::fs::write(folder.path().join("roost.toml"), toml)?;
    let local = local_provider()?;
    let check = ["check", local.to_str().unwrap(), "--only", "provider"];
    for (more, code) in [
        (&["--connection", "keeper"][..], 0),
        (&["--set", "retain_days=30"], 0),
        (&["--set", "retain_days=soon"], 1),
        (&["--connection", "nobody"], 2),
        (&["--only", "traces.nothing"], 2),
    ] {
        let ran = roost(folder.path(), &[&check[..], more].concat()).await?;
        assert_eq!(ran.code, code, "{more:?}: {}{}", ran.stdout, ran.stderr);
        if more.contains(&"retain_days=soon") {
            assert!(ran.stdout.contains("retain_days"), "{}", ran.stdout);
        }
    }
    let ran = roost(folder.path(), &["check", "none.wasm"]).await?;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    std::fs::write(folder.path().join("words.wasm"), "just words")?;
    let ran = roost(folder.path(), &["check", "words.wasm"]).await?;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("refused"), "{}", ran.stderr);
    Ok(())
}

#[tokio::test]
async fn the_rules_are_listed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ran = roost(folder.path(), &["check", "--list"]).await?;
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("traces.pages-stand-still"));
    Ok(())
}

#[tokio::test]
async fn a_check_that_takes_too_long_fails_and_says_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let provider = local_provider()?;
    let arguments = ["check", provider.to_str().unwrap(), "--timeout", "1ms"];
    let ran = roost(folder.path(), &arguments).await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("not done after 1ms") && ran.stderr.contains("--only"),
        "{}",
        ran.stderr
    );
    Ok(())
}
