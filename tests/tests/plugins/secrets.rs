//! Who sees a secret, and where it is read from.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roost::Config;
use roost::config::{LimitsConfig, Secret, SecretSource};
use roost::contract::Error;
use roost::plugin::ConnectionSpec;
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, Scripted, begin_shell, echo, eventually, shell};
use serde_json::{Value, json};

use crate::fixture::{SOON, host, one_span, query, spec, status_of, text, with_echo};

/// What no log, message or guest may have.
const SECRET: &str = "sk-very-secret";

#[tokio::test]
async fn a_guest_never_sees_a_secret() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let mut spec = spec(one_span());
    spec.secrets = [("token".to_owned(), Secret::from(SECRET).into())].into();
    let provider = Provider::connect(&host, spec, Scope::All);
    let spans = provider.traces().get_spans(&query("any")).await?;
    let seen = text(&spans[0], "echo.config");
    assert!(seen.contains("\"spans\"") && !seen.contains("secret") && !seen.contains("token"));

    // Written among the configuration, it is a secret all the same.
    let mut config = one_span();
    config["token"] = json!(SECRET);
    let provider = Provider::connect(&host, crate::fixture::spec(config), Scope::All);
    let spans = provider.traces().get_spans(&query("any")).await?;
    assert!(!text(&spans[0], "echo.config").contains(SECRET));
    Ok(())
}

#[tokio::test]
async fn a_secret_goes_to_the_endpoints_and_nowhere_else() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let elsewhere = Scripted::start(&[]).await?;
    let endpoint =
        Scripted::start(&["200 OK", "302 Found\r\nlocation: http://127.0.0.1:9/"]).await?;
    let mut spec = spec(json!({ "endpoint": endpoint.address() }));
    spec.secrets = [("token".to_owned(), Secret::from(SECRET).into())].into();
    spec.allow_hosts = vec![elsewhere.address().to_owned()];
    let provider = Provider::connect(&host, spec, Scope::All);

    assert_eq!(status_of(&provider, endpoint.address()).await?, 200);
    assert_eq!(status_of(&provider, elsewhere.address()).await?, 200);
    let bearer = "authorization: bearer sk-very-secret";
    assert!(endpoint.seen()[0].contains(bearer), "{:?}", endpoint.seen());
    assert!(!elsewhere.seen()[0].contains(SECRET));
    // A redirect is the guest's to follow, past the policy.
    assert_eq!(status_of(&provider, endpoint.address()).await?, 302);
    Ok(())
}

/// A connection to this endpoint whose token comes from there.
fn with_token(endpoint: &str, source: SecretSource) -> ConnectionSpec {
    let mut spec = spec(json!({ "endpoint": endpoint, "spans": one_span()["spans"] }));
    spec.secrets = [("token".to_owned(), source)].into();
    spec
}

fn file(path: &Path) -> SecretSource {
    SecretSource::File {
        file: path.to_owned(),
    }
}

/// The guest looks for bytes in all of its memory.
async fn is_in_memory(provider: &Provider, wanted: &str) -> Result<bool> {
    let flipped: String = wanted
        .bytes()
        .map(|byte| format!("{:02x}", !byte))
        .collect();
    let question = query(&format!("find:{flipped}"));
    let error = provider.traces().get_spans(&question).await.unwrap_err();
    match error.kind() {
        Error::Conflict(_) => Ok(true),
        Error::NotFound(_) => Ok(false),
        _ => Err(error.into()),
    }
}

#[tokio::test]
async fn a_guest_has_no_secret_in_its_memory() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    // One instance: the one that asked is the one that looks.
    let limits = LimitsConfig {
        max_instances: 1,
        ..LimitsConfig::default()
    };
    let host = host(&folder, limits).await?;
    let server = Scripted::start(&[]).await?;
    let spec = with_token(server.address(), Secret::from(SECRET).into());
    let provider = Provider::connect(&host, spec, Scope::All);
    assert_eq!(status_of(&provider, server.address()).await?, 200);
    assert!(server.seen()[0].contains(SECRET));
    assert!(is_in_memory(&provider, &one_span()["spans"][0]["name"].to_string()).await?);
    assert!(!is_in_memory(&provider, SECRET).await?);
    Ok(())
}

