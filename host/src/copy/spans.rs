//! Spans, page by page; and with each page the annotations of what is on it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::annotations::Seen;
use super::{CopyError, Kind, Part, Passage, ProjectReport};
use crate::contract::{
    Attribute, AttributeValue, Condition, Error, Field, Predicate, Projection, ProviderError, Span,
    TimeWindow,
};
use crate::export::{
    DropReason, EncodedSpans, IngestError, Origin, PackedSpans, Project, Receipt, encode_resource,
    encode_span,
};
use crate::provider::SpanQuery;

/// How many spans are written at once, and looked at again together.
pub(super) const AT_ONCE: usize = 1_000;
/// How many spans the target is asked for at once.
const ASKED_FOR: usize = 200;
/// What a window around spans is widened by, for backends that keep times less exactly.
/// Nanoseconds.
const MARGIN: u64 = 1_000_000_000;
/// How long spans that were delivered may take to be seen after the last one that was.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often they are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a span says its session with. The target says how its own do.
const SESSION: &str = "session.id";

/// Spans that leave together: those of one session and resource.
type Group<'s> = (Option<&'s str>, &'s [Attribute]);

impl Passage<'_> {
    /// Copy the spans of the window, where those are wanted, and what is said of them.
    pub(super) async fn copy_spans(
        &self,
        annotations: bool,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let spans = self.parts.contains(&Part::Spans);
        let mut query = SpanQuery::new(self.project, self.window).limit(usize::MAX);
        if !spans {
            query = query.project_to(only_attributes(&[SESSION]));
        }
        let project = Arc::new(Project::of_foreign_spans(self.into));
        let traces = self.source.traces();
        let mut pages = traces.pages(&query)?;
        let mut seen = Seen::default();
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(()),
                // A project of datasets alone.
                Err(error) if matches!(error.kind(), Error::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            for part in page.chunks(AT_ONCE) {
                if spans {
                    self.write_spans(&project, part, report).await?;
                    self.progress.seen("spans", part.len());
                }
                if annotations {
                    let targets = seen.targets(part, session);
                    self.copy_annotations(&targets, &mut seen, report).await?;
                }
            }
        }
    }

    /// Write those spans that the target does not have, and wait until it has them.
    async fn write_spans(
        &self,
        project: &Arc<Project>,
        spans: &[Span],
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let present = self.present(spans.iter()).await?;
        report.tallies.spans.present(present.len());
        let missing = spans
            .iter()
            .filter(|span| !present.contains(&*span.span_id));
        let mut missing: Vec<&Span> = missing.collect();
        let receipts = self.send(project, &mut missing, report)?;
        let (mut lost, mut refused) = (0, 0);
        let mut why = "";
        for receipt in receipts {
            for (reason, count) in receipt.await.dropped.by_reason() {
                match reason {
                    _ if count == 0 => {}
                    DropReason::Rejected => refused += count,
                    _ => (lost, why) = (lost + count, reason.as_str()),
                }
            }
        }
        if lost > 0 {
            return Err(CopyError::Undelivered {
                project: self.into.to_owned(),
                count: lost,
                why: why.to_owned(),
            });
        }
        let written = missing.len();
        // Only which are there tells which were refused.
        let delayed = self.target.describe()?.limits.visibility_delay_ms > 0;
        if delayed || refused > 0 {
            self.wait_for(&mut missing, refused).await?;
        } else {
            missing.clear();
        }
        report.tallies.spans.copied(written - missing.len());
        if let Some(first) = missing.first() {
            let reason = if refused > 0 {
                "the target rejected it"
            } else {
                "the target took it, and it was not there a minute later: its id may be that of a \
                 span in another project there"
            };
            report.refused(Kind::Span, missing.len(), &first.span_id, reason);
        }
        Ok(())
    }

    /// Hand spans to the pipeline; those that cannot be encoded are counted and taken out.
    fn send(
        &self,
        project: &Arc<Project>,
        spans: &mut Vec<&Span>,
        report: &mut ProjectReport,
    ) -> Result<Vec<Receipt>, CopyError> {
        let mut groups: Vec<(Group<'_>, PackedSpans)> = Vec::new();
        spans.retain(|span| {
            let encoded = match encode_span(span, SESSION) {
                Ok(encoded) => encoded,
                Err(why) => {
                    report.refused(Kind::Span, 1, &span.span_id, &why);
                    return false;
                }
            };
            let group = (session(span), &*span.resource);
            // Neighbours share both nearly always.
            match groups.last_mut().filter(|(last, _)| *last == group) {
                Some((_, spans)) => spans.push(&encoded),
                None => groups.push((group, PackedSpans::from_iter([encoded]))),
            }
            true
        });
        let send = |((session, resource), spans): (Group<'_>, PackedSpans)| {
            let resource = Bytes::from(encode_resource(resource));
            let origin = Arc::new(Origin::new(resource, Bytes::new()));
            self.ingest(EncodedSpans {
                project: Arc::clone(project),
                origin,
                session: session.map(Arc::from),
                spans,
            })
        };
        let receipts = groups.into_iter().map(send).collect::<Result<Vec<_>, _>>();
        Ok(receipts?.into_iter().flatten().collect())
    }

    /// Hand spans to the pipeline, in smaller parts where they are large.
    fn ingest(&self, mut spans: EncodedSpans) -> Result<Vec<Receipt>, CopyError> {
        let count = spans.spans.len();
        match self.pipeline.ingest(vec![spans.clone()]) {
            Ok(receipt) => Ok(vec![receipt]),
            Err(IngestError::TooLarge | IngestError::QueueFull { .. }) if count > 1 => {
                let rest = EncodedSpans {
                    project: Arc::clone(&spans.project),
                    origin: Arc::clone(&spans.origin),
                    session: spans.session.clone(),
                    spans: spans.spans.split_off(count / 2),
                };
                let mut receipts = self.ingest(spans)?;
                receipts.extend(self.ingest(rest)?);
                Ok(receipts)
            }
            Err(error) => Err(CopyError::Undelivered {
                project: self.into.to_owned(),
                count: u64::try_from(count).unwrap_or(u64::MAX),
                why: error.to_string(),
            }),
        }
    }

    /// Wait until the target shows all of these but so many, which it refused; those that it does
    /// not show in time are left.
    async fn wait_for(&self, missing: &mut Vec<&Span>, refused: u64) -> Result<(), CopyError> {
        let refused = usize::try_from(refused).unwrap_or(usize::MAX);
        let mut given_up = Instant::now() + PATIENCE;
        loop {
            let present = self.present(missing.iter().copied()).await?;
            let before = missing.len();
            missing.retain(|span| !present.contains(&*span.span_id));
            if missing.len() < before {
                given_up = Instant::now() + PATIENCE;
            }
            if missing.len() <= refused || Instant::now() > given_up {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The ids of those of the spans that the target's project has.
    async fn present(
        &self,
        spans: impl Iterator<Item = &Span>,
    ) -> Result<HashSet<String>, ProviderError> {
        let spans: Vec<&Span> = spans.collect();
        let mut present = HashSet::new();
        for part in spans.chunks(ASKED_FOR) {
            let starts = || part.iter().map(|span| span.start_time);
            let ids = part.iter().map(|span| span.span_id.clone());
            let window = TimeWindow {
                start: starts().min().unwrap_or(0).saturating_sub(MARGIN),
                end: starts().max().unwrap_or(0).saturating_add(MARGIN),
            };
            let query = SpanQuery::new(self.into, window)
                .limit(usize::MAX)
                .project_to(only_attributes(&[]))
                .filter(Predicate {
                    field: Field::SpanId,
                    condition: Condition::OneOf(ids.map(AttributeValue::Text).collect()),
                });
            let traces: HashMap<&str, &str> = part
                .iter()
                .map(|span| (&*span.span_id, &*span.trace_id))
                .collect();
            let store = self.target.traces();
            let mut pages = store.pages(&query)?;
            loop {
                let page = match pages.next().await {
                    Ok(Some(page)) => page,
                    Ok(None) => break,
                    // It comes with its first span.
                    Err(error) if matches!(error.kind(), Error::NotFound(_)) => break,
                    Err(error) => return Err(error),
                };
                let known = |span: &Span| traces.get(&*span.span_id) == Some(&&*span.trace_id);
                let known = page.into_iter().filter(known);
                present.extend(known.map(|span| span.span_id));
            }
        }
        Ok(present)
    }
}

/// The session a span says it is of.
fn session(span: &Span) -> Option<&str> {
    match span.attribute(SESSION) {
        Some(AttributeValue::Text(id)) if !id.is_empty() => Some(id),
        _ => None,
    }
}

fn only_attributes(keys: &[&str]) -> Projection {
    Projection {
        attributes: Some(keys.iter().map(|&key| key.to_owned()).collect()),
        events: false,
        links: false,
        resource: false,
    }
}
