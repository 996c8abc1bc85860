//! `annotation-store`: what is said of spans, traces and sessions.

use std::collections::HashMap;

use roost_provider::database::{Failure, Row, Sql as _, Transaction, Value, parameters};
use roost_provider::types::{
    AnnotatorKind, PageRequest, PartialFailure, RejectedItem, SpanRef, Timestamp,
};
use roost_provider::{Error, error, time};

use crate::bindings::annotation_store::{
    Annotation, AnnotationKey, AnnotationPage, Guest, NewAnnotation, Selection, Target,
};
use crate::database::{database, new_keys, project, write};
use crate::{Provider, Result, cursor};

impl Guest for Provider {
    fn add_annotations(
        project_name: String,
        annotations: Vec<NewAnnotation>,
    ) -> Result<Vec<String>> {
        write(|transaction| {
            let project = project(transaction, &project_name)?;
            let (mut ids, mut rejected) = (Vec::new(), Vec::new());
            let mut places = HashMap::new();
            let (key, now) = (new_keys(), time::now());
            for (annotation, index) in annotations.iter().zip(0_u32..) {
                let asked = format!("{:?}", annotation.target);
                let place = match places.get(&asked) {
                    Some(place) => Option::clone(place),
                    None => {
                        let place = Place::find(transaction, project, &annotation.target)?;
                        places.insert(asked, place.clone());
                        place
                    }
                };
                match place {
                    Some(place) => {
                        let key = key + u64::from(index);
                        ids.push(put(transaction, project, &place, annotation, key, now)?);
                    }
                    None => rejected.push(RejectedItem {
                        index,
                        reason: format!("{} is not in `{project_name}`", name(&annotation.target)),
                    }),
                }
            }
            match rejected.first() {
                None => Ok(ids),
                Some(first) if ids.is_empty() => Err(error::not_found(&*first.reason).into()),
                // What could be written stays.
                Some(_) => Ok(ids),
            }
            .map(|ids| (ids, rejected))
        })
        .and_then(|(ids, rejected)| {
            if rejected.is_empty() {
                return Ok(ids);
            }
            Err(Error::Partial(PartialFailure {
                accepted: u32::try_from(ids.len()).unwrap_or(u32::MAX),
                rejected,
            }))
        })
    }

    fn get_annotations(
        project_name: String,
        targets: Vec<Target>,
        names: Option<Vec<String>>,
        page: PageRequest,
    ) -> Result<AnnotationPage> {
        let database = database()?;
        let project = project(database, &project_name)?;
        let (_, last) = cursor::read("annotations", page.cursor.as_deref())?.unwrap_or_default();
        let mut values = parameters![project, last];
        let mut bind = |value: &str| {
            values.push(Value::from(value));
            format!("${}", values.len())
        };
        // A list a kind; of spans whose trace is named too, the others are left out below.
        let mut lists: [(&str, Vec<String>); 3] = [
            ("span", Vec::new()),
            ("trace", Vec::new()),
            ("session", Vec::new()),
        ];
        for target in &targets {
            let [spans, traces, sessions] = &mut lists;
            match target {
                Target::Span(span) => spans.1.push(bind(&span.span_id)),
                Target::Trace(trace) => traces.1.push(bind(trace)),
                Target::Session(session) => sessions.1.push(bind(session)),
            }
        }
        let lists = lists.iter().filter(|(_, places)| !places.is_empty());
        let about = lists.map(|(kind, places)| {
            format!("(kind = '{kind}' AND target IN ({}))", places.join(", "))
        });
        let about = about.collect::<Vec<_>>().join(" OR ");
        let named = match &names {
            Some(names) => {
                let places: Vec<String> = names.iter().map(|name| bind(name)).collect();
                format!("AND name IN ({})", places.join(", "))
            }
            None => String::new(),
        };
        let limit = u64::from(page.limit) + 1;
        values.push(Value::from(limit));
        let sql = format!(
            "SELECT id, kind, trace_id, target, name, annotator, label, score, explanation,
                metadata, identifier, created_at, updated_at
            FROM annotations WHERE project = $1 AND id > $2 AND ({about}) {named}
            ORDER BY id LIMIT ${}",
            values.len()
        );
        let found = database.rows(&sql, values)?.into_iter().map(read);
        let mut found: Vec<(Annotation, i64)> = found.collect::<Result<_>>()?;
        let cursor = cursor::cut(&mut found, page.limit, |(_, id)| {
            cursor::after("annotations", 0, *id)
        });
        let annotations = found.into_iter().map(|(annotation, _)| annotation);
        let annotations = annotations.filter(|it| is_wanted(&it.target, &targets));
        Ok(AnnotationPage {
            annotations: annotations.collect(),
            cursor,
        })
    }

    fn delete_annotations(project_name: String, selection: Selection) -> Result<()> {
        write(|transaction| {
            let project = project(transaction, &project_name)?;
            match &selection {
                Selection::Ids(ids) => {
                    let sql = "DELETE FROM annotations WHERE project = $1 AND id = $2";
                    for id in ids.iter().filter_map(|id| id.parse::<i64>().ok()) {
                        transaction.run(sql, parameters![project, id])?;
                    }
                }
                Selection::Key(key) => delete(transaction, project, key)?,
            }
            Ok(())
        })
    }
}