#[tokio::test]
async fn a_secret_that_the_backend_no_longer_takes_is_read_again_at_once() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let secrets = tempfile::tempdir()?;
    let path = secrets.path().join("token");
    std::fs::write(&path, "first\n")?;
    let server = Scripted::start(&["200 OK", "401 Unauthorized", "200 OK", "401 No"]).await?;
    let spec = with_token(server.address(), file(&path));
    let provider = Provider::connect(&host, spec, Scope::All);
    assert_eq!(status_of(&provider, server.address()).await?, 200);
    std::fs::write(&path, "second\n")?;
    assert_eq!(status_of(&provider, server.address()).await?, 200);
    // There is no other: the answer is the guest's.
    assert_eq!(status_of(&provider, server.address()).await?, 401);
    let bearers = ["first", "first", "second", "second"].map(|token| format!("bearer {token}"));
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    for (head, bearer) in seen.iter().zip(&bearers) {
        assert!(head.contains(bearer), "{head}");
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_is_read_again_when_it_is_old() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let secrets = tempfile::tempdir()?;
    let path = secrets.path().join("token");
    std::fs::write(&path, "first")?;
    let server = Scripted::start(&[]).await?;
    let mut spec = with_token(server.address(), file(&path));
    spec.secrets_refresh = Duration::from_millis(1);
    let provider = Provider::connect(&host, spec, Scope::All);
    assert_eq!(status_of(&provider, server.address()).await?, 200);
    std::fs::write(&path, "second")?;
    let presented = async |token: &str| {
        assert_eq!(status_of(&provider, server.address()).await?, 200);
        let seen = server.seen();
        let last = seen.last().context("nothing was asked")?;
        ensure!(last.contains(&format!("bearer {token}")), "{last}");
        Ok(())
    };
    eventually("the second secret", SOON, async || {
        presented("second").await
    })
    .await?;
    // A source that is away takes nothing from what was read.
    std::fs::remove_file(&path)?;
    presented("second").await?;
    presented("second").await?;
    std::fs::write(&path, "third")?;
    eventually("the third secret", SOON, async || presented("third").await).await
}

#[tokio::test]
async fn a_command_is_run_once_for_all_that_wait_for_it() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let folder = tempfile::tempdir()?;
    let runs = folder.path().join("runs");
    let script = format!(
        "echo run >> {}; sleep 0.2; echo from-a-command",
        runs.display()
    );
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let server = Scripted::start(&[]).await?;
    let spec = with_token(server.address(), SecretSource::Command { command });
    let provider = Provider::connect(&host, spec, Scope::All);
    let calls = (0..8).map(|_| status_of(&provider, server.address()));
    for status in futures_util::future::join_all(calls).await {
        assert_eq!(status?, 200);
    }
    assert!(
        server
            .seen()
            .iter()
            .all(|head| head.contains("bearer from-a-command"))
    );
    assert_eq!(std::fs::read_to_string(runs)?, "run\n");
    Ok(())
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_named_and_asked_for_again() -> Result<()> {
    let (_folder, host) = with_echo().await?;
    let secrets = tempfile::tempdir()?;
    let path = secrets.path().join("token");
    let mut spec = with_token("http://127.0.0.1:9", file(&path));
    spec.secrets_refresh = Duration::from_millis(1);
    let provider = Provider::connect(&host, spec, Scope::All);
    let error = provider
        .traces()
        .get_spans(&query("any"))
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::Unavailable(_)), "{error}");
    let expected = format!(
        "[connections.default]: secrets.token: secret: {}",
        path.display()
    );
    assert!(error.to_string().contains(&expected), "{error}");
    std::fs::write(&path, SECRET)?;
    eventually("the secret", SOON, async || {
        let spans = provider.traces().get_spans(&query("any")).await?;
        ensure!(spans.len() == 1, "{spans:?}");
        Ok(())
    })
    .await
}

/// Four connections whose secret comes from everywhere, to an endpoint, and a tenant each.
fn configuration(folder: &Path, endpoint: &str) -> Result<String> {
    std::fs::write(folder.join("secret"), SECRET)?;
    let connection = |name: &str, source: &str| {
        format!(
            "[connections.{name}]\nprovider = \"echo\"\nsecrets.token = {source}\n\
             provider_config.endpoint = \"{endpoint}\"\n\
             [tenants.{name}]\nconnection = \"{name}\"\n"
        )
    };
    let connections = [
        connection("literal", &format!("\"{SECRET}\"")),
        connection("env", "{ env = \"TOKEN\" }"),
        connection("file", "{ file = \"secret\" }"),
        connection("command", "{ command = [\"cat\", \"secret\"] }"),
    ];
    Ok(connections.concat())
}

