//! The database that the host keeps for a provider: the same on SQLite and on PostgreSQL, and
//! out of reach for every other connection.

use std::fs;
use std::sync::Arc;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use roost::config::{LimitsConfig, Secret};
use roost::contract::Error;
use roost::plugin::{ConnectionSpec, DatabaseSpec, Host};
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, Postgres, echo, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{SOON, host, query, spec};

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

#[tokio::test]
async fn values_come_back_as_they_were_bound() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    for provider in both(&databases).await? {
        let answers = run(
            &provider,
            json!([
                ["migrate", BIRDS],
                [
                    "execute",
                    "INSERT INTO birds VALUES ($1, $2, $3)",
                    "ü🦉",
                    i64::MAX,
                    0.1
                ],
                [
                    "execute",
                    "INSERT INTO birds (age, name) VALUES ($2, $1)",
                    "b",
                    null
                ],
                [
                    "query",
                    "SELECT name, age, weight FROM birds WHERE $1 = name",
                    "ü🦉"
                ],
                [
                    "query",
                    "SELECT age, weight FROM birds WHERE name = $1",
                    "b"
                ],
                [
                    "query",
                    "SELECT COUNT(*) FROM birds WHERE name IN ($2, $1)",
                    "b",
                    "x"
                ],
                ["execute", "UPDATE birds SET age = 1"],
            ]),
        )
        .await?;
        assert_eq!(
            answers,
            [
                json!(1),
                json!(1),
                json!(1),
                json!([["ü🦉", i64::MAX, 0.1]]),
                json!([[null, null]]),
                json!([[1]]),
                json!(2),
            ]
        );
    }
    Ok(())
}

#[tokio::test]
async fn errors_tell_what_kind_they_are() -> Result<()> {
    let databases = Databases::new(LimitsConfig {
        response_bytes: 100_000,
        ..LimitsConfig::default()
    })
    .await?;
    for provider in both(&databases).await? {
        let answers = run(
            &provider,
            json!([
                ["migrate", BIRDS],
                ["execute", "INSERT INTO birds VALUES ('a', 1, 1)"],
                ["execute", "INSERT INTO birds VALUES ('a', 1, 1)"],
                ["execute", "INSERT INTO nothing VALUES (1)"],
                ["query", "SELECT 1; SELECT 2"],
                [
                    "query",
                    "SELECT name FROM birds WHERE age = $1 OR age = $2",
                    1
                ],
                [
                    "query",
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
                    WHERE i < 10000) SELECT i, 'and some text' FROM n"
                ],
                // What failed left nothing behind, and everything goes on.
                ["query", "SELECT age FROM birds"],
            ]),
        )
        .await?;
        let cases: Vec<&str> = answers.iter().map(case).collect();
        let expected = [
            "",
            "",
            "constraint",
            "statement",
            "statement",
            "statement",
            "too-large",
            "",
        ];
        assert_eq!(cases, expected, "{answers:?}");
        assert_eq!(answers[7], json!([[1]]));
    }
    Ok(())
}

