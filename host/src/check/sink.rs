//! Spans that a provider takes itself.

use std::time::Duration;

use super::corpus::MILLI;
use super::expect::{ensure, same, wrong};
use super::listing::{all, ids, same_ids};
use super::rule::Outcome;
use super::subject::moment;
use super::trial::Trial;
use crate::contract::{Attribute, AttributeValue, Span, StatusCode};

/// Two spans of one trace, as a pipeline would hand them over.
fn spans() -> Vec<Span> {
    let begin = moment(Duration::from_secs(300));
    let trace_id = format!("{:032x}", rand::random_range(1..u128::MAX));
    let root = format!("{:016x}", rand::random_range(1..u64::MAX));
    let span = |place: u64, span_id: String, parent_id: Option<String>| Span {
        trace_id: trace_id.clone(),
        span_id,
        parent_id,
        name: format!("check sent {place}"),
        kind: "CHAIN".to_owned(),
        status: StatusCode::Ok,
        status_message: String::new(),
        start_time: begin + place * MILLI,
        end_time: begin + (place + 1) * MILLI,
        attributes: vec![Attribute {
            key: "check.place".to_owned(),
            value: AttributeValue::Integer(place.cast_signed()),
        }],
        events: Vec::new(),
        links: Vec::new(),
        resource: Vec::new(),
    };
    let child = format!("{:016x}", rand::random_range(1..u64::MAX));
    vec![span(0, root.clone(), None), span(1, child, Some(root))]
}

fn resource() -> [Attribute; 1] {
    [Attribute {
        key: "service.version".to_owned(),
        value: AttributeValue::Text("check ü".to_owned()),
    }]
}

pub(super) async fn counted(trial: &Trial<'_>) -> Outcome {
    let project = trial.project_of("sent");
    let spans = spans();
    let outcome = trial.export_spans(&project, &resource(), &spans).await?;
    let rejected = outcome.rejected.len();
    ensure!(
        outcome.accepted as usize + rejected == spans.len(),
        "{} spans were sent, {} accepted and {rejected} rejected",
        spans.len(),
        outcome.accepted
    );
    same("how many good spans were rejected", rejected, 0)?;
    let found = all(trial, &trial.question(&project)).await?;
    let resource_of = found
        .first()
        .map(|span| span.resource.clone())
        .unwrap_or_default();
    ensure!(
        resource_of.is_empty() || resource_of == resource(),
        "the resource came back as {resource_of:?}"
    );
    same_ids("after they were accepted", &found, &ids(&spans))
}

pub(super) async fn again(trial: &Trial<'_>) -> Outcome {
    let project = trial.project_of("sent-again");
    let spans = spans();
    for _ in 0..2 {
        let outcome = trial.export_spans(&project, &resource(), &spans).await?;
        same(
            "how many were accepted",
            outcome.accepted as usize,
            spans.len(),
        )?;
    }
    let [first, _] = spans.as_slice() else {
        return Err(wrong("not two spans"));
    };
    // One of them twice in one batch.
    let twice = [first.clone(), first.clone()];
    let outcome = trial.export_spans(&project, &resource(), &twice).await?;
    same(
        "how many were accepted of one that is twice in a batch",
        outcome.accepted,
        2,
    )?;
    let found = all(trial, &trial.question(&project)).await?;
    same_ids("after they were sent again", &found, &ids(&spans))
}
