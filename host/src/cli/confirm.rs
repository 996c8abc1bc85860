//! `--yes`, and the question that a terminal is asked without it.

use std::io::{self, IsTerminal, Write as _};

use clap::Args;
use tokio::sync::oneshot;

use super::exit::CommandError;
use super::text;

/// What cannot be undone is asked for twice.
#[derive(Debug, Args)]
pub(super) struct ConfirmArgs {
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
}

impl ConfirmArgs {
    /// Ask, unless `--yes` answered already.
    ///
    /// # Errors
    ///
    /// For any answer but yes, and where there is no terminal to ask.
    pub(super) async fn ask(&self, question: &str) -> Result<(), CommandError> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            let question = text::one_line(question);
            let why = format!("{question} There is no terminal to ask: say --yes");
            return Err(CommandError::Usage(why));
        }
        let mut out = anstream::stderr().lock();
        let _ = write!(out, "{} [y/N] ", text::one_line(question));
        let _ = out.flush();
        drop(out);
        let (answer, answered) = oneshot::channel();
        // A thread of its own: nobody waits for it where Ctrl-C is the answer.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().read_line(&mut line);
            let _ = answer.send(read.map(|_| line));
        });
        let line = answered.await.ok().and_then(Result::ok).unwrap_or_default();
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(CommandError::Failed("nothing was deleted".to_owned())),
        }
    }
}
