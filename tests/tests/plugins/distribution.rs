//! Providers from elsewhere, as an operator gets them: out of a real registry, from a server, from
//! a path; and as an author publishes them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use roost::config::{LimitsConfig, PluginsConfig};
use roost::plugin::{Host, LockFile};
use roost_tests::{
    PluginFolder, Ran, Registry, begin_shell, core_module, echo, echo_next, eventually,
    other_contract, roost, shell,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::fixture::{SOON, status};
use crate::tokens::Tokens;
use crate::trust::Signer;

/// Where an operator works: a configuration, a plugins folder and a lock file beside it.
struct Home(TempDir);

impl Home {
    fn new(more: &str) -> Result<Self> {
        let home = Self(tempfile::tempdir()?);
        let settings = format!("[plugins]\nfolder = \"plugins\"\n{more}");
        std::fs::write(home.path().join("roost.toml"), settings)?;
        Ok(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    async fn providers(&self, arguments: &[&str]) -> Result<Ran> {
        roost(self.path(), &[&["providers"], arguments].concat()).await
    }

    /// A command that goes well, and its one object.
    async fn json(&self, arguments: &[&str]) -> Result<Value> {
        let ran = self.providers(&[arguments, &["--json"]].concat()).await?;
        ensure!(ran.code == 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        let mut values = ran.json()?;
        ensure!(values.len() == 1, "{}", ran.stdout);
        values.pop().context("nothing was printed")
    }

    fn plugins(&self) -> PluginsConfig {
        PluginsConfig {
            folder: self.path().join("plugins"),
            ..PluginsConfig::default()
        }
    }

    fn lock(&self) -> Result<LockFile> {
        let lock = LockFile::read(&self.plugins().lock_file())?;
        lock.context("there is no lock file")
    }

    /// Everything in the plugins folder, hidden files too.
    fn files(&self) -> Result<Vec<String>> {
        let Ok(entries) = std::fs::read_dir(self.plugins().folder) else {
            return Ok(Vec::new());
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }
}

async fn push(registry: &Registry, file: &Path, reference: &str) -> Result<Value> {
    let home = Home::new("")?;
    let destination = format!("oci://{}/{reference}", registry.host());
    home.json(&["push", file.to_str().unwrap(), &destination])
        .await
}

/// The whole life of a provider that comes from a registry, in front of a host that runs.
#[tokio::test]
async fn a_provider_is_published_added_updated_and_removed() -> Result<()> {
    let registry = Registry::start().await?;
    let first = push(&registry, &echo()?, "acme/echo:1").await?;
    let home = Home::new("")?;
    let source = format!("oci://{}/acme/echo:1", registry.host());
    let added = home.json(&["add", &source]).await?;
    assert_eq!(added["name"], "echo");
    assert_eq!(added["version"], "1.0.0");
    assert_eq!(added["manifest"], first["manifest"]);
    assert_eq!(added["digest"], first["digest"]);
    assert_eq!(home.files()?, ["echo.wasm"]);
    let lock = home.lock()?;
    assert_eq!(lock.digest("echo"), added["digest"].as_str());
    let provenance = lock.source("echo").context("no source")?;
    assert_eq!(provenance.from, source);
    assert_eq!(provenance.manifest.as_deref(), first["manifest"].as_str());
    assert_eq!(home.providers(&["lock", "--check"]).await?.code, 0);

    let host = Host::start(&home.plugins(), &LimitsConfig::default()).await?;
    let version = || -> Result<String> {
        let generation = status(&host, "echo")?.generation;
        Ok(generation.context("it does not serve")?.info.version)
    };
    assert_eq!(version()?, "1.0.0");
    let again = home.providers(&["add", &source]).await?;
    assert_eq!(again.code, 2, "{}", again.stderr);
    assert!(again.stderr.contains("providers update echo"));
    assert_eq!(home.json(&["update"]).await?["state"], "current");

    // The tag moves.
    let second = push(&registry, &echo_next()?, "acme/echo:1").await?;
    let would = home.json(&["update", "--dry-run"]).await?;
    assert_eq!(would["state"], "available");
    assert_eq!(would["manifest"], second["manifest"]);
    assert_eq!(home.lock()?, lock);
    let updated = home.json(&["update", "echo"]).await?;
    assert_eq!(updated["state"], "updated");
    assert_eq!(updated["before"], first["digest"]);
    assert_eq!(updated["digest"], second["digest"]);
    eventually("the new version serves", SOON, async || {
        ensure!(version()? == "2.0.0", "not yet");
        Ok(())
    })
    .await?;
    assert_eq!(home.providers(&["lock", "--check"]).await?.code, 0);
    let page = home.json(&["show", "echo"]).await?;
    assert_eq!(page["source"]["from"], source);
    assert_eq!(page["source"]["manifest"], second["manifest"]);

    // What was accepted before can be had again, wherever the tag is now.
    let elsewhere = Home::new("")?;
    lock.write(&elsewhere.plugins().lock_file())?;
    let restored = elsewhere.json(&["update", "--locked"]).await?;
    assert_eq!(restored["state"], "restored");
    assert_eq!(restored["digest"], first["digest"]);
    assert_eq!(elsewhere.lock()?, lock);
    assert_eq!(elsewhere.files()?, ["echo.wasm"]);

    // A source that is away, and one that leads out of the folder, leave what is there.
    let mut astray = lock.clone();
    let mut away = provenance.clone();
    astray.set("../echo", lock.digest("echo"));
    astray.set_source("../echo", away.clone());
    away.from = "oci://127.0.0.1:1/acme/echo:1".to_owned();
    astray.set_source("echo", away);
    astray.write(&elsewhere.plugins().lock_file())?;
    let ran = elsewhere.providers(&["update", "--json"]).await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let updates = ran.json()?;
    let states: Vec<_> = updates.iter().map(|it| it["state"].as_str()).collect();
    assert_eq!(states, [Some("failed"); 2]);
    for why in ["`../echo` cannot be a provider's name", "refused"] {
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
    assert_eq!(elsewhere.files()?, ["echo.wasm"]);

    // What somebody puts there by hand and accepts did not come from there.
    std::fs::copy(echo()?, home.path().join("plugins/echo.wasm"))?;
    assert_eq!(home.providers(&["lock", "echo"]).await?.code, 0);
    assert_eq!(home.lock()?.source("echo"), None);
    assert_eq!(home.providers(&["update", "echo"]).await?.code, 3);

    assert_eq!(home.providers(&["remove", "echo"]).await?.code, 2);
    home.json(&["remove", "echo", "--yes"]).await?;
    assert_eq!(home.files()?, [""; 0]);
    assert_eq!(home.lock()?.digest("echo"), None);
    assert_eq!(home.lock()?.source("echo"), None);
    let gone = home.providers(&["remove", "echo", "--yes"]).await?;
    assert_eq!(gone.code, 3, "{}", gone.stderr);
    Ok(())
}

#[tokio::test]
async fn what_is_pinned_is_that_content_or_nothing() -> Result<()> {
    let registry = Registry::start().await?;
    let pushed = push(&registry, &echo()?, "acme/echo:1").await?;
    let (manifest, digest) = (&pushed["manifest"], &pushed["digest"]);
    let (manifest, digest) = (manifest.as_str().unwrap(), digest.as_str().unwrap());
    let nothing = "0".repeat(64);
    let repository = format!("oci://{}/acme/echo", registry.host());
    let file = echo()?.display().to_string();
    let home = Home::new("")?;
    for (source, code) in [
        (format!("{repository}:1@sha256:{nothing}"), 3),
        (format!("{file}@sha256:{nothing}"), 1),
    ] {
        let ran = home.providers(&["add", &source]).await?;
        assert_eq!(ran.code, code, "{source}: {}", ran.stderr);
        assert!(home.files()?.is_empty(), "{:?}", home.files()?);
        assert!(home.lock().is_err());
    }
    home.json(&[
        "add",
        &format!("{file}@sha256:{digest}"),
        "--name",
        "by-path",
    ])
    .await?;
    let source = format!("{repository}@{manifest}");
    home.json(&["add", &source]).await?;
    push(&registry, &echo_next()?, "acme/echo:1").await?;
    let ran = home.providers(&["update", "--json"]).await?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for update in ran.json()? {
        assert_eq!(update["state"], "pinned", "{update}");
    }

    // Who can write to the registry's disk changes nothing.
    let blob = registry.blob(digest);
    let mut bytes = std::fs::read(&blob)?;
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, bytes)?;
    let other = Home::new("")?;
    let ran = other.providers(&["add", &source]).await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(digest), "{}", ran.stderr);
    assert!(other.files()?.is_empty(), "{:?}", other.files()?);
    Ok(())
}

#[tokio::test]
async fn what_no_host_would_serve_is_not_put_into_the_folder() -> Result<()> {
    let registry = Registry::start().await?;
    let author = PluginFolder::new()?;
    author.install_bytes("module", &core_module()?)?;
    author.install_bytes("other", &other_contract()?)?;
    author.garbage("words")?;
    author.install("echo", &echo()?)?;
    let home = Home::new("")?;
    for (name, why) in [
        ("module", "core module"),
        ("other", "roost:telemetry@0.2.0"),
        ("words", "no WebAssembly"),
    ] {
        let file = author.file(name);
        let ran = home.providers(&["add", file.to_str().unwrap()]).await?;
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        let destination = format!("oci://{}/acme/{name}:1", registry.host());
        let pushing = ["push", file.to_str().unwrap(), &destination];
        assert_eq!(home.providers(&pushing).await?.code, 1);
    }
    for name in ["../echo", ".echo", "a/b", ""] {
        let file = author.file("echo");
        let adding = ["add", file.to_str().unwrap(), "--name", name];
        let ran = home.providers(&adding).await?;
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
    }
    assert!(home.files()?.is_empty(), "{:?}", home.files()?);
    assert!(home.lock().is_err());

    // Signatures come with the artifact.
    let (trusted, stranger) = (Signer::new()?, Signer::new()?);
    let settings = format!(
        "require_signatures = true\ntrusted_keys = [\"{}\"]\n",
        trusted.public_key()
    );
    let home = Home::new(&settings)?;
    let source = format!("oci://{}/acme/echo:1", registry.host());
    for (signer, why) in [
        (None, "there is no echo.wasm.minisig"),
        (Some(stranger), "by none of the 1 keys"),
    ] {
        if let Some(signer) = signer {
            signer.sign(&author, "echo")?;
        }
        push(&registry, &author.file("echo"), "acme/echo:1").await?;
        let ran = home.providers(&["add", &source]).await?;
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(home.files()?.is_empty(), "{:?}", home.files()?);
    }
    trusted.sign(&author, "echo")?;
    push(&registry, &author.file("echo"), "acme/echo:1").await?;
    let added = home.json(&["add", &source]).await?;
    assert_eq!(added["signature"], "trusted");
    assert_eq!(home.files()?, ["echo.wasm", "echo.wasm.minisig"]);
    assert_eq!(home.json(&["list"]).await?["state"], "serving");
    assert_eq!(home.json(&["show", "echo"]).await?["signature"], "trusted");
    Ok(())
}

/// As `docker login` does it, in the folder `docker`.
fn log_in(registry: &Registry, home: &Home) -> Result<()> {
    let docker = home.path().join("docker");
    std::fs::create_dir(&docker)?;
    let config = serde_json::json!({ "auths": { registry.host(): {
        "username": Registry::USER, "password": Registry::PASSWORD
    } } });
    Ok(std::fs::write(
        docker.join("config.json"),
        config.to_string(),
    )?)
}

/// As most public registries: they hand out tokens, and do not list their repositories.
#[tokio::test]
async fn a_registry_with_tokens_is_asked_for_what_it_tells() -> Result<()> {
    let tokens = Tokens::start().await?;
    let registry = Registry::start_with_tokens(tokens.realm(), tokens.certificate()).await?;
    let home = Home::new("")?;
    log_in(&registry, &home)?;
    let place = format!("oci://{}", registry.host());
    let file = echo()?.display().to_string();
    let script = format!(
        "export DOCKER_CONFIG=docker\n\
         roost providers push {file} {place}/open/echo:1 &&\n\
         roost providers push {file} {place}/closed/echo:1"
    );
    let pushed = shell(home.path(), &script).await?;
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);

    for (repository, code) in [("open/echo", 0), ("closed/echo", 4)] {
        let source = format!("{place}/{repository}:1");
        let ran = home.providers(&["add", &source, "--replace"]).await?;
        assert_eq!(ran.code, code, "{repository}: {}", ran.stderr);
        let searching = ["search", &format!("{place}/{repository}"), "--json"];
        let ran = home.providers(&searching).await?;
        assert_eq!(ran.code, code, "{repository}: {}", ran.stderr);
        if code == 0 {
            assert_eq!(ran.json()?[0]["source"], source);
            assert!(ran.stderr.contains("does not list"), "{}", ran.stderr);
        }
    }
    let ran = home.providers(&["search", &place]).await?;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("name a repository"), "{}", ran.stderr);
    Ok(())
}

#[tokio::test]
async fn a_registry_that_is_away_or_wants_a_password_is_told_apart() -> Result<()> {
    let registry = Registry::start_with_password().await?;
    let home = Home::new("")?;
    let source = format!("oci://{}/acme/echo:1", registry.host());
    for (arguments, code) in [
        (&["add", &source][..], 4),
        (&["search", &format!("oci://{}/acme", registry.host())], 4),
        (&["add", "oci://127.0.0.1:1/acme/echo:1"], 1),
        (&["search", "oci://127.0.0.1:1"], 1),
        (&["add", "http://192.0.2.1/echo.wasm"], 2),
        (&["add", "oci://acme/echo:1"], 2),
        (&["add", "nowhere/echo.wasm"], 3),
        (&["update", "echo"], 3),
    ] {
        let ran = home.providers(arguments).await?;
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
    }

    let (user, password) = (Registry::USER, Registry::PASSWORD);
    log_in(&registry, &home)?;
    let file = echo()?.display().to_string();
    let script = format!(
        "export DOCKER_CONFIG=docker\n\
         roost -vvv providers push {file} {source} &&\n\
         roost -vvv providers add {source} &&\n\
         roost -vvv providers search oci://{}",
        registry.host()
    );
    let ran = shell(home.path(), &script).await?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let encoded = base64::Engine::encode(
        &base64::prelude::BASE64_STANDARD,
        format!("{user}:{password}"),
    );
    for secret in [password, &encoded] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret));
    }
    // The registry has it, and this one it has not.
    let script = format!(
        "DOCKER_CONFIG=docker roost providers add oci://{}/acme/other:1",
        registry.host()
    );
    let ran = shell(home.path(), &script).await?;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    Ok(())
}

