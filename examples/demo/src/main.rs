//! `make demo BACKEND=phoenix`: `roost demo` on a Phoenix that is started for it, and goes with it.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use roost_tests::{Phoenix, phoenix_provider};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let provider = phoenix_provider()?;
    let plugins = provider.parent().context("a provider without a folder")?;
    let phoenix = Phoenix::start().await?;
    println!("    Phoenix is ready on {}", phoenix.http_endpoint());
    let mut demo = Command::new(std::env::current_exe()?.with_file_name("roost"));
    demo.args(["demo", "--phoenix", phoenix.http_endpoint()])
        .args(["--phoenix-grpc", phoenix.grpc_endpoint(), "--plugins"])
        .arg(plugins)
        .args(std::env::args_os().skip(1));
    // Ctrl-C is for both: the demo ends by itself, and Phoenix with this process.
    let status = tokio::task::spawn_blocking(move || demo.status()).await??;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
