//! `roost check`.

mod junit;
pub(super) mod render;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use roost::Config;
use roost::check::{Checked, RULES, Report, Selection};
use roost::config::{DEFAULT_CONNECTION, SecretSource};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::practice::Practice;
use super::record;
use super::settings::settings;
use super::sql::duration;

/// The setting that names the backend, in the providers of `roost new` and most others.
const ENDPOINT: &str = "http_endpoint";

const AFTER_HELP: &str = "\
It writes to projects of a tenant of its own, and removes them where the provider can: still, check
against a backend that holds nothing you need. Exit code 1 says that a rule is broken.

Without --connection and --config the provider is configured by --set and --secret alone.

Examples:
  roost check plugins/local.wasm
  roost check my.wasm --set http_endpoint=http://localhost:8080 --secret api_key=MY_KEY
  roost check my.wasm --config roost.toml --connection eu --junit report.xml
  roost check my.wasm --bundled-service
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
    #[command(flatten)]
    settings: SettingArgs,
    /// Start the small service that the providers of `roost new` talk to, and set `http_endpoint` to it
    #[arg(long)]
    bundled_service: bool,
    /// The longest it may take, such as 90s or 10m: past it, the check fails without a report
    #[arg(long, value_name = "LENGTH", value_parser = duration, default_value = "10m")]
    timeout: Duration,
    /// Write the report for a CI system as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show the calls of every rule, not only of those that are broken
    #[arg(long)]
    calls: bool,
    /// List the rules, and check nothing
    #[arg(long, conflicts_with_all = ["file", "connection", "set", "secret", "only", "junit", "calls", "bundled_service"])]
    list: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// How a provider is configured, and what it is tried on.
#[derive(Debug, Args)]
pub(super) struct SettingArgs {
    /// A setting of the provider: JSON, or else a text
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// A secret of the provider, in an environment variable
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = key_value)]
    secret: Vec<(String, String)>,
    /// Only this rule, or the rules of this interface
    #[arg(long, value_name = "RULE")]
    only: Vec<String>,
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
    let practice = match args.bundled_service {
        true => Some(Practice::start().await?),
        false => None,
    };
    let checking = Checking {
        file,
        connection: args.connection.as_deref(),
        settings: &args.settings,
        practice: practice.as_ref(),
    };
    let report = timeout(args.timeout, checking.run(context)).await;
    let report = report.map_err(|_| {
        CommandError::Failed(format!(
            "the check is not done after {:?}, and what it wrote may be left behind: give it longer \
             (--timeout), or fewer rules (--only)",
            args.timeout
        ))
    })??;
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

/// A file, and how it is configured.
pub(super) struct Checking<'a> {
    pub(super) file: &'a Path,
    pub(super) connection: Option<&'a str>,
    pub(super) settings: &'a SettingArgs,
    pub(super) practice: Option<&'a Practice>,
}

impl Checking<'_> {
    /// Check the file as the only provider of a folder of its own.
    pub(super) async fn run(&self, context: &Context) -> anyhow::Result<Report> {
        let selection = Selection::new(self.settings.only.iter().cloned())?;
        let Self { file, practice, .. } = *self;
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
        let connection = self.connection.unwrap_or(DEFAULT_CONNECTION);
        let mut config = match (self.connection, context.is_configured()) {
            (None, false) => Config::default(),
            _ => context.exporting_config()?,
        };
        // Somebody names this file on the command line: nothing else has to vouch for it.
        config.plugins.lock_file = Some(folder.path().join("plugins.lock"));
        config.plugins.trusted_keys.clear();
        config.plugins.require_signatures = false;
        config.plugins.folder = plugins;
        let endpoint = match practice {
            Some(practice) if has_endpoint(&config).await? => Some(practice.endpoint()),
            _ => None,
        };
        let databases = folder.path().join("databases");
        let settings = match connection {
            DEFAULT_CONNECTION => Some(&mut config.connections.default),
            named => config.connections.named.get_mut(named),
        };
        if let Some(settings) = settings {
            settings.provider = Some(name);
            if let Some(practice) = endpoint {
                let endpoint = Value::from(practice);
                settings
                    .provider_config
                    .insert(ENDPOINT.to_owned(), endpoint);
            }
            for (key, value) in &self.settings.set {
                let value =
                    serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str()));
                settings.provider_config.insert(key.clone(), value);
            }
            for (key, variable) in &self.settings.secret {
                let env = variable.clone();
                settings
                    .secrets
                    .insert(key.clone(), SecretSource::Env { env });
            }
        }
        config.database.folder = Some(databases);
        let checking = roost::check::check(config, connection, &selection);
        Ok(context.terminal.waiting("checking", checking).await?)
    }
}

/// Whether the provider that is alone in its folder has a setting for its backend's address.
async fn has_endpoint(config: &Config) -> anyhow::Result<bool> {
    let host = roost::Host::start(&config.plugins, &config.limits).await?;
    let providers = host.providers();
    let infos = providers
        .iter()
        .filter_map(|it| Some(&it.generation.as_ref()?.info));
    Ok(infos
        .flat_map(settings)
        .any(|setting| setting.name == ENDPOINT))
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