#[tokio::test]
async fn a_registry_is_searched_as_far_as_it_tells() -> Result<()> {
    let registry = Registry::start().await?;
    let home = Home::new("")?;
    let everything = format!("oci://{}", registry.host());
    let ran = home.providers(&["search", &everything]).await?;
    assert_eq!((ran.code, &*ran.stdout), (0, ""), "{}", ran.stderr);
    for (file, reference) in [
        (echo()?, "acme/echo:1"),
        (echo_next()?, "acme/echo:2"),
        (echo()?, "acmeria/echo:1"),
    ] {
        push(&registry, &file, reference).await?;
    }
    for (place, limit, expected) in [
        (
            "",
            "10",
            &["acme/echo:1", "acme/echo:2", "acmeria/echo:1"][..],
        ),
        ("", "1", &["acme/echo:1"]),
        ("/acme", "10", &["acme/echo:1", "acme/echo:2"]),
        ("/acmeria/echo", "10", &["acmeria/echo:1"]),
        ("/nobody", "10", &[]),
    ] {
        let place = format!("{everything}{place}");
        let searching = ["search", &place, "--limit", limit, "--json"];
        let ran = home.providers(&searching).await?;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let found = ran.json()?;
        let sources: Vec<&str> = found
            .iter()
            .map(|it| it["source"].as_str().unwrap())
            .collect();
        let expected = expected.iter().map(|it| format!("{everything}/{it}"));
        assert_eq!(sources, expected.collect::<Vec<_>>());
        assert_eq!(ran.stderr.contains("more than 1 tags"), limit == "1");
        for one in &found {
            let version = if one["tag"] == "2" { "2.0.0" } else { "1.0.0" };
            assert_eq!(one["version"], version);
            assert_eq!(one["signed"], false);
        }
    }
    Ok(())
}

