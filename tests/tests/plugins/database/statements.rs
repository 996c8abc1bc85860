//! What statements do, alone, many at once and in transactions, beside those of others.

use std::sync::Arc;

use anyhow::Result;
use roost::config::LimitsConfig;
use roost::contract::Error;
use serde_json::{Value, json};

use super::{BIRDS, Databases, both, case, run};

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
        let why = answers[6]["too-large"].as_str().unwrap_or_default();
        let setting = "raise response_bytes under [limits] or [connections.default.limits]";
        assert!(why.contains(setting), "{why}");
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

/// SQLite ends the transaction by itself, and PostgreSQL takes nothing more in it.
#[tokio::test]
async fn after_an_error_that_ends_a_transaction_nothing_is_written_in_it() -> Result<()> {
    let databases = Databases::new(LimitsConfig::default()).await?;
    for provider in both(&databases).await? {
        let insert = |name: &str| json!(["execute", "INSERT INTO birds (name) VALUES ($1)", name]);
        let ending = "INSERT OR ROLLBACK INTO birds (name) VALUES ('first')";
        let steps = json!([
            ["migrate", BIRDS],
            insert("first"),
            ["begin"],
            insert("second"),
            ["execute", ending],
            insert("third"),
            ["commit"],
            insert("fourth"),
            ["query", "SELECT name FROM birds ORDER BY name"],
        ]);
        let answers = run(&provider, steps).await?;
        assert!(
            answers[4..7].iter().all(|it| !case(it).is_empty()),
            "{answers:?}"
        );
        assert_eq!(answers[8], json!([["first"], ["fourth"]]));
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
