//! `roost demo` on a Phoenix that runs, as `make demo BACKEND=phoenix` shows it.

use anyhow::{Context as _, Result};
use roost_tests::{Phoenix, phoenix_provider, roost};
use tempfile::TempDir;

/// Its tenants always have the same names, and no other test has those.
#[tokio::test]
async fn the_demo_shows_a_real_phoenix() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let plugins = phoenix_provider()?;
    let plugins = plugins.parent().context("a provider without a folder")?;
    let plugins = plugins.to_string_lossy();
    let folder = TempDir::new()?;
    let (http, grpc) = (phoenix.http_endpoint(), phoenix.grpc_endpoint());
    let backend = ["--phoenix", http, "--phoenix-grpc", grpc];
    let more = ["--plugins", &*plugins, "--swaps", "1"];
    let ran = roost(
        folder.path(),
        &[&["demo"], &backend[..], &more[..]].concat(),
    )
    .await?;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for said in [
        "20 created = 20 delivered",
        "2 annotations written, and read back",
        "0 failures",
        "permission denied",
        "/redirects/traces/",
        "is removed",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    Ok(())
}
