//! Annotations of spans that are copied, of their traces and sessions.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;

use lru::LruCache;
use serde_json::Value;

use super::{CopyError, Kind, Passage, ProjectReport, refusal};
use crate::contract::{Annotation, Error, NewAnnotation, Span, SpanRef, Target};

/// How many traces and sessions are remembered, so that each is looked at once: their spans lie
/// near each other. One that is forgotten is looked at again.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);
/// How many targets are asked about at once.
const AT_ONCE: usize = 200;

/// What tells annotations of a project apart: target, name and identifier.
type Key = (String, String, String);

/// Which traces and sessions were looked at.
pub(super) struct Seen {
    groups: LruCache<String, ()>,
    /// Kinds of targets that the source has no annotations of.
    unknown: BTreeSet<&'static str>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            groups: LruCache::new(REMEMBERED),
            unknown: BTreeSet::new(),
        }
    }
}

impl Seen {
    /// What on a page may bear annotations that were not looked at.
    pub(super) fn targets(
        &mut self,
        spans: &[Span],
        session: impl Fn(&Span) -> Option<&str>,
    ) -> Vec<Target> {
        let mut targets = Vec::with_capacity(2 * spans.len());
        for span in spans {
            targets.push(Target::Span(SpanRef {
                trace_id: span.trace_id.clone(),
                span_id: span.span_id.clone(),
                near: Some(span.start_time),
            }));
            let session = session(span).map(|id| Target::Session(id.to_owned()));
            let groups = [Some(Target::Trace(span.trace_id.clone())), session];
            for group in groups.into_iter().flatten() {
                if self.groups.put(name(&group), ()).is_none() {
                    targets.push(group);
                }
            }
        }
        targets
    }
}

impl Passage<'_> {
    /// Copy what is said of these.
    pub(super) async fn copy_annotations(
        &self,
        targets: &[Target],
        seen: &mut Seen,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        // A backend may have annotations of one kind of target alone.
        for kind in ["span", "trace", "session"] {
            let of_kind: Vec<Target> = targets
                .iter()
                .filter(|target| kind_of(target) == kind && !seen.unknown.contains(kind))
                .cloned()
                .collect();
            for part in of_kind.chunks(AT_ONCE) {
                let store = self.source.annotations();
                let found = match store.get_annotations(self.project, part, None).await {
                    Ok(found) => found,
                    Err(error) if matches!(error.kind(), Error::Unsupported(_)) => {
                        seen.unknown.insert(kind);
                        break;
                    }
                    Err(error) => return Err(error.into()),
                };
                self.progress.seen("annotations", found.len());
                self.write_annotations(part, found, report).await?;
            }
        }
        Ok(())
    }

    /// Write those that the target does not have so.
    async fn write_annotations(
        &self,
        targets: &[Target],
        found: Vec<Annotation>,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        if found.is_empty() {
            return Ok(());
        }
        let store = self.target.annotations();
        let known = match store.get_annotations(self.into, targets, None).await {
            Ok(known) => known,
            Err(error) => match error.kind() {
                Error::Unsupported(_) | Error::NotFound(_) => Vec::new(),
                _ => return Err(error.into()),
            },
        };
        let known: HashMap<Key, Annotation> = known
            .into_iter()
            .map(|known| (key(&known), known))
            .collect();
        let mut missing = Vec::new();
        for annotation in found {
            if known
                .get(&key(&annotation))
                .is_some_and(|it| is_same(it, &annotation))
            {
                report.tallies.annotations.present(1);
            } else if says_something(&annotation) {
                missing.push(again(annotation));
            } else {
                let reason = "it has neither label, score nor explanation";
                report.refused(Kind::Annotation, 1, &name(&annotation.target), reason);
            }
        }
        let Some(first) = missing.first().map(|first| name(&first.target)) else {
            return Ok(());
        };
        match store.add_annotations_batch(self.into, &missing).await {
            Ok(_) => report.tallies.annotations.copied(missing.len()),
            Err(error) => match error.kind() {
                Error::Partial(partial) => {
                    let rejected = partial.rejected.len();
                    report
                        .tallies
                        .annotations
                        .copied(missing.len().saturating_sub(rejected));
                    for item in &partial.rejected {
                        let place = usize::try_from(item.index).unwrap_or(usize::MAX);
                        let target = missing.get(place).map(|it| name(&it.target));
                        let target = target.unwrap_or_default();
                        // Reasons that name the target would be as many as targets.
                        let reason = item.reason.replace(id(&target), "…");
                        report.refused(Kind::Annotation, 1, &target, &reason);
                    }
                }
                _ => refusal(error)?.of(report, Kind::Annotation, missing.len(), &first),
            },
        }
        Ok(())
    }
}

fn kind_of(target: &Target) -> &'static str {
    match target {
        Target::Span(_) => "span",
        Target::Trace(_) => "trace",
        Target::Session(_) => "session",
    }
}

/// A target's kind and id. Spans go by their own id, since not every backend answers the trace.
fn name(target: &Target) -> String {
    let id = match target {
        Target::Span(span) => &span.span_id,
        Target::Trace(id) | Target::Session(id) => id,
    };
    format!("{} {id}", kind_of(target))
}

/// The id of a target's name.
fn id(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(_, id)| id)
}

fn key(annotation: &Annotation) -> Key {
    let Annotation {
        target,
        name: called,
        identifier,
        ..
    } = annotation;
    (name(target), called.clone(), identifier.clone())
}

fn says_something(annotation: &Annotation) -> bool {
    annotation.label.is_some() || annotation.score.is_some() || annotation.explanation.is_some()
}

/// Whether two annotations of one key say the same.
fn is_same(left: &Annotation, right: &Annotation) -> bool {
    left.annotator == right.annotator
        && left.label == right.label
        && left.score == right.score
        && left.explanation == right.explanation
        && object(left.metadata.as_deref()) == object(right.metadata.as_deref())
}

/// Metadata; none and an empty object are the same.
fn object(metadata: Option<&str>) -> Option<Value> {
    let value = serde_json::from_str(metadata?).ok()?;
    Some(value).filter(|value: &Value| value.as_object().is_none_or(|it| !it.is_empty()))
}

fn again(annotation: Annotation) -> NewAnnotation {
    NewAnnotation {
        target: annotation.target,
        name: annotation.name,
        annotator: annotation.annotator,
        label: annotation.label,
        score: annotation.score,
        explanation: annotation.explanation,
        metadata: annotation.metadata,
        identifier: annotation.identifier,
    }
}
