//! A real PostgreSQL on loopback, with its own data folder and a role for each test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::guard::Guard;
use crate::{eventually, ports};

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Whom the server runs as where the tests run as root, which it refuses.
const USER: &str = "postgres";

/// A PostgreSQL server. Dropping it ends the server, and so does the end of this process,
/// however it comes.
#[derive(Debug)]
pub struct Postgres {
    // Before the folder: the server goes first.
    guard: Guard,
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Start a server.
    ///
    /// # Errors
    /// When it is not installed, or not ready after a minute.
    pub async fn start() -> Result<Self> {
        let programs = programs()?;
        let folder = TempDir::with_prefix("roost-postgres-")?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        if is_root() {
            run(Command::new("chown").args(["-R", USER]).arg(folder.path())).await?;
        }
        let mut initialise = as_user(&programs.join("initdb"));
        initialise.args(["--auth=trust", "--username=admin", "--no-sync", "--pgdata"]);
        run(initialise.arg(&data)).await?;
        let (port, _) = ports::free_pair()?;
        let server = programs.join("postgres");
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let (program, mut arguments) = match is_root() {
            true => (
                PathBuf::from("setpriv"),
                vec![
                    format!("--reuid={USER}"),
                    format!("--regid={USER}"),
                    "--clear-groups".to_owned(),
                    server.display().to_string(),
                ],
            ),
            false => (server, Vec::new()),
        };
        arguments.extend(
            [
                "-D",
                &data.display().to_string(),
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-c",
            ]
            .map(str::to_owned),
        );
        arguments.push(sockets);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let guard = Guard::run(folder.path(), &program, [], &arguments)?;
        let mut server = Self {
            guard,
            folder,
            programs,
            port,
        };
        eventually("PostgreSQL answers", START, async || {
            if server.guard.has_ended()? {
                return Ok(Err("PostgreSQL ended while it started"));
            }
            server.admin("SELECT 1").await.map(|_| Ok(()))
        })
        .await?
        .map_err(anyhow::Error::msg)?;
        Ok(server)
    }

    /// Let it offer TLS with this certificate and key, both PEM. Who wants none is served on.
    ///
    /// # Errors
    /// When the server refuses them.
    pub async fn offer_tls(&self, certificate: &str, key: &str) -> Result<()> {
        let data = self.folder.path().join("data");
        for (name, content) in [("server.crt", certificate), ("server.key", key)] {
            let file = data.join(name);
            std::fs::write(&file, content)?;
            run(Command::new("chmod").arg("600").arg(&file)).await?;
            if is_root() {
                run(Command::new("chown").arg(USER).arg(&file)).await?;
            }
        }
        self.admin("ALTER SYSTEM SET ssl = on").await?;
        self.admin("SELECT pg_reload_conf()").await?;
        eventually("it offers TLS", START, async || {
            let ssl = self.admin("SHOW ssl").await?;
            ensure!(ssl == "on", "ssl is {ssl}");
            Ok(())
        })
        .await
    }

    /// The server that the tests of this process share, started at its first use.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// The address of a database of its own, for a role of its own that owns it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn database(&self) -> Result<String> {
        let name = crate::unique("d").replace('-', "_");
        self.admin(&format!("CREATE ROLE {name} LOGIN")).await?;
        self.admin(&format!("CREATE DATABASE {name} OWNER {name}"))
            .await?;
        Ok(self.address(&name, &name))
    }

    /// The address of a database as a role.
    #[must_use]
    pub fn address(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Run a statement as the administrator, in the database `postgres`; returned is what it
    /// answered.
    ///
    /// # Errors
    /// What the server says.
    pub async fn admin(&self, sql: &str) -> Result<String> {
        self.ask(&self.address("admin", "postgres"), sql).await
    }

    /// Run a statement at an address.
    ///
    /// # Errors
    /// What the server says.
    pub async fn ask(&self, address: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "-c",
            sql,
        ]);
        run(command.arg(address)).await
    }
}

/// Where the server's programs are: on the search path, or where Debian puts them.
fn programs() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for version in (15..30).rev() {
        folders.push(format!("/usr/lib/postgresql/{version}/bin").into());
    }
    let has_all = |folder: &PathBuf| {
        ["initdb", "postgres", "psql"]
            .iter()
            .all(|it| folder.join(it).exists())
    };
    let found = folders.into_iter().find(has_all);
    found.context("there is no PostgreSQL 15 or newer: run `make setup`")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={USER}"),
        &format!("--regid={USER}"),
        "--clear-groups",
    ]);
    command.arg(program);
    command
}

async fn run(command: &mut Command) -> Result<String> {
    let output = command
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .await?;
    if !output.status.success() {
        bail!(
            "{:?}: {}",
            command.as_std(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    ensure!(output.stdout.len() < 1 << 20);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