#[tokio::test]
async fn many_rows_are_written_in_one_call_all_or_none() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    let insert = "INSERT INTO birds VALUES ($1, $2, $3)";
    let twice = json!([
        "many",
        [insert, ["c", 3, 0.3], ["a", 4, 0.4], ["d", 5, 0.5]]
    ]);
    let names = json!(["query", "SELECT name FROM birds ORDER BY name"]);
    for provider in both(&databases).await? {
        let answers = run(
            &provider,
            json!([
                ["migrate", BIRDS],
                [
                    "many",
                    [insert, ["a", 1, 0.1], ["b", 2, null]],
                    [
                        "UPDATE birds SET age = $2 WHERE name = $1",
                        ["b", 7],
                        ["x", 8]
                    ],
                    ["DELETE FROM birds"]
                ],
                ["query", "SELECT name, age, weight FROM birds ORDER BY name"],
                twice,
                names,
                ["begin"],
                ["many", [insert, ["e", 6, 0.6]]],
                names,
                twice,
                ["drop"],
                names,
                [
                    "many",
                    ["DELETE FROM birds", []],
                    ["INSERT INTO nothing VALUES ($1)", [1]]
                ],
                ["many", [insert, ["f", 1]]],
                names,
                ["begin"],
                ["many", [insert, ["g", 7, 0.7]]],
                ["commit"],
                names,
            ]),
        )
        .await?;
        assert_eq!(
            answers[1],
            json!([2, 1, 0]),
            "a statement without rows runs never"
        );
        assert_eq!(answers[2], json!([["a", 1, 0.1], ["b", 7, null]]));
        let said = |answer: &Value, case: &str| answer[case].as_str().unwrap_or("").to_owned();
        for answer in [&answers[3], &answers[8]] {
            let why = said(answer, "constraint");
            assert!(why.starts_with("statement 1, parameters 2: "), "{answer}");
        }
        assert_eq!(
            answers[4],
            json!([["a"], ["b"]]),
            "none of what failed is there"
        );
        assert_eq!(answers[7], json!([["a"], ["b"], ["e"]]));
        assert_eq!(answers[10], json!([["a"], ["b"]]), "nor of its transaction");
        let why = said(&answers[11], "statement");
        assert!(why.starts_with("statement 2: "), "{why}");
        let why = said(&answers[12], "statement");
        assert!(why.starts_with("statement 1, parameters 1: "), "{why}");
        assert_eq!(answers[13], json!([["a"], ["b"]]));
        assert_eq!(answers[17], json!([["a"], ["b"], ["g"]]));
    }
    Ok(())
}

#[tokio::test]
async fn a_transaction_lasts_when_it_is_committed_and_never_otherwise() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    for provider in both(&databases).await? {
        let insert = |name: &str| json!(["execute", "INSERT INTO birds (name) VALUES ($1)", name]);
        run(&provider, json!([["migrate", BIRDS]])).await?;
        let answers = run(
            &provider,
            json!([
                ["begin"],
                insert("committed"),
                ["query", "SELECT name FROM birds"],
                ["commit"],
                ["begin"],
                insert("dropped"),
                ["drop"],
                ["begin"],
                ["begin"],
                ["drop"],
                [
                    "batch",
                    "INSERT INTO birds (name) VALUES ('batch')",
                    "INSERT INTO birds (name) VALUES ('committed')"
                ],
            ]),
        )
        .await?;
        assert_eq!(answers[2], json!([["committed"]]));
        // A connection has one at a time.
        assert_eq!(case(&answers[8]), "statement", "{answers:?}");
        assert_eq!(case(&answers[10]), "constraint", "{answers:?}");

        // A guest that traps, and one that keeps it open for a later call.
        let trapped = run(&provider, json!([["begin"], insert("trapped"), ["trap"]])).await;
        assert!(trapped.unwrap_err().to_string().contains("trapped"));
        run(&provider, json!([["begin"], insert("kept"), ["keep"]])).await?;
        let left = run(
            &provider,
            json!([
                insert("after"),
                ["query", "SELECT name FROM birds ORDER BY name"]
            ]),
        );
        assert_eq!(left.await?, [json!(1), json!([["after"], ["committed"]])]);
    }
    Ok(())
}

#[tokio::test]
async fn a_statement_ends_with_its_call_and_writers_go_on() -> Result<()> {
    const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
        SELECT COUNT(*) FROM n";
    let databases = Databases::new(LimitsConfig {
        call_timeout_millis: 1_500,
        ..LimitsConfig::default()
    })
    .await?;
    for provider in both(&databases).await? {
        run(&provider, json!([["migrate", BIRDS]])).await?;
        let endless = json!([
            ["begin"],
            ["execute", "INSERT INTO birds (name) VALUES ('lost')"],
            ["query", ENDLESS]
        ]);
        let ended = run(&provider, endless).await.unwrap_err();
        let ended = ended.downcast::<roost::ProviderError>()?;
        assert!(matches!(ended.kind(), Error::Timeout(_)), "{ended}");
        let next = json!([
            ["execute", "INSERT INTO birds (name) VALUES ('next')"],
            ["query", "SELECT name FROM birds"]
        ]);
        assert_eq!(run(&provider, next).await?, [json!(1), json!([["next"]])]);
    }
    Ok(())
}