/// Every command, at the most talkative.
#[tokio::test]
async fn no_output_log_or_error_of_a_command_has_a_secret() -> Result<()> {
    let server = Scripted::start(&["200 OK", "500 No", "401 No", "302 Found"]).await?;
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let config = configuration(folder.path(), server.address())?;
    // The name of a project is what the guest is to do.
    let config = format!(
        "plugins.folder = \".\"\n\
         telemetry.tenant_service_template = \"read:{}/{{tenant_id}}/{{service}}\"\n{config}",
        server.address()
    );
    std::fs::write(folder.path().join("roost.toml"), &config)?;
    let url = server.address();
    let mut said = String::new();
    let mut asked = 0;
    for tenant in ["literal", "env", "file", "command"] {
        for command in [
            format!("spans --tenant {tenant}"),
            "health --json".to_owned(),
            "providers inspect echo --json".to_owned(),
        ] {
            let script = format!("TOKEN={SECRET} roost -vvv {command}");
            let ran = shell(folder.path(), &script).await?;
            ensure!(ran.code != 2, "{script}: {}", ran.stderr);
            said += &format!("{script}\n{}{}", ran.stdout, ran.stderr)
                .replace(&script, command.as_str());
        }
        asked += 1;
        assert_eq!(server.seen().len(), asked, "{said}");
    }
    assert!(server.seen().iter().all(|head| head.contains(SECRET)));
    assert!(said.contains("TRACE") && said.contains("connect"), "{said}");
    assert!(!said.contains(SECRET));
    // And as values.
    let config = Config::from_toml(&config, folder.path().join("roost.toml"))?;
    for shown in [format!("{config:?}"), serde_json::to_string(&config)?] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let spec = with_token(url, Secret::from(SECRET).into());
    assert!(!format!("{spec:?}").contains(SECRET));
    Ok(())
}

/// A gateway whose backend is away, so that spans wait on disk.
#[tokio::test]
async fn no_log_metric_or_spool_of_a_gateway_has_a_secret() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("echo", &echo()?)?;
    let connections = configuration(folder.path(), "http://127.0.0.1:9")?;
    let config = format!(
        "plugins.folder = \".\"\n\
         telemetry.batch_config = {{ on_queue_full = \"spool\", export_timeout_millis = 1000 }}\n\
         telemetry.spool.folder = \"spool\"\n\
         serve = {{ grpc_address = \"127.0.0.1:0\", http_address = \"127.0.0.1:0\", \
         admin_address = \"127.0.0.1:0\" }}\n{connections}"
    );
    std::fs::write(folder.path().join("roost.toml"), config)?;
    let script = format!("TOKEN={SECRET} exec roost -vvv serve --json > out.log 2> err.log");
    let mut gateway = begin_shell(folder.path(), &script)?;
    let listening = eventually("the gateway", SOON, async || {
        let out = std::fs::read_to_string(folder.path().join("out.log"))?;
        let line = out.lines().next().context("it said nothing")?;
        Ok(serde_json::from_str::<Value>(line)?)
    })
    .await?;
    let address = |name: &str| format!("http://{}", listening[name].as_str().unwrap());
    let client = reqwest::Client::new();
    for tenant in ["literal", "env", "file", "command"] {
        let span = json!({
            "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
            "name": "s", "startTimeUnixNano": "1", "endTimeUnixNano": "2",
        });
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
        let request = client.post(format!("{}/v1/traces", address("http")));
        let request = request.header("x-roost-tenant", tenant).json(&body);
        assert_eq!(request.send().await?.status(), 200);
    }
    let metrics = client.get(format!("{}/metrics", address("admin"))).send();
    let metrics = metrics.await?.text().await?;
    assert!(
        metrics.contains("spool") && !metrics.contains(SECRET),
        "{metrics}"
    );
    let pid = gateway.id().context("it has ended")?;
    shell(folder.path(), &format!("kill {pid}")).await?;
    gateway.wait().await?;
    let found = shell(folder.path(), &format!("grep -rl {SECRET} . | sort")).await?;
    assert_eq!(found.stdout, "./roost.toml\n./secret\n", "{}", found.stderr);
    let spooled = shell(folder.path(), "find spool -type f -size +0 | wc -l").await?;
    assert_ne!(spooled.stdout.trim(), "0");
    let log = std::fs::read_to_string(folder.path().join("err.log"))?;
    assert!(log.contains("TRACE"), "{log}");
    Ok(())
}
