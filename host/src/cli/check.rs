//! `roost check`.

mod junit;
mod render;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use roost::Config;
use roost::check::{Checked, RULES, Report, Selection};
use roost::config::{DEFAULT_CONNECTION, SecretSource};
use serde_json::Value;
use tempfile::TempDir;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::record;

const AFTER_HELP: &str = "\
It writes to projects of a tenant of its own, and removes them where the provider can: still, check
against a backend that holds nothing you need. Exit code 1 says that a rule is broken.

Without --connection and --config the provider is configured by --set and --secret alone.

Examples:
  roost check plugins/local.wasm
  roost check my.wasm --set http_endpoint=http://localhost:8080 --secret api_key=MY_KEY
  roost check my.wasm --config roost.toml --connection eu --junit report.xml
  roost check my.wasm --only traces --only datasets.versions
  roost check --list";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CheckArgs {
    /// The provider's component
    #[arg(value_name = "FILE", required_unless_present = "list")]
    file: Option<PathBuf>,
    /// The connection of the configuration whose settings it gets
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// A setting of the provider: JSON, or else a text
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// A secret of the provider, in an environment variable
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = key_value)]
    secret: Vec<(String, String)>,
    /// Only this rule, or the rules of this interface
    #[arg(long, value_name = "RULE")]
    only: Vec<String>,
    /// Write the report for a CI system as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show the calls of every rule, not only of those that are broken
    #[arg(long)]
    calls: bool,
    /// List the rules, and check nothing
    #[arg(long, conflicts_with_all = ["file", "connection", "set", "secret", "only", "junit", "calls"])]
    list: bool,
    #[command(flatten)]
    output: OutputArgs,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not as KEY=VALUE")),
    }
}

pub(super) async fn run(context: &Context, args: &CheckArgs) -> anyhow::Result<Exit> {
    let Some(file) = &args.file else {
        context
            .terminal
            .print(&render::rules(RULES, context.terminal.width))?;
        return Ok(Exit::Fine);
    };
    let selection = Selection::new(args.only.iter().cloned())?;
    let report = check(context, args, file, &selection).await?;
    let out = if args.output.json {
        record::lines(
            report
                .results
                .iter()
                .map(|checked| to_json(checked, args.calls)),
        )?
    } else {
        render::report(&report, args.calls, context.terminal.width)
    };
    if let Some(path) = &args.junit {
        let written = junit::to_xml(&report).map(|xml| std::fs::write(path, xml));
        written?.with_context(|| format!("{} cannot be written", path.display()))?;
    }
    context.terminal.print(&out)?;
    Ok(match report.failed() {
        0 => Exit::Fine,
        _ => Exit::Failed,
    })
}

/// Check a file as the only provider of a folder of its own.
pub(super) async fn check(
    context: &Context,
    args: &CheckArgs,
    file: &Path,
    selection: &Selection,
) -> anyhow::Result<Report> {
    let name = file
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or("provider")
        .to_owned();
    let folder = TempDir::with_prefix("roost-check-")?;
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins)?;
    std::fs::copy(file, plugins.join(&name).with_extension("wasm")).map_err(|error| {
        CommandError::NotFound(format!("{} cannot be read: {error}", file.display()))
    })?;
    let connection = args.connection.as_deref().unwrap_or(DEFAULT_CONNECTION);
    let mut config = match (&args.connection, context.is_configured()) {
        (None, false) => Config::default(),
        _ => context.exporting_config()?,
    };
    // Somebody names this file on the command line: nothing else has to vouch for it.
    config.plugins.lock_file = Some(folder.path().join("plugins.lock"));
    config.plugins.trusted_keys.clear();
    config.plugins.require_signatures = false;
    config.plugins.folder = plugins;
    let databases = folder.path().join("databases");
    let settings = match connection {
        DEFAULT_CONNECTION => Some(&mut config.connections.default),
        named => config.connections.named.get_mut(named),
    };
    if let Some(settings) = settings {
        settings.provider = Some(name);
        for (key, value) in &args.set {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str()));
            settings.provider_config.insert(key.clone(), value);
        }
        for (key, variable) in &args.secret {
            let env = variable.clone();
            settings
                .secrets
                .insert(key.clone(), SecretSource::Env { env });
        }
    }
    config.database.folder = Some(databases);
    let checking = roost::check::check(config, connection, selection);
    Ok(context.terminal.waiting("checking", checking).await?)
}

/// A rule's result; with its calls where they tell something.
fn to_json(checked: &Checked, calls: bool) -> Value {
    let mut value = serde_json::to_value(checked).unwrap_or_default();
    if let Value::Object(value) = &mut value
        && !calls
        && !render::is_broken(checked)
    {
        value.remove("calls");
    }
    value
}
