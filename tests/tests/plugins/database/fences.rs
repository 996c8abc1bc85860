//! What a database is kept from, and what is said of one that cannot be used.

use std::fs;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use roost::config::LimitsConfig;
use roost_tests::{Postgres, eventually};
use serde_json::{Value, json};

use super::{BIRDS, Databases, both, case, run};
use crate::fixture::SOON;

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
