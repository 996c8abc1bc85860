//! `roost completions`.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::arguments::Cli;
use super::context::Context;
use super::exit::Exit;

const AFTER_HELP: &str = "\
Examples:
  roost completions bash > ~/.local/share/bash-completion/completions/roost
  roost completions zsh  > ~/.zfunc/_roost
  roost completions fish > ~/.config/fish/completions/roost.fish";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(context: &Context, args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "roost", &mut script);
    context.terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
