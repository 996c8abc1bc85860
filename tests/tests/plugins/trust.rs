//! Which files may run at all: the lock file, signatures, and where compiled code is kept.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roost::config::{LimitsConfig, PluginsConfig};
use roost::plugin::{Host, LockFile, Refusal};
use roost_tests::{PluginFolder, echo, echo_next, eventually, roost};

use crate::fixture::{SOON, refusal, status};

fn plugins(folder: &PluginFolder, lock: &tempfile::TempDir) -> PluginsConfig {
    PluginsConfig {
        folder: folder.path().to_owned(),
        lock_file: Some(lock.path().join("plugins.lock")),
        ..PluginsConfig::default()
    }
}

async fn start(plugins: &PluginsConfig) -> Result<Host> {
    Ok(Host::start(plugins, &LimitsConfig::default()).await?)
}

fn version(host: &Host) -> Result<String> {
    let generation = status(host, "echo")?.generation;
    Ok(generation.context("it does not serve")?.info.version)
}

/// As an operator does it: drop, read why not, accept, and it serves.
#[tokio::test]
async fn a_content_that_was_not_accepted_is_not_compiled_until_it_is() -> Result<()> {
    let (folder, home) = (PluginFolder::new()?, tempfile::tempdir()?);
    folder.install("echo", &echo()?)?;
    let plugins = plugins(&folder, &home);
    let settings = format!("plugins.folder = {:?}\n", folder.path());
    std::fs::write(
        home.path().join("roost.toml"),
        settings + "plugins.lock_file = \"plugins.lock\"\n",
    )?;
    assert_eq!(
        roost(home.path(), &["providers", "lock", "--check"])
            .await?
            .code,
        1
    );
    assert_eq!(roost(home.path(), &["providers", "lock"]).await?.code, 0);
    let lock = std::fs::read_to_string(plugins.lock_file())?;
    assert_eq!(
        roost(home.path(), &["providers", "lock", "--check"])
            .await?
            .code,
        0
    );
    let host = start(&plugins).await?;
    assert_eq!(version(&host)?, "1.0.0");

    // Another content, and another file.
    folder.install("echo", &echo_next()?)?;
    folder.install("stranger", &echo()?)?;
    host.reload().await?;
    assert_eq!(version(&host)?, "1.0.0");
    let found = LockFile::of_folder(folder.path())?;
    let (new, old) = (
        found.digest("echo").unwrap(),
        found.digest("stranger").unwrap(),
    );
    assert_eq!(
        refusal(&host, "echo")?.to_string(),
        format!(
            "it is sha256:{new}, and {} has sha256:{old}. If that is what you want, accept it \
             with `roost providers lock echo`",
            plugins.lock_file().display()
        )
    );
    let stranger = refusal(&host, "stranger")?.to_string();
    assert!(stranger.contains("does not have it"), "{stranger}");

    let ran = roost(home.path(), &["providers", "lock", "echo"]).await?;
    assert_eq!(ran.stdout, format!("echo: sha256:{old} -> sha256:{new}\n"));
    // The host sees it by itself.
    eventually("the accepted version", SOON, async || {
        ensure!(version(&host)? == "2.0.0", "not yet");
        Ok(())
    })
    .await?;
    assert!(matches!(
        refusal(&host, "stranger")?,
        Refusal::NotLocked { .. }
    ));

    // The same files make the same bytes.
    folder.remove("stranger")?;
    folder.install("echo", &echo()?)?;
    assert_eq!(roost(home.path(), &["providers", "lock"]).await?.code, 0);
    assert_eq!(std::fs::read_to_string(plugins.lock_file())?, lock);
    let missing = roost(home.path(), &["providers", "lock", "nobody"]).await?;
    assert_eq!(missing.code, 3, "{}", missing.stderr);
    Ok(())
}

#[tokio::test]
async fn a_lock_file_that_cannot_be_read_accepts_nothing() -> Result<()> {
    for text in [
        "",
        "version = 2\n[providers]\n",
        "version = 1\n[providers]\necho = \"00\"\n",
    ] {
        let (folder, home) = (PluginFolder::new()?, tempfile::tempdir()?);
        folder.install("echo", &echo()?)?;
        let plugins = plugins(&folder, &home);
        std::fs::write(plugins.lock_file(), text)?;
        let host = start(&plugins).await?;
        assert!(
            matches!(refusal(&host, "echo")?, Refusal::Lock(_)),
            "{text:?}"
        );
    }
    Ok(())
}

/// A key of minisign's, which signs as `minisign -S` does.
pub(crate) struct Signer(Ed25519KeyPair);

