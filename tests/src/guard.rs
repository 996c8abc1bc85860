//! A server that cannot outlive the process that started it.
//!
//! Statics are never dropped, a panic may abort, and a runner that loses patience sends
//! SIGKILL: nothing inside the test process can be trusted to run. So a few lines of
//! shell stand between it and the server and hold one end of a pipe; the kernel closes
//! the other end whatever happens.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const SCRIPT: &str = include_str!("guard.sh");

/// How long a server may take to end after it was asked to, before it is made to.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. Dropping it kills the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    signals: Option<ChildStdin>,
    server: u32,
}

impl Guard {
    /// Run a server in `folder`, with nothing in its environment but `environment`, the
    /// search path, and the folder as its home. What it prints goes to `server.log` there.
    pub(crate) fn run<'a>(
        folder: &Path,
        program: impl AsRef<OsStr>,
        environment: impl IntoIterator<Item = (&'a str, String)>,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .envs(environment)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C reaches every process of the terminal's group; the guard has to
            // stay to clean up after the others.
            .process_group(0)
            .spawn()
            .context("sh cannot be run")?;
        let signals = shell.stdin.take();
        let mut line = String::new();
        let pipe = shell.stdout.take().context("the guard has no output")?;
        BufReader::new(pipe).read_line(&mut line)?;
        let server = line
            .trim()
            .parse()
            .context("the guard did not say which process it runs")?;
        Ok(Self {
            shell,
            signals,
            server,
        })
    }

    /// The server's process id.
    pub(crate) fn server(&self) -> u32 {
        self.server
    }

    /// Whether the server has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.shell.try_wait()?.is_some())
    }

    /// End the server with a signal (`TERM`, `KILL`), keep its folder, and return when it
    /// is gone. One that does not go is killed, folder and all.
    pub(crate) fn end(mut self, signal: &str) -> Result<()> {
        if let Some(pipe) = &mut self.signals {
            // A server that ended before has nobody left to read this.
            writeln!(pipe, "{signal}").ok();
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.has_ended()? {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the server did not end within {PATIENCE:?} of SIG{signal}"
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.signals.take();
        self.shell.wait().ok();
    }
}
