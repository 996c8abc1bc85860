//! `roost providers remove`.

use clap::Args;
use roost::distribution::{file_of, remove};
use roost::plugin::LockFile;
use serde_json::json;

use super::super::arguments::OutputArgs;
use super::super::confirm::ConfirmArgs;
use super::super::context::Context;
use super::super::exit::{CommandError, Exit};
use super::super::{record, terminal, text};

const AFTER_HELP: &str = "\
Takes the file and its signature out of the plugins folder, and the lines about it out of the lock
file. A gateway that runs lets the calls end that it has begun.

Examples:
  roost providers remove phoenix
  roost providers remove phoenix mlflow --yes";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in super::super) struct RemoveArgs {
    /// The providers
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(in super::super) async fn run(context: &Context, args: &RemoveArgs) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let plugins = &config.plugins;
    let folder = text::one_line(&plugins.folder.display().to_string()).into_owned();
    let lock = LockFile::read(&plugins.lock_file())?.unwrap_or_default();
    for name in &args.names {
        if !file_of(&plugins.folder, name)?.exists() && lock.digest(name).is_none() {
            let message = format!("there is no {name}.wasm in the plugins folder {folder}");
            return Err(CommandError::NotFound(message).into());
        }
    }
    let names = args.names.join(", ");
    let question = format!("Remove {names} from the plugins folder {folder}?");
    args.confirm.ask(&question).await?;
    for name in &args.names {
        remove(plugins, name)?;
    }
    if args.output.json {
        let removed = args.names.iter().map(|name| json!({ "name": name }));
        context.terminal.print(&record::lines(removed)?)?;
    } else {
        let name = text::one_line(&names);
        context.terminal.print(&format!("{name}: removed\n"))?;
    }
    for (connection, settings) in config.connections.iter() {
        let named = settings.provider.as_ref();
        if let Some(name) = named.filter(|name| args.names.contains(name)) {
            let (connection, name) = (text::one_line(connection), text::one_line(name));
            terminal::note(&format!("[connections.{connection}] still names {name}"));
        }
    }
    Ok(Exit::Fine)
}
