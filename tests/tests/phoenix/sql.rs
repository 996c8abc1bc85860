//! SQL over the spans of a real Phoenix.

use std::time::Duration;

use anyhow::{Result, ensure};
use roost::contract::{Error, Span, TimeWindow};
use roost::query::arrow::array::{AsArray, RecordBatch};
use roost::query::arrow::datatypes::{Float64Type, Int64Type};
use roost::query::{QueryError, SqlOptions};
use roost_tests::unique;

use crate::Service;

struct Table {
    service: Service,
    tenant: String,
    project: String,
    spans: Vec<Span>,
}

impl Table {
    /// Thirty spans of three names, with tokens.
    async fn new() -> Result<Self> {
        let service = Service::shared().await?;
        let tenant = unique("acme");
        for place in 0..30_i64 {
            service
                .telemetry
                .span(
                    ["answer", "embed", "rank"][usize::try_from(place % 3)?],
                    &tenant,
                )
                .kind("LLM")
                .attribute("llm.token_count.total", place)
                .attribute(
                    "llm.model_name",
                    if place < 10 { "größer 🦉" } else { "gpt-4" },
                )
                .in_scope(|_| std::thread::sleep(Duration::from_micros(200)));
        }
        service.delivered().await?;
        let spans = service.spans(&tenant, 30).await?;
        let project = service.project(&tenant)?;
        Ok(Self {
            service,
            tenant,
            project,
            spans,
        })
    }

    async fn ask(&self, statement: &str) -> Result<RecordBatch, QueryError> {
        self.ask_with(statement, SqlOptions::default()).await
    }

    async fn ask_with(
        &self,
        statement: &str,
        options: SqlOptions,
    ) -> Result<RecordBatch, QueryError> {
        let provider = self.service.provider(&self.tenant).unwrap();
        let traces = provider.traces();
        let answer = traces.sql_with(&self.project, TimeWindow::all(), statement, options);
        answer.await?.collect().await
    }
}

