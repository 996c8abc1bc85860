//! The database that the host keeps for a provider: the same on SQLite and on PostgreSQL, and
//! out of reach for every other connection.

mod fences;
mod schemas;
mod statements;

use anyhow::Result;
use roost::config::{LimitsConfig, Secret};
use roost::plugin::{ConnectionSpec, DatabaseSpec, Host};
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, Postgres, echo};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{host, query, spec};

/// A host with connections whose databases are in one folder, or on one server.
struct Databases {
    host: Host,
    folder: TempDir,
    _plugins: PluginFolder,
}

impl Databases {
    async fn new(limits: LimitsConfig) -> Result<Self> {
        let plugins = PluginFolder::new()?;
        plugins.install("echo", &echo()?)?;
        Ok(Self {
            host: host(&plugins, limits).await?,
            folder: TempDir::new()?,
            _plugins: plugins,
        })
    }

    /// The provider of the connection `name`.
    fn connect(&self, name: &str, address: Option<&str>, max_bytes: u64) -> Provider {
        let spec = ConnectionSpec {
            name: name.to_owned(),
            database: DatabaseSpec {
                address: address.map(|it| Secret::from(it).into()),
                folder: Some(self.folder.path().to_owned()),
                max_bytes,
            },
            ..spec(json!({}))
        };
        Provider::connect(&self.host, spec, Scope::All)
    }

    fn sqlite(&self, name: &str) -> Provider {
        self.connect(name, None, 1 << 30)
    }
}

/// What the steps answer, see `tests/guests/echo/src/database.rs`.
async fn run(provider: &Provider, steps: Value) -> Result<Vec<Value>> {
    let question = query(&format!("database:{steps}"));
    let spans = provider.traces().get_spans(&question).await?;
    Ok(serde_json::from_str(&spans[0].name)?)
}

/// One connection on SQLite, and one on PostgreSQL.
async fn both(databases: &Databases) -> Result<[Provider; 2]> {
    let address = Postgres::shared().await?.database().await?;
    Ok([
        databases.sqlite("default"),
        databases.connect("default", Some(&address), 1 << 30),
    ])
}

fn case(answer: &Value) -> &str {
    let object = answer.as_object();
    object
        .and_then(|it| it.keys().next())
        .map_or("", String::as_str)
}

const BIRDS: &str =
    "CREATE TABLE birds (name TEXT PRIMARY KEY, age BIGINT, weight DOUBLE PRECISION)";