/// A server with TLS: files of a folder, ways to them from elsewhere, from another port and from
/// here, and two files that are not what they say.
const WEB_SERVER: &str = r#"
import http.server, ssl
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        port = self.server.server_address[1]
        moved = {"moved": f"https://127.0.0.1:{port}", "away": "https://localhost:1", "here": ""}
        lengths = {"half.wasm": 1000, "huge.wasm": 300_000_000}
        _, place, *rest = self.path.split("/")
        if place in moved:
            self.send_response(302)
            self.send_header("location", f"{moved[place]}/{'/'.join(rest)}?key=hidden")
            self.end_headers()
        elif place in lengths:
            self.send_response(200)
            self.send_header("content-length", lengths[place])
            self.end_headers()
            self.wfile.write(b"\0asm")
        else:
            super().do_GET()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

#[tokio::test]
async fn a_file_comes_over_tls_from_the_server_that_was_named() -> Result<()> {
    let author = PluginFolder::new()?;
    author.install("echo", &echo()?)?;
    let trusted = Signer::new()?;
    trusted.sign(&author, "echo")?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names)?;
    let certificate = author.path().join("server.pem");
    std::fs::write(&certificate, certified.cert.pem())?;
    let key = certified.signing_key.serialize_pem();
    std::fs::write(author.path().join("server.key"), key)?;
    std::fs::write(author.path().join("server.py"), WEB_SERVER)?;
    let mut server = begin_shell(author.path(), "exec python server.py")?;
    let mut line = String::new();
    let output = server.stdout.as_mut().context("no output")?;
    BufReader::new(output).read_line(&mut line).await?;
    let port = line.trim();

    let settings = format!(
        "require_signatures = true\ntrusted_keys = [\"{}\"]\n",
        trusted.public_key()
    );
    let home = Home::new(&settings)?;
    let add = async |place: &str| {
        let trust = certificate.display();
        let script = format!("SSL_CERT_FILE={trust} roost providers add {place} --replace");
        shell(home.path(), &script).await
    };
    let digest = LockFile::of_folder(author.path())?;
    let digest = digest.digest("echo").unwrap();
    let nothing = "0".repeat(64);
    for (place, code, why) in [
        ("/none.wasm".to_owned(), 3, "404"),
        ("/moved/echo.wasm".to_owned(), 1, "which is another server"),
        ("/away/echo.wasm".to_owned(), 1, "which is another server"),
        ("/here/none.wasm".to_owned(), 3, "404"),
        ("/half.wasm".to_owned(), 1, "/half.wasm cannot be asked"),
        ("/huge.wasm".to_owned(), 1, "more than 268435456 bytes"),
        (format!("/echo.wasm@sha256:{nothing}"), 1, digest),
        (format!("/moved/echo.wasm@sha256:{nothing}"), 1, digest),
    ] {
        let ran = add(&format!("https://localhost:{port}{place}")).await?;
        assert_eq!(ran.code, code, "{place}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{place}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
        assert!(home.files()?.is_empty(), "{:?}", home.files()?);
    }
    let source = format!("https://localhost:{port}/echo.wasm");
    // Nobody trusts its certificate without being told to.
    let stranger = home.providers(&["add", &source]).await?;
    assert_eq!(stranger.code, 1, "{}", stranger.stderr);
    assert!(
        stranger.stderr.contains("certificate"),
        "{}",
        stranger.stderr
    );
    for place in [
        source,
        format!("https://localhost:{port}/moved/echo.wasm@sha256:{digest}"),
    ] {
        let ran = add(&place).await?;
        assert_eq!(ran.code, 0, "{place}: {}", ran.stderr);
        assert_eq!(home.files()?, ["echo.wasm", "echo.wasm.minisig"]);
        assert_eq!(home.lock()?.source("echo").unwrap().from, place);
    }
    server.kill().await?;
    Ok(())
}
