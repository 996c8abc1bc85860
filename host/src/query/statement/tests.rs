#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;

use super::super::tests::span;
use super::super::{array, parse};
use super::*;
use crate::contract::{AttributeValue, Span};

/// Three spans, which no order sorts as another one does.
fn spans() -> Vec<Span> {
    let of = |name: &str, latency: u64, rank: i64| {
        let mut span = span(&[("rank", AttributeValue::Integer(rank))]);
        span.name = name.to_owned();
        span.end_time = span.start_time + latency * 1_000_000;
        span
    };
    vec![of("b", 1, 3), of("c", 3, 2), of("a", 2, 1)]
}

async fn run(statement: &str) -> Result<Vec<RecordBatch>, String> {
    let mut query = parse::query(statement).map_err(|why| why.to_string())?;
    let mut rewriter = Rewriter::of_statements(vec![None]);
    rewriter.query(&mut query).map_err(|why| why.to_string())?;
    let columns: Vec<Column> = rewriter.columns.into_iter().collect();
    let batch = array::batch(&array::schema(&columns), &columns, &spans()).unwrap();
    let context = SessionContext::new();
    context.register_batch(TABLE, batch).unwrap();
    let frame = context.sql(&query.to_string()).await;
    let frame = frame.map_err(|why| format!("planned: {why}"))?;
    frame
        .collect()
        .await
        .map_err(|why| format!("executed: {why}"))
}

/// The first column of the answer, a value a word.
async fn ask(statement: &str) -> String {
    let batches = run(statement).await;
    let batches = batches.unwrap_or_else(|why| panic!("{statement}: {why}"));
    let values = batches.iter().flat_map(|batch| {
        let column = batch.column(0);
        (0..column.len()).map(|row| array_value_to_string(column, row).unwrap())
    });
    values.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_aggregate_takes_its_values_in_an_order_of_spans() {
    for (order, answer) in [
        ("duration", "[b, a, c]"),
        ("span.latency_ms DESC", "[c, a, b]"),
        ("attributes['rank']", "[a, c, b]"),
        ("name", "[a, b, c]"),
    ] {
        let statement = format!("SELECT array_agg(name ORDER BY {order}) FROM spans");
        assert_eq!(ask(&statement).await, answer, "{statement}");
    }
    let first = "SELECT first_value(name IGNORE NULLS ORDER BY duration) FROM spans";
    assert_eq!(ask(first).await, "b");
    for (statement, part) in [
        (
            "SELECT array_agg(name ORDER BY nonsense) FROM spans",
            "nonsense",
        ),
        ("SELECT array_agg(name LIMIT 2) FROM spans", "LIMIT 2"),
    ] {
        let error = run(statement).await.unwrap_err();
        assert!(error.contains(part), "{statement}: {error}");
        assert!(!error.starts_with("planned"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn what_is_united_is_sorted_by_its_answer() {
    for (statement, answer) in [
        (
            "SELECT name FROM spans UNION ALL SELECT 'bb' ORDER BY name",
            "a b bb c",
        ),
        (
            "SELECT name FROM spans UNION ALL SELECT name FROM spans ORDER BY 1 DESC",
            "c c b b a a",
        ),
        (
            "SELECT name, duration FROM spans UNION SELECT name, duration FROM spans \
             ORDER BY duration",
            "b a c",
        ),
        (
            "SELECT name, attributes.rank FROM spans UNION SELECT name, attributes.rank \
             FROM spans ORDER BY attributes.rank",
            "a c b",
        ),
        (
            "SELECT name, latency_ms AS D FROM spans EXCEPT SELECT 'a', 2.0 ORDER BY d",
            "b c",
        ),
        ("(SELECT name FROM spans) ORDER BY name", "a b c"),
        (
            "WITH t AS (SELECT name FROM spans) SELECT * FROM t UNION ALL SELECT * FROM t \
             ORDER BY name",
            "a a b b c c",
        ),
        (
            "WITH t AS (SELECT name, duration AS d FROM spans) SELECT t.name, t.D FROM t \
             UNION SELECT t.name, t.d FROM t ORDER BY d DESC",
            "c a b",
        ),
    ] {
        assert_eq!(ask(statement).await, answer, "{statement}");
    }
    for order in ["duration", "lower(name)", "(SELECT max(name) FROM spans)"] {
        let statement =
            format!("SELECT name FROM spans UNION SELECT name FROM spans ORDER BY {order}");
        let error = run(&statement).await.unwrap_err();
        assert!(error.contains("no column of the answer (name)"), "{error}");
    }
}

/// The rewritten statement over the spans of these owners.
fn rewritten(owners: &[&str], statement: &str) -> Result<String, String> {
    let owners = owners.iter().map(|owner| Some((*owner).to_owned()));
    let mut query = parse::query(statement).map_err(|why| why.to_string())?;
    let mut rewriter = Rewriter::of_statements(owners.collect());
    rewriter.query(&mut query).map_err(|why| why.to_string())?;
    Ok(query.to_string())
}

#[test]
fn a_table_is_called_by_its_owner_and_by_itself_where_it_is_alone() {
    let owners = ["acme", "Globex-1"];
    for (written, table) in [
        ("acme.spans", r#""acme.spans" AS "spans""#),
        ("ACME.Spans AS a", r#""acme.spans" AS a"#),
        (r#""Globex-1".spans"#, r#""Globex-1.spans" AS "spans""#),
    ] {
        let rewritten = rewritten(&owners, &format!("SELECT 1 AS x FROM {written}")).unwrap();
        assert_eq!(rewritten, format!("SELECT 1 AS x FROM {table}"));
    }
    for unknown in [
        "spans",
        r#""ACME".spans"#,
        "other.spans",
        "acme.spans.spans",
        "acme.traces",
    ] {
        let refused = rewritten(&owners, &format!("SELECT 1 FROM {unknown}")).unwrap_err();
        let there = r#"there is `"acme".spans`, `"Globex-1".spans`"#;
        assert!(refused.ends_with(there), "{refused}");
    }
    for alone in ["spans", "acme.spans"] {
        let rewritten = rewritten(&["acme"], &format!("SELECT 1 AS x FROM {alone}")).unwrap();
        assert_eq!(rewritten, r#"SELECT 1 AS x FROM "spans""#);
    }
    let twice = "SELECT 1 FROM acme.spans JOIN \"Globex-1\".spans ON true";
    let refused = rewritten(&owners, twice).unwrap_err();
    assert!(refused.contains("two tables called `spans`"), "{refused}");
}
