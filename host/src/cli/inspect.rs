//! `roost providers inspect`.

use std::fmt::Write as _;

use clap::Args;
use roost::Host;
use roost::config::Config;
use roost::contract::{Credential, ProviderInfo};
use roost::plugin::{GenerationStatus, LockFile, ProviderStatus};
use serde_json::{Value, json};

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::providers::fetching::{signature, signature_in_words};
use super::settings::{Setting, settings};
use super::terminal::{BAD, DIM, TITLE, paint};
use super::{record, text};

const AFTER_HELP: &str = "\
It asks the provider, the configuration and the lock file, and nothing else: no backend is reached.

Examples:
  roost providers inspect phoenix
  roost providers inspect phoenix --json | jq .config_schema";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct InspectArgs {
    /// The provider's name: its file's, without .wasm
    name: String,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &InspectArgs) -> anyhow::Result<Exit> {
    let host = context.host().await?;
    let providers = host.providers();
    let Some(provider) = providers.iter().find(|one| one.name == args.name) else {
        let folder = host.folder().display();
        let found: Vec<&str> = providers.iter().map(|one| one.name.as_str()).collect();
        let found = match found.as_slice() {
            [] => "nothing is there".to_owned(),
            found => format!("it has: {}", found.join(", ")),
        };
        let name = &args.name;
        let message = format!("there is no {name}.wasm in the plugins folder {folder}; {found}");
        return Err(CommandError::NotFound(message).into());
    };
    let background = Background::of(&context.config()?, &host, &args.name);
    let out = if args.output.json {
        record::lines([to_json(provider, &background)])?
    } else {
        render(provider, &background)
    };
    context.terminal.print(&out)?;
    Ok(match provider.generation {
        Some(_) => Exit::Fine,
        None => Exit::Failed,
    })
}

/// What its operator knows of a provider, and it does not say itself.
struct Background {
    lock: LockFile,
    signature: &'static str,
    is_shipped: bool,
    /// What connections let it reach besides its endpoints, by connection.
    granted: Vec<(String, Vec<String>)>,
}

impl Background {
    fn of(config: &Config, host: &Host, name: &str) -> Self {
        let plugins = &config.plugins;
        let is_shipped = host.is_shipped(name);
        let signed = plugins.folder.join(format!("{name}.wasm.minisig"));
        let named = config.connections.iter();
        let granted = named
            .filter(|(_, settings)| settings.provider.as_deref() == Some(name))
            .map(|(connection, settings)| {
                let hosts = settings.allow_hosts.iter().map(ToString::to_string);
                (connection.to_owned(), hosts.collect())
            });
        // Where it cannot be read, every file is refused, and the refusal says why.
        let lock = LockFile::read(&plugins.lock_file()).ok().flatten();
        Self {
            lock: lock.unwrap_or_default(),
            signature: signature(plugins, !is_shipped && signed.exists()),
            is_shipped,
            granted: granted.collect(),
        }
    }
}

fn render(provider: &ProviderStatus, background: &Background) -> String {
    let mut out = String::new();
    if let Some(generation) = &provider.generation {
        describe(&mut out, &provider.name, generation, background);
    }
    if let Some(refusal) = &provider.refusal {
        let label = paint(BAD, &format!("{}.wasm is refused:", provider.name));
        let refusal = refusal.to_string();
        let _ = writeln!(out, "{label} {}", text::visible(&refusal));
    }
    out
}

fn describe(out: &mut String, name: &str, generation: &GenerationStatus, background: &Background) {
    let GenerationStatus { info, digest, .. } = generation;
    let title = format!("{name} {}", text::one_line(&info.version));
    let _ = writeln!(
        out,
        "{}\n{}\n",
        paint(TITLE, &title),
        text::visible(&info.summary)
    );
    let mut line = |label: &str, value: &str| {
        let label = paint(DIM, &text::pad(label, 12));
        let _ = writeln!(out, "{label}  {}", text::one_line(value));
    };
    line("backend", &info.name);
    if !info.homepage.is_empty() {
        line("homepage", &info.homepage);
    }
    line("digest", &format!("sha256:{digest}"));
    match background.lock.source(name) {
        Some(source) => {
            line("from", &source.from);
            if let Some(manifest) = &source.manifest {
                line("manifest", manifest);
            }
        }
        None if background.is_shipped => line("from", "it comes with Roost"),
        None => {}
    }
    line("signature", signature_in_words(background.signature));
    let interfaces: Vec<&str> = generation
        .capabilities
        .iter()
        .map(|capability| capability.interface())
        .collect();
    line("capabilities", &interfaces.join(" "));
    for (place, limit) in limits(info).iter().enumerate() {
        line(if place == 0 { "limits" } else { "" }, limit);
    }
    let settings = settings(info);
    for (place, hosts) in hosts(&settings, background).iter().enumerate() {
        line(if place == 0 { "hosts" } else { "" }, hosts);
    }
    if settings.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", paint(TITLE, "configuration"));
    for setting in &settings {
        configuration(out, setting, &info.credentials);
    }
}

