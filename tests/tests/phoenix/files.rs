//! Files that Roost writes, read with pandas and pyarrow, and files that it reads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use roost::contract::{AnnotatorKind, Error, Target, TimeWindow};
use roost::provider::SpanQuery;
use roost::query::{
    FileError, FileSource, FileTarget, Format, RecordColumns, annotation_frame, read_frame,
    read_records, span_targets,
};
use roost_tests::{Phoenix, unique};
use serde_json::{Value, json};

use crate::Service;

/// What Python reads from a file.
async fn python(path: &Path, format: &str) -> Result<Value> {
    let input = json!({ "path": path, "format": format });
    roost_tests::pandas("read_table.py", &input).await
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn a_file_of_spans_opens_with_pandas_and_pyarrow() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let large = "größer 🦉, \"quoted\"\n".repeat(80_000);
    for place in 0..3_i64 {
        let mut span = service
            .telemetry
            .span("answer", &tenant)
            .kind("LLM")
            .attribute("place", place)
            .attribute("score", 0.1 + 0.2)
            .attribute("cached", place == 1)
            .attribute("input.value", "one, \"two\"\nthree 🦉");
        span = match place {
            0 => span.attribute("mixed", 7),
            1 => span
                .attribute("mixed", "x")
                .attribute("large", large.clone()),
            _ => span,
        };
        span.in_scope(|_| ());
    }
    service.delivered().await?;
    let spans = service.spans(&tenant, 3).await?;
    let provider = service.provider(&tenant)?;
    let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::all());
    let folder = tempfile::tempdir()?;
    for format in ["parquet", "csv", "jsonl"] {
        let path = folder.path().join(format!("spans.{format}"));
        let told = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&told);
        let target =
            FileTarget::path(&path).on_progress(move |rows| seen.store(rows, Ordering::Relaxed));
        let report = provider
            .traces()
            .export_spans(&query, target, Format::of(&path)?)
            .await?;
        assert_eq!((report.rows, told.load(Ordering::Relaxed)), (3, 3));
        assert_eq!(report.bytes, std::fs::metadata(&path)?.len());

        let read = python(&path, format).await?;
        let mut rows = read["rows"].as_array().unwrap().clone();
        rows.sort_by_key(|row| row["attributes.place"].as_i64());
        assert_eq!(rows.len(), 3, "{format}");
        for (row, span) in rows.iter().zip(&spans) {
            assert_eq!(row["context.span_id"], span.span_id, "{format}");
            assert_eq!(row["name"], "answer");
            assert_eq!(row["span_kind"], "LLM");
            assert_eq!(row["attributes.score"], json!(0.1 + 0.2));
            assert_eq!(row["attributes.input.value"], "one, \"two\"\nthree 🦉");
            assert_eq!(row["latency_ms"], json!(span.latency_ms()));
        }
        assert_eq!(rows[1]["attributes.large"], large, "{format}");
        assert_eq!(rows[1]["attributes.cached"], json!(true), "{format}");
        let mixed = if format == "jsonl" {
            json!(7)
        } else {
            json!("7")
        };
        assert_eq!(rows[0]["attributes.mixed"], mixed, "{format}");
        if format == "parquet" {
            for (column, kind) in [
                ("context.trace_id", "string"),
                ("start_time", "timestamp[ns, tz=UTC]"),
                ("latency_ms", "double"),
                ("attributes.place", "int64"),
                ("attributes.score", "double"),
                ("attributes.cached", "bool"),
                ("attributes.mixed", "string"),
                ("events", "string"),
            ] {
                assert_eq!(read["types"][column], kind, "{column}");
            }
        }
    }
    assert_eq!(files(folder.path()), 3);
    Ok(())
}

#[tokio::test]
async fn no_spans_make_a_file_with_the_standard_columns() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    service.telemetry.span("one", &tenant).in_scope(|_| ());
    service.delivered().await?;
    service.spans(&tenant, 1).await?;
    let provider = service.provider(&tenant)?;
    let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::new(0, 1));
    let folder = tempfile::tempdir()?;
    for format in ["parquet", "csv"] {
        let path = folder.path().join(format!("none.{format}"));
        let report = provider
            .traces()
            .export_spans(&query, path.as_path(), format.parse()?)
            .await?;
        assert_eq!(report.rows, 0);
        let read = python(&path, format).await?;
        assert_eq!(read["rows"], json!([]));
        assert!(read["types"].get("context.span_id").is_some(), "{read}");
        assert!(read["types"].get("end_time").is_some(), "{read}");
    }
    let path = folder.path().join("none.jsonl");
    provider
        .traces()
        .export_spans(&query, path.as_path(), Format::JsonLines)
        .await?;
    assert_eq!(std::fs::read(&path)?, b"");
    Ok(())
}

