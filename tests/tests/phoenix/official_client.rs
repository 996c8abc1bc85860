//! Phoenix's own Python client sees what Roost wrote, and the other way round.

use anyhow::{Result, ensure};
use roost::contract::{AnnotatorKind, NewAnnotation, Target};
use roost_tests::{Phoenix, eventually, span_id, trace_id, unique};
use serde_json::json;

use crate::{SOON, Service, text};

#[tokio::test]
async fn the_official_client_reads_what_roost_wrote() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    service
        .telemetry
        .span("answer", &tenant)
        .kind("LLM")
        .attribute("llm.model_name", "gpt-4")
        .in_scope(|_| ());
    service.delivered().await?;
    let span = service.spans(&tenant, 1).await?.remove(0);
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let note = NewAnnotation::new(Target::span(span.span_id.as_str()), "quality")
        .by(AnnotatorKind::Code)
        .label("good")
        .score(0.75);
    provider
        .annotations()
        .add_annotation(&project, note)
        .await?;

    let seen = phoenix
        .python("list_spans.py", &json!({ "project": project }))
        .await?;
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["name"], "answer");
    assert_eq!(seen[0]["span_kind"], "LLM");
    assert_eq!(seen[0]["context"]["span_id"], span.span_id);
    assert_eq!(seen[0]["attributes"]["llm.model_name"], "gpt-4");
    assert_eq!(seen[0]["attributes"]["tenant.id"], tenant);
    let input = json!({ "project": project, "span_ids": [span.span_id] });
    let notes = phoenix.python("read_annotations.py", &input).await?;
    assert_eq!(notes[0]["name"], "quality");
    assert_eq!(notes[0]["annotator_kind"], "CODE");
    assert_eq!(notes[0]["result"]["label"], "good");
    assert_eq!(notes[0]["result"]["score"], 0.75);
    Ok(())
}

#[tokio::test]
async fn roost_reads_what_the_official_client_wrote() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let project = service.project(&tenant)?;
    let provider = service.provider(&tenant)?;
    let (trace, span) = (trace_id(), span_id());
    let written = json!({ "project": project, "spans": [{
        "name": "theirs",
        "span_kind": "RETRIEVER",
        "context": { "trace_id": trace, "span_id": span },
        "start_time": "2026-11-18T11:07:00.600000+00:00",
        "end_time": "2026-11-18T11:07:02.000001+00:00",
        "status_code": "OK",
        "attributes": { "input.value": "owls", "retrieval.top_k": 3 },
    }]});
    let counts = phoenix.python("write_spans.py", &written).await?;
    ensure!(counts["total_queued"] == 1, "{counts}");

    let spans = service.spans(&tenant, 1).await?;
    assert_eq!(
        (spans[0].trace_id.as_str(), spans[0].span_id.as_str()),
        (&*trace, &*span)
    );
    assert_eq!(spans[0].kind, "RETRIEVER");
    assert_eq!(spans[0].start_time, 1_795_000_020_600_000_000);
    assert_eq!(spans[0].end_time - spans[0].start_time, 1_400_001_000);
    assert_eq!(text(&spans[0], "input.value"), "owls");

    let written = json!({ "annotations": [{
        "span_id": span,
        "name": "relevance",
        "annotator_kind": "HUMAN",
        "result": { "label": "relevant", "score": 1.0, "explanation": "owls indeed" },
        "metadata": { "who": "eve" },
    }]});
    phoenix.python("write_annotations.py", &written).await?;
    let target = [Target::span(span.as_str())];
    let notes = eventually("the annotation is there", SOON, async || {
        let notes = provider
            .annotations()
            .get_annotations(&project, &target, None)
            .await?;
        ensure!(notes.len() == 1, "{notes:?}");
        Ok(notes)
    })
    .await?;
    assert_eq!(notes[0].label.as_deref(), Some("relevant"));
    assert_eq!(notes[0].explanation.as_deref(), Some("owls indeed"));
    assert_eq!(notes[0].metadata.as_deref(), Some(r#"{"who":"eve"}"#));
    Ok(())
}