fn limits(info: &ProviderInfo) -> [String; 5] {
    let limits = &info.limits;
    [
        format!("{} items in a page", limits.max_page_size),
        format!("{} items in a batch", limits.max_batch_items),
        format!("{} bytes in one export request", limits.max_batch_bytes),
        if limits.mixed_projects {
            "one export request may carry several projects".to_owned()
        } else {
            "one project in an export request".to_owned()
        },
        match limits.visibility_delay_ms {
            0 => "what is written can be read at once".to_owned(),
            delay => format!("what is written can be read after {delay} ms"),
        },
    ]
}

/// What it may reach, a line each place that says so.
fn hosts(settings: &[Setting], background: &Background) -> Vec<String> {
    let endpoints = settings.iter().filter(|setting| setting.is_endpoint);
    let endpoints = endpoints.map(|setting| format!("what provider_config.{} says", setting.name));
    let granted = background
        .granted
        .iter()
        .filter(|(_, hosts)| !hosts.is_empty());
    let granted = granted
        .map(|(connection, hosts)| format!("{}, by [connections.{connection}]", hosts.join(" ")));
    endpoints.chain(granted).collect()
}

/// A property: what it is, and where an operator writes it.
fn configuration(out: &mut String, setting: &Setting, credentials: &[Credential]) {
    let section = if setting.is_secret {
        "secrets"
    } else {
        "provider_config"
    };
    let mut marks = vec![setting.kind.clone()];
    if setting.required {
        marks.push("required".to_owned());
    }
    if setting.is_endpoint {
        marks.push("endpoint".to_owned());
    }
    if setting.is_secret {
        marks.push("secret".to_owned());
    }
    if let Some(default) = &setting.default {
        marks.push(format!("default {default}"));
    }
    let key = format!("{section}.{}", setting.name);
    let marks = paint(DIM, &text::one_line(&marks.join(", ")));
    let _ = writeln!(out, "  {}  {marks}", text::one_line(&key));
    let description = if setting.description.is_empty() {
        &setting.title
    } else {
        &setting.description
    };
    if !description.is_empty() {
        let _ = writeln!(out, "      {}", text::one_line(description));
    }
    let sent = credentials
        .iter()
        .filter(|one| one.property == setting.name);
    for Credential {
        header, template, ..
    } in sent
    {
        let value = template.replace("{}", "***");
        let line = format!("      sent as the header {header}: {value}");
        let _ = writeln!(out, "{}", text::one_line(&line));
    }
}

fn to_json(provider: &ProviderStatus, background: &Background) -> Value {
    let generation = provider.generation.as_ref().map(|generation| {
        let GenerationStatus { info, .. } = generation;
        let interfaces = generation.capabilities.iter();
        let credentials = info.credentials.iter().map(|credential| {
            json!({
                "property": credential.property,
                "header": credential.header,
                "template": credential.template,
            })
        });
        json!({
            "number": generation.number,
            "digest": generation.digest,
            "backend": info.name,
            "version": info.version,
            "summary": info.summary,
            "homepage": info.homepage,
            "capabilities": interfaces.map(|one| one.interface()).collect::<Vec<_>>(),
            "limits": {
                "max_page_size": info.limits.max_page_size,
                "max_batch_items": info.limits.max_batch_items,
                "max_batch_bytes": info.limits.max_batch_bytes,
                "mixed_projects": info.limits.mixed_projects,
                "visibility_delay_ms": info.limits.visibility_delay_ms,
            },
            "credentials": credentials.collect::<Vec<_>>(),
            "config_schema": serde_json::from_str::<Value>(&info.config_schema).ok(),
        })
    });
    let Background { lock, granted, .. } = background;
    let source = lock.source(&provider.name);
    let granted = granted
        .iter()
        .map(|(connection, hosts)| (connection.clone(), json!(hosts)));
    json!({
        "name": provider.name,
        "source": source.map(|it| json!({ "from": it.from, "manifest": it.manifest })),
        "shipped": background.is_shipped,
        "locked": lock.digest(&provider.name),
        "signature": background.signature,
        "allow_hosts": granted.collect::<serde_json::Map<_, _>>(),
        "generation": generation,
        "refusal": provider.refusal.as_ref().map(ToString::to_string),
    })
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::super::settings::tests::info;
    use super::*;

    #[test]
    fn a_property_says_where_it_is_written_and_what_becomes_of_it() {
        let info = info();
        let mut out = String::new();
        for setting in settings(&info).iter().take(2) {
            configuration(&mut out, setting, &info.credentials);
        }
        assert_eq!(
            strip_str(&out).to_string(),
            "  secrets.api_key  string, secret
      sent as the header authorization: Bearer ***
  provider_config.http_endpoint  string, required, endpoint, default \"http://localhost:6006\"
      Where the API is.
"
        );
    }
}
