//! The providers of a gateway that runs: changed by a command or a signal, and watched.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use roost_tests::{Gateway, PluginFolder, echo, echo_next, eventually, roost};
use serde_json::Value;

use crate::client::{send, shop, spans};

const SOON: std::time::Duration = std::time::Duration::from_secs(60);

/// A gateway whose spans go where the provider says: nowhere.
async fn gateway(plugins: &PluginFolder) -> Result<Gateway> {
    let settings = format!(
        "plugins.folder = {:?}\nplugins.poll_interval_seconds = 3600\n\
         serve.control_socket = \"control\"\nserve.shutdown_timeout_seconds = 1\n\
         connections.default.provider_config.endpoint = \"http://127.0.0.1:9\"\n",
        plugins.path()
    );
    Gateway::start(&settings, |_| Ok(())).await
}

async fn json(gateway: &Gateway, arguments: &[&str]) -> Result<Vec<Value>> {
    let ran = roost(gateway.folder(), arguments).await?;
    ensure!(ran.code == 0, "{}: {}", ran.code, ran.stderr);
    ran.json()
}

fn serving(providers: &[Value]) -> Result<(&str, u64)> {
    let echo = providers.first().context("no provider")?;
    let generations = echo["generations"].as_array().context("none")?;
    let serving = generations
        .iter()
        .find(|one| one["number"] == echo["serving"]);
    let serving = serving.context("none serves")?;
    let version = serving["version"].as_str().context("no version")?;
    Ok((version, serving["number"].as_u64().context("no number")?))
}

#[tokio::test]
async fn commands_change_the_providers_of_a_gateway_that_runs() -> Result<()> {
    let plugins = PluginFolder::new()?;
    plugins.install("echo", &echo()?)?;
    let gateway = gateway(&plugins).await?;
    let socket = gateway.folder().join("control");
    assert_eq!(socket.metadata()?.permissions().mode() & 0o777, 0o600);

    let listed = json(&gateway, &["providers", "list", "--running", "--json"]).await?;
    assert_eq!(serving(&listed)?, ("1.0.0", 1));

    plugins.install("echo", &echo_next()?)?;
    let reloaded = json(&gateway, &["providers", "reload", "--json"]).await?;
    assert_eq!(serving(&reloaded)?, ("2.0.0", 2));
    let back = json(&gateway, &["providers", "rollback", "echo", "--json"]).await?;
    assert_eq!(serving(&back)?, ("1.0.0", 3));
    let refusal = back[0]["refusal"].as_str().context("not refused")?;
    assert!(
        refusal.contains("version 2.0.0 was rolled back: by hand"),
        "{refusal}"
    );
    let lifted = json(&gateway, &["providers", "lift", "echo", "--json"]).await?;
    assert_eq!(serving(&lifted)?, ("2.0.0", 4));

    let unknown = roost(gateway.folder(), &["providers", "rollback", "ecko"]).await?;
    assert_eq!(unknown.code, 3, "{}", unknown.stderr);
    assert!(
        unknown
            .stderr
            .contains("there is no provider ecko; there are: echo")
    );

    // What it does, as people and as machines read it.
    let top = json(&gateway, &["providers", "top", "--once", "--json"]).await?;
    assert!(top.iter().all(|row| row["generation"] == 4), "{top:?}");
    let seen = roost(gateway.folder(), &["providers", "top", "--once"]).await?;
    assert!(
        seen.stdout.starts_with("PROVIDER  GENERATION  OPERATION"),
        "{}",
        seen.stdout
    );

    gateway.stop().await?;
    Ok(())
}

#[tokio::test]
async fn without_a_gateway_a_command_says_how_to_have_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("plugins"))?;
    let ran = roost(folder.path(), &["providers", "reload"]).await?;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("set serve.control_socket"),
        "{}",
        ran.stderr
    );
    let config = "serve.control_socket = \"control\"";
    std::fs::write(folder.path().join("roost.toml"), config)?;
    let ran = roost(folder.path(), &["providers", "reload"]).await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("no gateway answers at"),
        "{}",
        ran.stderr
    );
    Ok(())
}

#[tokio::test]
async fn a_hangup_reloads_and_the_numbers_say_what_each_generation_did() -> Result<()> {
    let plugins = PluginFolder::new()?;
    plugins.install("echo", &echo()?)?;
    let gateway = gateway(&plugins).await?;
    send(&gateway, &[], &shop(spans(1)))
        .await?
        .error_for_status()?;
    // Where they go is the provider's to say.
    until(&gateway, &[CONFIGURED]).await?;
    plugins.install("echo", &echo_next()?)?;
    gateway.signal("HUP").await?;
    until(
        &gateway,
        &[
            "roost_provider_generation{provider=\"echo\"} 2\n",
            "roost_provider_refused{provider=\"echo\"} 0\n",
            CONFIGURED,
            "roost_provider_calls_duration_seconds_count{provider=\"echo\",generation=\"1\",\
             operation=\"configure-span-export\"} 1\n",
            "roost_provider_calls_duration_seconds_bucket{le=\"+Inf\",provider=\"echo\",\
             generation=\"1\",operation=\"configure-span-export\"} 1\n",
        ],
    )
    .await
}

const CONFIGURED: &str = "roost_provider_calls_total{provider=\"echo\",generation=\"1\",\
                          operation=\"configure-span-export\"} 1\n";

/// Wait until the numbers of a gateway have these lines.
async fn until(gateway: &Gateway, lines: &[&str]) -> Result<()> {
    let metrics = format!("http://{}/metrics", gateway.admin());
    let client = reqwest::Client::builder().no_proxy().build()?;
    eventually("the numbers", SOON, async || {
        let text = client.get(&metrics).send().await?.text().await?;
        for line in lines {
            ensure!(text.contains(line), "{line} is not in\n{text}");
        }
        Ok(())
    })
    .await
}