#[tokio::test]
async fn a_failure_leaves_what_was_there() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let provider = service.provider(&tenant)?;
    let nowhere = SpanQuery::new(service.project(&tenant)?, TimeWindow::all());
    let folder = tempfile::tempdir()?;
    for format in [Format::Parquet, Format::Csv, Format::JsonLines] {
        let path = folder.path().join("spans");
        std::fs::write(&path, "before")?;
        let error = provider
            .traces()
            .export_spans(&nowhere, path.as_path(), format)
            .await
            .unwrap_err();
        let FileError::Provider(error) = error else {
            panic!("{error:?}");
        };
        assert!(matches!(error.kind(), Error::NotFound(_)), "{error}");
        // The writing thread lets go of its file once it has seen the failure.
        roost_tests::eventually("the temporary file is gone", crate::SOON, async || {
            anyhow::ensure!(files(folder.path()) == 1);
            Ok(())
        })
        .await?;
        assert_eq!(std::fs::read_to_string(&path)?, "before");
    }
    service.telemetry.span("one", &tenant).in_scope(|_| ());
    service.delivered().await?;
    service.spans(&tenant, 1).await?;
    let missing = folder.path().join("missing/spans.csv");
    let error = provider
        .traces()
        .export_spans(&nowhere, missing.as_path(), Format::Csv)
        .await
        .unwrap_err();
    assert!(matches!(error, FileError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("missing/spans.csv"), "{error}");
    Ok(())
}

#[tokio::test]
async fn answers_of_statements_are_written_as_well() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    for _ in 0..4 {
        service.telemetry.span("answer", &tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    service.spans(&tenant, 4).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let folder = tempfile::tempdir()?;
    for format in ["parquet", "csv", "jsonl"] {
        let path = folder.path().join(format!("answer.{format}"));
        let statement = "SELECT name, count(*) AS n, avg(latency_ms) FROM spans GROUP BY name";
        let answer = provider
            .traces()
            .sql(&project, TimeWindow::all(), statement)
            .await?;
        answer.write_to(path.as_path(), format.parse()?).await?;
        let read = python(&path, format).await?;
        assert_eq!(read["rows"][0]["name"], "answer");
        assert_eq!(read["rows"][0]["n"], 4);
        assert!(read["rows"][0]["avg(latency_ms)"].is_number(), "{read}");
    }
    Ok(())
}

#[tokio::test]
async fn records_are_read_from_all_formats() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let csv = folder.path().join("q.csv");
    std::fs::write(
        &csv,
        "\u{feff}question,answer,id\n\"größer, 🦉\nline\",yes,0007\nplain,,\n",
    )?;
    let lines = folder.path().join("q.jsonl");
    std::fs::write(
        &lines,
        "{\"input\": {\"question\": \"größer, 🦉\\nline\"}, \"output\": {\"answer\": \"yes\"}, \"id\": \"0007\"}\n\n\
         {\"input\": {\"question\": \"plain\"}}\n",
    )?;
    for path in [&csv, &lines] {
        let mut records =
            read_records(path.as_path(), Format::of(path)?, &RecordColumns::default());
        let part = records.next().await?.unwrap();
        assert_eq!(part.len(), 2);
        assert_eq!(part[0].key.as_deref(), Some("0007"));
        assert_eq!(
            serde_json::from_str::<Value>(&part[0].input)?,
            json!({"question": "größer, 🦉\nline"})
        );
        assert_eq!(part[0].output.as_deref(), Some("{\"answer\":\"yes\"}"));
        assert_eq!(
            serde_json::from_str::<Value>(&part[1].input)?,
            json!({"question": "plain"})
        );
        assert_eq!((&part[1].key, &part[1].output), (&None, &None));
        assert!(records.next().await?.is_none());
        assert!(records.next().await?.is_none());
    }
    // More than a part, from a pipe.
    let many: String = (0..1200).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    let source = FileSource::reader(std::io::Cursor::new(many.clone()));
    let mut records = read_records(source, Format::JsonLines, &RecordColumns::default());
    let mut count = 0;
    while let Some(part) = records.next().await? {
        assert!(part.len() <= 500);
        count += part.len();
    }
    assert_eq!(count, 1200);

    for (text, format, part) in [
        ("{\"a\": 1}\n[1]\n", Format::JsonLines, "line 2"),
        ("{\"a\": 1}\n{\"a\"", Format::JsonLines, "line 2"),
        ("a,b\n1,2\n3\n", Format::Csv, "line 3"),
        ("not parquet", Format::Parquet, "Parquet"),
    ] {
        let source = FileSource::reader(std::io::Cursor::new(text.to_owned()));
        let mut records = read_records(source, format, &RecordColumns::default());
        let error = loop {
            match records.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{text:?} was read"),
                Err(error) => break error,
            }
        };
        assert!(
            error
                .to_string()
                .to_lowercase()
                .contains(&part.to_lowercase()),
            "{error}"
        );
    }
    let named = RecordColumns::named(["question"]).output(["nothing"]);
    let error = read_records(csv.as_path(), Format::Csv, &named)
        .next()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("q.csv: row 1: there is no column `nothing`"),
        "{error}"
    );
    let error = read_records(Path::new("nowhere.csv"), Format::Csv, &named)
        .next()
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("nowhere.csv:"), "{error}");
    assert!(Format::of(Path::new("data.xlsx")).is_err());
    Ok(())
}