#[tokio::test]
async fn many_writers_at_once_all_get_their_turn() -> Result<()> {
    const WRITERS: i64 = 40;
    let databases = Databases::new(LimitsConfig::default()).await?;
    for provider in both(&databases).await? {
        let provider = Arc::new(provider);
        // They meet in the migrations as well.
        let writers = (0..WRITERS).map(|number| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move {
                let name = format!("bird {number}");
                let steps = json!([
                    ["migrate", BIRDS],
                    ["begin"],
                    [
                        "execute",
                        "INSERT INTO birds (name, age) VALUES ($1, $2)",
                        name,
                        number
                    ],
                    ["commit"],
                ]);
                run(&provider, steps).await
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            assert_eq!(
                writer.await??,
                [json!(1), json!(null), json!(1), json!(null)]
            );
        }
        let sum = run(&provider, json!([["query", "SELECT COUNT(*) FROM birds"]]));
        assert_eq!(sum.await?, [json!([[WRITERS]])]);
    }
    Ok(())
}

#[tokio::test]
async fn migrations_are_run_once_and_a_newer_schema_is_refused() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    for provider in both(&databases).await? {
        let second = "ALTER TABLE birds ADD COLUMN colour TEXT";
        for steps in [json!([["migrate", BIRDS]]), json!([["migrate", BIRDS]])] {
            assert_eq!(run(&provider, steps).await?, [json!(1)]);
        }
        let insert = ["execute", "INSERT INTO birds (name) VALUES ('old')"];
        run(&provider, json!([insert])).await?;
        // One that fails takes all of it back.
        let failed = run(
            &provider,
            json!([["migrate", BIRDS, second, "CREATE TABLE ("]]),
        )
        .await?;
        assert_eq!(case(&failed[0]), "statement");
        let select = ["query", "SELECT name, colour FROM birds"];
        let answers = run(&provider, json!([["migrate", BIRDS, second], select])).await?;
        assert_eq!(answers, [json!(2), json!([["old", null]])]);
        let older = run(&provider, json!([["migrate", BIRDS]])).await?;
        assert_eq!(case(&older[0]), "corrupt");
        assert!(
            older[0]["corrupt"].as_str().unwrap().contains("newer"),
            "{older:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn nothing_outside_of_the_database_can_be_reached() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    let other = databases.sqlite("other");
    run(&other, json!([["migrate", BIRDS]])).await?;
    let theirs = databases.folder.path().join("other.db");
    let [sqlite, postgres] = both(&databases).await?;
    let refused = |steps: Vec<String>| -> Value {
        steps.into_iter().map(|sql| json!(["query", sql])).collect()
    };
    let answers = run(
        &sqlite,
        refused(vec![
            format!("ATTACH '{}' AS other", theirs.display()),
            "PRAGMA max_page_count = 1000000".to_owned(),
            "PRAGMA journal_mode = off".to_owned(),
            "SELECT * FROM pragma_database_list".to_owned(),
            "SELECT load_extension('/tmp/evil.so')".to_owned(),
            "BEGIN".to_owned(),
            "SAVEPOINT a".to_owned(),
            format!(
                "VACUUM INTO '{}'",
                databases.folder.path().join("copy.db").display()
            ),
            "CREATE VIRTUAL TABLE t USING fts5 (a)".to_owned(),
            "UPDATE roost_owner SET connection = 'other'".to_owned(),
        ]),
    )
    .await?;
    for answer in &answers {
        assert_eq!(case(answer), "statement", "{answers:?}");
    }
    assert!(!databases.folder.path().join("copy.db").exists());
    let answers = run(
        &postgres,
        refused(
            [
                "COPY (SELECT 1) TO PROGRAM 'touch /tmp/evil'",
                "SET search_path = public",
                "RESET ALL",
                "CREATE EXTENSION dblink",
                "SELECT pg_read_file('/etc/passwd')",
                "SELECT * FROM pg_authid",
                "DO $$ BEGIN END $$",
            ]
            .map(str::to_owned)
            .into(),
        ),
    )
    .await?;
    for answer in &answers {
        assert_eq!(case(answer), "statement", "{answers:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_belongs_to_one_connection() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    let first = databases.connect("first", Some("sqlite:shared.db"), 1 << 30);
    run(&first, json!([["migrate", BIRDS]])).await?;
    let second = databases.connect("second", Some("sqlite:shared.db"), 1 << 30);
    let refused = run(&second, json!([["query", "SELECT * FROM birds"]])).await?;
    let why = refused[0]["unavailable"].as_str().unwrap();
    assert!(why.contains("[connections.first]"), "{why}");

    // On a server roles keep them apart, and one that could reach both is refused.
    let server = Postgres::shared().await?;
    let address = server.database().await?;
    let first = databases.connect("first", Some(&address), 1 << 30);
    run(&first, json!([["migrate", BIRDS]])).await?;
    let second = databases.connect("second", Some(&address), 1 << 30);
    let refused = run(&second, json!([["query", "SELECT 1"]])).await?;
    let why = refused[0]["unavailable"].as_str().unwrap();
    assert!(
        why.contains("roost_first") && why.contains("CREATE ROLE"),
        "{why}"
    );

    let database = address.rsplit('/').next().unwrap();
    server
        .admin(&format!("CREATE ROLE second_{database} LOGIN"))
        .await?;
    let grant = format!("GRANT CREATE ON DATABASE {database} TO second_{database}");
    server.admin(&grant).await?;
    let role = server.address(&format!("second_{database}"), database);
    let second = databases.connect("second", Some(&role), 1 << 30);
    let answers = run(
        &second,
        json!([
            ["migrate", BIRDS],
            ["query", "SELECT * FROM roost_first.birds"],
            [
                "execute",
                "INSERT INTO roost_first.birds (name) VALUES ('cuckoo')"
            ],
            [
                "query",
                "SELECT query_to_xml('SELECT * FROM roost_first.birds', true, true, '')::text"
            ],
        ]),
    )
    .await?;
    assert_eq!(answers[0], json!(1));
    for answer in &answers[1..] {
        assert!(
            answer["statement"]
                .as_str()
                .unwrap()
                .contains("permission denied"),
            "{answers:?}"
        );
    }

    let admin = server.address("admin", "postgres");
    let superuser = databases.connect("x", Some(&admin), 1 << 30);
    let refused = run(&superuser, json!([["query", "SELECT 1"]])).await?;
    assert!(
        refused[0]["unavailable"]
            .as_str()
            .unwrap()
            .contains("files of the server")
    );
    Ok(())
}

#[tokio::test]
async fn a_full_database_says_so_and_can_be_emptied() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    let address = Postgres::shared().await?.database().await?;
    let text = "x".repeat(20_000);
    let insert = json!(["execute", "INSERT INTO pages VALUES ($1)", text]);
    let many: Vec<Value> = std::iter::repeat_n(insert.clone(), 120).collect();
    let sqlite = databases.connect("small", None, 1 << 20);
    run(
        &sqlite,
        json!([["migrate", "CREATE TABLE pages (text TEXT)"]]),
    )
    .await?;
    let answers = run(&sqlite, Value::from(many)).await?;
    assert_eq!(case(answers.last().unwrap()), "full", "{answers:?}");
    let answers = run(&sqlite, json!([["execute", "DELETE FROM pages"], insert])).await?;
    assert_eq!(
        (answers[0].as_u64() > Some(10), &answers[1]),
        (true, &json!(1))
    );

    // Measured from time to time only, so a new process looks at once.
    let postgres = databases.connect("small", Some(&address), 1);
    let answers = run(
        &postgres,
        json!([
            [
                "migrate",
                "CREATE TABLE pages (text TEXT); ".trim_end_matches("; ")
            ],
            insert,
            ["execute", "DELETE FROM pages"]
        ]),
    )
    .await?;
    assert_eq!(case(&answers[1]), "full", "{answers:?}");
    assert_eq!(answers[2], json!(0));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_opened_is_named_and_left_as_it_is() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    let path = databases.folder.path().join("damaged.db");
    fs::write(&path, "this was a database once".repeat(500))?;
    let before = fs::read(&path)?;
    let damaged = run(&databases.sqlite("damaged"), json!([["migrate", BIRDS]])).await?;
    let why = damaged[0]["corrupt"].as_str().unwrap();
    assert!(why.contains("damaged.db"), "{why}");
    assert_eq!(fs::read(&path)?, before);

    // Damage in the middle is found when it is read.
    let provider = databases.sqlite("holed");
    let rows = "INSERT INTO birds (name) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 \
        FROM n WHERE i < 20000) SELECT 'bird number ' || i FROM n";
    run(&provider, json!([["migrate", BIRDS], ["execute", rows]])).await?;
    damage(&databases, "holed").await?;
    let answers = run(
        &provider,
        json!([["query", "SELECT COUNT(*), MAX(weight) FROM birds"]]),
    )
    .await?;
    assert_eq!(case(&answers[0]), "corrupt", "{answers:?}");

    // No password is shown.
    let address = "postgres://user:hush-hush@127.0.0.1:1/none";
    let away = databases.connect("away", Some(address), 1 << 30);
    let answers = run(&away, json!([["query", "SELECT 1"]])).await?;
    let why = answers[0]["unavailable"].as_str().unwrap();
    assert!(
        why.contains("[connections.away]") && !why.contains("hush"),
        "{why}"
    );
    let wrong = databases.connect("wrong", Some("mysql://user:hush-hush@host/db"), 1 << 30);
    let answers = run(&wrong, json!([])).await?;
    let why = answers[0]["unavailable"].as_str().unwrap();
    assert!(
        why.contains("postgres://") && !why.contains("hush"),
        "{why}"
    );
    Ok(())
}

/// Overwrite some pages in the middle of a database that nobody has open.
async fn damage(databases: &Databases, name: &str) -> Result<()> {
    let path = databases.folder.path().join(format!("{name}.db"));
    let log = path.with_extension("db-wal");
    eventually("the database is closed", SOON, async || {
        anyhow::ensure!(!log.exists());
        Ok(())
    })
    .await?;
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 3;
    bytes[middle..middle * 2].fill(0xa5);
    Ok(fs::write(path, bytes)?)
}

/// What the address says of TLS: whom to believe, and that the name has to be the server's.
#[tokio::test]
async fn a_server_shows_a_certificate_for_its_name_by_an_authority_that_is_believed() -> Result<()>
{
    let authority = || -> Result<_> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        Ok(CertifiedIssuer::self_signed(params, key)?)
    };
    let (ours, other) = (authority()?, authority()?);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?;
    let certificate = certificate.signed_by(&key, &ours)?;
    let server = Postgres::shared().await?;
    server
        .offer_tls(&certificate.pem(), &key.serialize_pem())
        .await?;
    let databases = Databases::new(LimitsConfig::default()).await?;
    let file = |name: &str, pem: String| -> Result<String> {
        let file = databases.folder.path().join(name);
        fs::write(&file, pem)?;
        Ok(file.display().to_string())
    };
    let (ours, other) = (
        file("ours.pem", ours.pem())?,
        file("other.pem", other.pem())?,
    );
    let (name, number) = ("localhost", "127.0.0.1");
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let ask = json!([["query", sql]]);

    let cases = [
        (name, "verify-full", &ours, None),
        (name, "require", &ours, None),
        (name, "verify-full", &other, Some("certificate")),
        (number, "verify-full", &ours, Some("certificate")),
    ];
    for (place, (host, mode, authorities, refused)) in cases.into_iter().enumerate() {
        let address = server.database().await?.replace(number, host);
        let address = format!("{address}?sslmode={mode}&sslrootcert={authorities}");
        let provider = databases.connect(&format!("tls{place}"), Some(&address), 1 << 30);
        let answer = run(&provider, ask.clone()).await?;
        let told = answer[0].to_string();
        match refused {
            None => assert!(told.contains("true"), "{address}: {told}"),
            Some(why) => {
                assert_eq!(case(&answer[0]), "unavailable", "{address}: {told}");
                assert!(told.contains(why), "{address}: {told}");
            }
        }
    }
    Ok(())
}