/// Where an annotation is kept: its kind, its trace and what it is about.
#[derive(Clone)]
struct Place {
    kind: &'static str,
    trace_id: String,
    target: String,
}

impl Place {
    /// The place of a target that is there.
    fn find(on: &Transaction, project: i64, target: &Target) -> Result<Option<Self>, Failure> {
        let (kind, sql, id, trace) = match target {
            Target::Span(SpanRef {
                trace_id, span_id, ..
            }) => (
                "span",
                "SELECT trace_id FROM spans
                WHERE project = $1 AND span_id = $2 AND $3 IN ('', trace_id) LIMIT 1",
                span_id,
                trace_id.as_str(),
            ),
            Target::Trace(id) => (
                "trace",
                "SELECT trace_id FROM spans
                WHERE project = $1 AND trace_id = $2 AND $3 = '' LIMIT 1",
                id,
                "",
            ),
            Target::Session(id) => (
                "session",
                "SELECT '' FROM spans WHERE project = $1 AND session = $2 AND $3 = '' LIMIT 1",
                id,
                "",
            ),
        };
        let found = on
            .rows(sql, parameters![project, id, trace])?
            .into_iter()
            .next();
        let Some(mut row) = found else {
            return Ok(None);
        };
        Ok(Some(Self {
            kind,
            trace_id: row.text()?,
            target: id.clone(),
        }))
    }
}

/// Write an annotation, or write it anew; returned is its id.
fn put(
    on: &Transaction,
    project: i64,
    place: &Place,
    annotation: &NewAnnotation,
    key: u64,
    now: Timestamp,
) -> Result<String, Failure> {
    let sql = "INSERT INTO annotations (id, project, kind, trace_id, target, name, identifier,
            annotator, label, score, explanation, metadata, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT (project, kind, target, trace_id, name, identifier) DO UPDATE SET
            annotator = excluded.annotator, label = excluded.label, score = excluded.score,
            explanation = excluded.explanation, metadata = excluded.metadata,
            updated_at = excluded.updated_at
        RETURNING id";
    let values = parameters![
        key,
        project,
        place.kind,
        &place.trace_id,
        &place.target,
        &annotation.name,
        &annotation.identifier,
        annotator_name(annotation.annotator),
        annotation.label.as_ref(),
        annotation.score,
        annotation.explanation.as_ref(),
        annotation.metadata.as_ref(),
        now,
        now,
    ];
    let mut written = on.rows(sql, values)?;
    let row = written.first_mut();
    let row = row.ok_or_else(|| Error::Internal("an annotation was not written".to_owned()))?;
    Ok(row.integer()?.to_string())
}

fn delete(on: &Transaction, project: i64, key: &AnnotationKey) -> Result<(), Failure> {
    let (kind, id, trace) = match &key.target {
        Target::Span(span) => ("span", &span.span_id, span.trace_id.as_str()),
        Target::Trace(id) => ("trace", id, ""),
        Target::Session(id) => ("session", id, ""),
    };
    let sql = "DELETE FROM annotations WHERE project = $1 AND kind = $2 AND target = $3
        AND $4 IN ('', trace_id) AND name = $5 AND (CAST($6 AS TEXT) IS NULL OR identifier = $7)";
    let identifier = key.identifier.as_ref();
    let values = parameters![project, kind, id, trace, &key.name, identifier, identifier];
    on.run(sql, values)?;
    Ok(())
}

/// Whether an annotation of a span is of the span that was asked for, where that has a trace.
fn is_wanted(target: &Target, wanted: &[Target]) -> bool {
    let Target::Span(span) = target else {
        return true;
    };
    wanted.iter().any(|wanted| match wanted {
        Target::Span(wanted) => {
            wanted.span_id == span.span_id
                && (wanted.trace_id.is_empty() || wanted.trace_id == span.trace_id)
        }
        _ => false,
    })
}

fn name(target: &Target) -> String {
    match target {
        Target::Span(span) => format!("span `{}`", span.span_id),
        Target::Trace(id) => format!("trace `{id}`"),
        Target::Session(id) => format!("session `{id}`"),
    }
}

pub(crate) fn annotator_name(kind: AnnotatorKind) -> &'static str {
    match kind {
        AnnotatorKind::Human => "human",
        AnnotatorKind::Llm => "llm",
        AnnotatorKind::Code => "code",
    }
}

pub(crate) fn annotator(name: &str) -> AnnotatorKind {
    match name {
        "human" => AnnotatorKind::Human,
        "llm" => AnnotatorKind::Llm,
        _ => AnnotatorKind::Code,
    }
}

fn read(mut row: Row) -> Result<(Annotation, i64)> {
    let id = row.integer()?;
    let (kind, trace_id, target) = (row.text()?, row.text()?, row.text()?);
    let annotation = Annotation {
        id: id.to_string(),
        target: match &*kind {
            "trace" => Target::Trace(target),
            "session" => Target::Session(target),
            _ => Target::Span(SpanRef {
                trace_id,
                span_id: target,
                near: None,
            }),
        },
        name: row.text()?,
        annotator: annotator(&row.text()?),
        label: row.optional_text()?,
        score: row.optional_number()?,
        explanation: row.optional_text()?,
        metadata: row.optional_text()?,
        identifier: row.text()?,
        created_at: Some(row.time()?),
        updated_at: Some(row.time()?),
    };
    Ok((annotation, id))
}
