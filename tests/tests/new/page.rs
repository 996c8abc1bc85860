//! The commands of `docs/write-a-provider.md`, run as they are written.

use std::path::Path;

use anyhow::Result;

use crate::with_toolchains;

#[tokio::test]
async fn the_commands_for_rust_lead_to_a_provider() -> Result<()> {
    lead_to_a_provider("rust").await
}

#[tokio::test]
async fn the_commands_for_python_lead_to_a_provider() -> Result<()> {
    lead_to_a_provider("python").await
}

#[tokio::test]
async fn the_commands_for_javascript_lead_to_a_provider() -> Result<()> {
    lead_to_a_provider("javascript").await
}

#[tokio::test]
async fn the_commands_for_c_lead_to_a_provider() -> Result<()> {
    lead_to_a_provider("c").await
}

/// The commands build a component and test it, and it keeps every rule about what it exports.
async fn lead_to_a_provider(language: &str) -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/write-a-provider.md");
    let page = std::fs::read_to_string(page)?;
    let commands = commands(&page, language);
    assert!(commands.len() >= 4, "{commands:?}");
    let folder = tempfile::tempdir()?;
    let ran = with_toolchains(folder.path(), &commands.join("\n")).await?;
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    // The rest is about interfaces that it does not export, and an order that it does not claim.
    assert!(
        ran.stdout.contains(" 30 passed, 0 failed, "),
        "{}",
        ran.stdout
    );
    Ok(())
}

/// The commands of the blocks that are marked with this word, in order.
pub(crate) fn commands(page: &str, mark: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(info) => inside = info.split_whitespace().any(|word| word == mark),
            None if inside => commands.extend(line.strip_prefix("$ ").map(str::to_owned)),
            None => {}
        }
    }
    commands
}