impl Signer {
    const KEY_ID: &[u8; 8] = b"roost-id";

    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Ed25519KeyPair::generate()?))
    }

    pub(crate) fn public_key(&self) -> String {
        let key = [b"Ed", &Self::KEY_ID[..], self.0.public_key().as_ref()];
        BASE64_STANDARD.encode(key.concat())
    }

    pub(crate) fn sign(&self, folder: &PluginFolder, name: &str) -> Result<()> {
        const COMMENT: &str = "timestamp:1";
        let hash = blake2b_simd::blake2b(&std::fs::read(folder.file(name))?);
        let signature = self.0.sign(hash.as_bytes());
        let whole = [b"ED", &Self::KEY_ID[..], signature.as_ref()].concat();
        let global = self
            .0
            .sign(&[signature.as_ref(), COMMENT.as_bytes()].concat());
        let (whole, global) = (
            BASE64_STANDARD.encode(whole),
            BASE64_STANDARD.encode(global.as_ref()),
        );
        let text =
            format!("untrusted comment: a test\n{whole}\ntrusted comment: {COMMENT}\n{global}\n");
        let path = folder.path().join(format!("{name}.wasm.minisig"));
        Ok(std::fs::write(path, text)?)
    }
}

#[tokio::test]
async fn a_file_that_is_not_signed_by_a_trusted_key_is_not_compiled() -> Result<()> {
    let (folder, home) = (PluginFolder::new()?, tempfile::tempdir()?);
    let (trusted, other) = (Signer::new()?, Signer::new()?);
    folder.install("echo", &echo()?)?;
    let plugins = PluginsConfig {
        trusted_keys: vec![Signer::new()?.public_key(), trusted.public_key()],
        require_signatures: true,
        ..plugins(&folder, &home)
    };
    let host = start(&plugins).await?;
    let why = |host: &Host| match refusal(host, "echo") {
        Ok(Refusal::Signature(why)) => Ok(why),
        other => Err(anyhow::anyhow!("{other:?}")),
    };
    assert!(
        why(&host)?.contains("there is no echo.wasm.minisig"),
        "{}",
        why(&host)?
    );

    other.sign(&folder, "echo")?;
    host.reload().await?;
    assert!(
        why(&host)?.contains("by none of the 2 keys"),
        "{}",
        why(&host)?
    );

    // The signature comes after the file, and is seen.
    trusted.sign(&folder, "echo")?;
    host.reload().await?;
    assert_eq!(version(&host)?, "1.0.0");

    // A signature is of one content.
    folder.install("echo", &echo_next()?)?;
    host.reload().await?;
    assert!(
        why(&host)?.contains("not of this content"),
        "{}",
        why(&host)?
    );
    assert_eq!(version(&host)?, "1.0.0");
    trusted.sign(&folder, "echo")?;
    host.reload().await?;
    assert_eq!(version(&host)?, "2.0.0");

    std::fs::write(folder.path().join("echo.wasm.minisig"), "words")?;
    folder.install("echo", &echo()?)?;
    host.reload().await?;
    assert!(
        why(&host)?.contains("no minisign signature"),
        "{}",
        why(&host)?
    );
    Ok(())
}

#[tokio::test]
async fn without_a_demand_a_signature_counts_where_it_is() -> Result<()> {
    let (folder, home) = (PluginFolder::new()?, tempfile::tempdir()?);
    let (trusted, other) = (Signer::new()?, Signer::new()?);
    folder.install("echo", &echo()?)?;
    folder.install("signed", &echo()?)?;
    folder.install("forged", &echo()?)?;
    trusted.sign(&folder, "signed")?;
    other.sign(&folder, "forged")?;
    let plugins = PluginsConfig {
        trusted_keys: vec![trusted.public_key()],
        ..plugins(&folder, &home)
    };
    let host = start(&plugins).await?;
    for (name, serves) in [("echo", true), ("signed", true), ("forged", false)] {
        assert_eq!(status(&host, name)?.generation.is_some(), serves, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn native_code_is_taken_from_a_folder_of_the_hosts_own_alone() -> Result<()> {
    let (folder, home) = (PluginFolder::new()?, tempfile::tempdir()?);
    folder.install("echo", &echo()?)?;
    let cache = home.path().join("made/by/the/host");
    let plugins = PluginsConfig {
        cache_folder: Some(cache.clone()),
        ..plugins(&folder, &home)
    };
    start(&plugins).await?;
    assert_eq!(
        std::fs::metadata(&cache)?.permissions().mode() & 0o777,
        0o700
    );
    std::fs::set_permissions(&cache, PermissionsExt::from_mode(0o770))?;
    let error = start(&plugins).await.err().context("it started")?;
    let advice = format!("chmod go-w {}", cache.display());
    assert!(error.to_string().contains(&advice), "{error}");
    Ok(())
}
