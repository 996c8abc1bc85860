//! Reading a secret from a file or a program, in bounded time and space.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a file or a program may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest secret with what is around it, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// The content of a file.
pub(super) async fn file(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        text(bytes).map_err(io::Error::other)
    });
    // A pipe without a writer would be waited for without end.
    match timeout(PATIENCE, reading).await {
        Ok(read) => read.map_err(io::Error::other)?,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// What a program prints. The error says what went wrong, and nothing of what was printed.
pub(super) async fn command(command: &[String]) -> Result<String, String> {
    let (program, arguments) = command.split_first().ok_or("it names no program")?;
    let run = async {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("it cannot be started: {error}"))?;
        let mut bytes = Vec::new();
        if let Some(output) = child.stdout.take() {
            let mut output = output.take(MAX_BYTES + 1);
            let read = output.read_to_end(&mut bytes).await;
            read.map_err(|error| format!("its output cannot be read: {error}"))?;
        }
        let text = text(bytes)?;
        let ended = child.wait().await;
        match ended.map(|status| (status, ExitStatus::success(&status))) {
            Ok((_, true)) => Ok(text),
            Ok((status, false)) => Err(format!("it ended with {status}; run it to see why")),
            Err(error) => Err(format!("how it ended cannot be told: {error}")),
        }
    };
    timeout(PATIENCE, run)
        .await
        .unwrap_or_else(|_| Err(format!("it took longer than {PATIENCE:?}")))
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(format!("it is more than {MAX_BYTES} bytes"));
    }
    // The error of the conversion would hold the bytes.
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())
}