fn names(batch: &RecordBatch) -> Vec<String> {
    let schema = batch.schema();
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

fn texts(batch: &RecordBatch, column: usize) -> Vec<Option<&str>> {
    batch.column(column).as_string::<i32>().iter().collect()
}

fn counts(batch: &RecordBatch, column: usize) -> Vec<i64> {
    batch
        .column(column)
        .as_primitive::<Int64Type>()
        .values()
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_answer_what_they_say() -> Result<()> {
    let table = Table::new().await?;
    let all = table.ask("SELECT count(*) FROM spans").await?;
    assert_eq!(
        (names(&all), counts(&all, 0)),
        (vec!["count(*)".to_owned()], vec![30])
    );

    let grouped = table
        .ask(
            "SELECT name, approx_percentile_cont(latency_ms, 0.95), count(*) AS n, \
              sum(attributes['llm.token_count.total']) AS tokens FROM spans \
              WHERE span.kind = 'LLM' GROUP BY name ORDER BY name",
        )
        .await?;
    assert_eq!(
        names(&grouped),
        [
            "name",
            "approx_percentile_cont(latency_ms, 0.95)",
            "n",
            "tokens"
        ]
    );
    assert_eq!(
        texts(&grouped, 0),
        [Some("answer"), Some("embed"), Some("rank")]
    );
    assert_eq!(counts(&grouped, 2), [10, 10, 10]);
    let tokens = grouped
        .column(3)
        .as_primitive::<Float64Type>()
        .values()
        .to_vec();
    assert_eq!(tokens, [135.0, 145.0, 155.0]);

    let whole = table
        .ask("SELECT * FROM spans ORDER BY start_time LIMIT 1")
        .await?;
    assert_eq!(names(&whole)[..2], ["context.trace_id", "context.span_id"]);
    assert_eq!(names(&whole).last().unwrap(), "attributes");
    let attributes = whole.column_by_name("attributes").unwrap();
    let attributes: serde_json::Value =
        serde_json::from_str(attributes.as_string::<i32>().value(0))?;
    assert_eq!(attributes["llm.model_name"], "größer 🦉");
    let id = whole.column_by_name("context.span_id").unwrap();
    assert_eq!(id.as_string::<i32>().value(0), table.spans[0].span_id);

    let named = table
        .ask(
            "SELECT span_id, duration, attributes['llm.model_name'], s.name FROM spans s \
              WHERE attributes.llm.model_name LIKE 'gr%' ORDER BY duration DESC",
        )
        .await?;
    assert_eq!(
        names(&named),
        [
            "span_id",
            "duration",
            "attributes['llm.model_name']",
            "name"
        ]
    );
    assert_eq!(texts(&named, 2), vec![Some("größer 🦉"); 10]);
    let durations = named.column(1).as_primitive::<Float64Type>().values();
    assert!(durations.is_sorted_by(|left, right| left >= right));

    let distinct = table
        .ask("SELECT DISTINCT attributes['llm.model_name'] FROM spans ORDER BY attributes['llm.model_name']")
        .await?;
    assert_eq!(texts(&distinct, 0), [Some("gpt-4"), Some("größer 🦉")]);

    let common = table
        .ask("WITH slow AS (SELECT name, duration AS d FROM spans WHERE duration > 0) \
              SELECT slow.name, count(*) FROM slow WHERE d > 0 GROUP BY slow.name ORDER BY slow.name")
        .await?;
    assert_eq!(counts(&common, 1), [10, 10, 10]);
    let joined = table
        .ask("SELECT count(*) FROM spans a JOIN spans b ON a.span_id = b.span_id WHERE a.name = 'rank'")
        .await?;
    assert_eq!(counts(&joined, 0), [10]);
    let inner = table
        .ask("SELECT count(*) FROM (SELECT name FROM spans LIMIT 7) t")
        .await?;
    assert_eq!(counts(&inner, 0), [7]);
    let latest = table
        .ask("SELECT count(*) FROM spans WHERE latency_ms >= (SELECT max(latency_ms) FROM spans)")
        .await?;
    assert!(counts(&latest, 0)[0] >= 1);
    let hours = table
        .ask("SELECT date_trunc('hour', start_time) AS hour, count(*) FROM spans GROUP BY hour")
        .await?;
    assert_eq!(counts(&hours, 1).iter().sum::<i64>(), 30);
    let none = table
        .ask("SELECT name FROM spans WHERE name = 'nobody'")
        .await?;
    assert_eq!(
        (names(&none), none.num_rows()),
        (vec!["name".to_owned()], 0)
    );
    let every = table.ask("SELECT name FROM spans LIMIT 0").await?;
    assert_eq!(every.num_rows(), 0);
    Ok(())
}

#[tokio::test]
async fn nothing_but_spans_is_reached() -> Result<()> {
    let table = Table::new().await?;
    let file = tempfile::Builder::new().suffix(".csv").tempfile()?;
    std::fs::write(file.path(), "a\n1\n")?;
    let path = file.path().display();
    for statement in [
        "DROP TABLE spans".to_owned(),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{path}'"),
        format!("COPY (SELECT name FROM spans) TO '{path}'"),
        format!("COPY spans TO '{path}' STORED AS CSV"),
        format!("SELECT * FROM '{path}'"),
        format!("SELECT * FROM \"{path}\""),
        format!("SELECT * FROM read_csv('{path}')"),
        format!("INSERT INTO spans SELECT * FROM '{path}'"),
        "INSERT INTO spans VALUES (1)".to_owned(),
        "DELETE FROM spans".to_owned(),
        "SET datafusion.catalog.information_schema = true".to_owned(),
        "SHOW TABLES".to_owned(),
        "EXPLAIN SELECT 1".to_owned(),
        "SELECT * FROM information_schema.tables".to_owned(),
        "SELECT * FROM datafusion.public.other".to_owned(),
        "SELECT * FROM generate_series(1, 1000000000)".to_owned(),
        "SELECT repeat('x', 1000000000)".to_owned(),
        "SELECT name FROM spans LIMIT length(repeat('x', 1000000000))".to_owned(),
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t"
            .to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        "SELECT name INTO t FROM spans".to_owned(),
        "name = 'x'".to_owned(),
        String::new(),
    ] {
        let error = table.ask(&statement).await.unwrap_err();
        assert!(
            matches!(error, QueryError::Statement(_)),
            "{statement}: {error:?}"
        );
    }
    assert_eq!(std::fs::read_to_string(file.path())?, "a\n1\n");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_said_and_the_providers_errors_are_its_own() -> Result<()> {
    let table = Table::new().await?;
    for (statement, part) in [
        ("SELECT latencyms FROM spans", "did you mean `latency_ms`"),
        ("SELECT name FROM spams", "there is one, `spans`"),
        ("SELECT name FROM spans GROUP BY", "cannot be read"),
        ("SELECT name, count(*) FROM spans", "GROUP BY"),
        ("SELECT nosuch(name) FROM spans", "nosuch"),
    ] {
        let error = table.ask(statement).await.unwrap_err().to_string();
        assert!(error.contains(part), "{statement}: {error}");
    }
    let error = table
        .ask("SELECT CAST(name AS INT) FROM spans")
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::Failed(_)), "{error:?}");

    let provider = table.service.provider(&table.tenant)?;
    let nowhere = table
        .service
        .telemetry
        .project_name(&table.tenant, Some("nowhere"))?;
    let statement = "SELECT name, count(*) FROM spans GROUP BY name ORDER BY name";
    let answer = provider
        .traces()
        .sql(&nowhere, TimeWindow::all(), statement)
        .await?;
    let error = answer.collect().await.unwrap_err();
    let QueryError::Provider(error) = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
    let foreign = table.service.project(&unique("other"))?;
    let refused = provider
        .traces()
        .sql(&foreign, TimeWindow::all(), statement)
        .await;
    let Err(QueryError::Provider(error)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        matches!(error.kind(), Error::PermissionDenied(_)),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_memory_and_time_are_kept() -> Result<()> {
    let table = Table::new().await?;
    let crossed = "SELECT a.name, b.name, c.name, d.name FROM spans a, spans b, spans c, spans d, spans e \
                   ORDER BY a.latency_ms + b.latency_ms * c.latency_ms - d.latency_ms + e.latency_ms";
    let options = SqlOptions {
        memory_limit: 1 << 20,
        spill_limit: 1 << 20,
        ..SqlOptions::default()
    };
    let error = table.ask_with(crossed, options).await.unwrap_err();
    assert!(matches!(error, QueryError::OutOfMemory { .. }), "{error:?}");
    assert!(error.to_string().contains("memory_limit"), "{error}");

    // On its way to the deadline it must not meet the other limit.
    let options = SqlOptions {
        deadline: Duration::from_millis(100),
        memory_limit: 4 << 30,
        ..SqlOptions::default()
    };
    let began = std::time::Instant::now();
    let endless = "SELECT count(*) FROM spans a, spans b, spans c, spans d, spans e, spans f, spans g \
                   WHERE a.latency_ms + b.latency_ms + c.latency_ms + d.latency_ms > e.latency_ms + f.latency_ms";
    let error = table.ask_with(endless, options).await.unwrap_err();
    ensure!(matches!(error, QueryError::Deadline { .. }), "{error:?}");
    // Not a measure of speed: without the deadline it would be days.
    ensure!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    Ok(())
}
