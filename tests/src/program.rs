//! The program `roost`, as a shell runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use crate::repository;

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// The JSON values it printed, one a line.
    ///
    /// # Errors
    /// When a line is no JSON.
    pub fn json(&self) -> Result<Vec<serde_json::Value>> {
        let lines = self.stdout.lines();
        Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
    }
}

/// Run `roost` with these arguments in a folder, whose `roost.toml` it finds.
///
/// # Errors
/// When it is not built.
pub async fn roost(folder: &Path, arguments: &[&str]) -> Result<Ran> {
    let mut command = Command::new(program()?);
    command.args(arguments);
    run(command, folder).await
}

/// Run a script of `sh` in a folder, with this build's `roost` and the Python of the test
/// environment on its path.
///
/// # Errors
/// When either is not there.
pub async fn shell(folder: &Path, script: &str) -> Result<Ran> {
    run(script_in_sh(script)?, folder).await
}

/// Begin to run a script, as [`shell`] does, and leave it running.
///
/// # Errors
/// As [`shell`].
pub fn begin_shell(folder: &Path, script: &str) -> Result<Child> {
    let mut command = script_in_sh(script)?;
    command
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command.spawn()?)
}

fn script_in_sh(script: &str) -> Result<Command> {
    let program = program()?;
    let programs = program.parent().context("a program without a folder")?;
    let system = std::env::var("PATH").unwrap_or_default();
    let python = repository(".venv/bin");
    let path = format!("{}:{}:{system}", programs.display(), python.display());
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("PATH", path);
    Ok(command)
}

async fn run(mut command: Command, folder: &Path) -> Result<Ran> {
    let output = command
        .current_dir(folder)
        .kill_on_drop(true)
        .output()
        .await?;
    Ok(Ran {
        code: output.status.code().context("it was ended by a signal")?,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// The program of this build: tests lie in `deps`, beside which programs are.
///
/// # Errors
/// When it is not built.
pub fn program() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent);
    let program = folder.context("a test without a folder")?.join("roost");
    ensure!(
        program.exists(),
        "{} is not built: run `cargo build`, or the tests of the whole workspace",
        program.display()
    );
    Ok(program)
}