#[tokio::test]
async fn exported_spans_become_records() -> Result<()> {
    let service = Service::shared().await?;
    let tenant = unique("acme");
    service
        .telemetry
        .span("answer", &tenant)
        .attribute("input.value", "what is an owl?")
        .attribute("output.value", "a bird")
        .attribute("llm.model_name", "gpt-4")
        .in_scope(|_| ());
    service.delivered().await?;
    let span = service.spans(&tenant, 1).await?.remove(0);
    let provider = service.provider(&tenant)?;
    let query = SpanQuery::new(service.project(&tenant)?, TimeWindow::all());
    let folder = tempfile::tempdir()?;
    for format in ["parquet", "csv", "jsonl"] {
        let path = folder.path().join(format!("spans.{format}"));
        let format = Format::of(&path)?;
        provider
            .traces()
            .export_spans(&query, path.as_path(), format)
            .await?;
        let mut records = read_records(path.as_path(), format, &RecordColumns::default());
        let record = records.next().await?.unwrap().remove(0);
        assert_eq!(record.input, "{\"input\":\"what is an owl?\"}");
        assert_eq!(record.output.as_deref(), Some("{\"output\":\"a bird\"}"));
        let metadata: Value = serde_json::from_str(&record.metadata.unwrap())?;
        assert_eq!(metadata["span_id"], span.span_id);
        assert_eq!(metadata["llm.model_name"], "gpt-4");
    }
    Ok(())
}

#[tokio::test]
async fn evaluations_of_a_file_are_seen_by_the_official_client() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    for name in ["one", "two"] {
        service.telemetry.span(name, &tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    let spans = service.spans(&tenant, 2).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let csv = format!(
        "span_id,score,label,explanation\n{},0.75,good,größer 🦉\n{},,bad,\n",
        spans[0].span_id.to_uppercase(),
        spans[1].span_id
    );
    let frame = read_frame(FileSource::reader(std::io::Cursor::new(csv)), Format::Csv).await?;
    let ids = provider
        .annotations()
        .log_evaluations(&project, "relevance", &frame, AnnotatorKind::Llm)
        .await?;
    assert_eq!(ids.len(), 2);
    let input = json!({ "project": project, "span_ids": [spans[0].span_id] });
    let notes = phoenix.python("read_annotations.py", &input).await?;
    assert_eq!(notes[0]["name"], "relevance");
    assert_eq!(notes[0]["annotator_kind"], "LLM");
    assert_eq!(notes[0]["result"]["score"], 0.75);
    assert_eq!(notes[0]["result"]["label"], "good");
    assert_eq!(notes[0]["result"]["explanation"], "größer 🦉");

    // From a frame of spans to their annotations, and those as a frame.
    let query = SpanQuery::new(project.as_str(), TimeWindow::all());
    let targets = span_targets(&provider.traces().frames(&query)?.collect().await?)?;
    assert_eq!(targets.len(), 2);
    assert!(
        targets
            .iter()
            .all(|target| matches!(target, Target::Span(span) if !span.trace_id.is_empty()))
    );
    let annotations = provider
        .annotations()
        .get_annotations(&project, &targets, None)
        .await?;
    let frame = annotation_frame(&annotations)?;
    assert_eq!(frame.num_rows(), 2);

    let wrong = read_frame(
        FileSource::reader(std::io::Cursor::new("span,score\nx,1\n")),
        Format::Csv,
    )
    .await?;
    let error = provider
        .annotations()
        .log_evaluations(&project, "relevance", &wrong, AnnotatorKind::Llm)
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Error::InvalidArgument(_)));
    assert!(
        error.to_string().contains("context.span_id or span_id"),
        "{error}"
    );
    Ok(())
}
