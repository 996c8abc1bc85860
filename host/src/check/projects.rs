//! Projects, and what is deleted from them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::corpus::{MILLI, Planned};
use super::expect::{ensure, expect_missing, expect_no_project, same, wrong};
use super::listing::all;
use super::rule::Outcome;
use super::subject::moment;
use super::trial::Trial;
use crate::contract::{PageRequest, Span, SpanSelection};

/// How long a deletion may take to be seen.
const SOON: Duration = Duration::from_secs(30);

pub(super) async fn ensured(trial: &Trial<'_>) -> Outcome {
    let name = trial.project_of("ensured");
    let made = trial.ensure_project(&name, Some("for a check: ü")).await?;
    same("the name", &made.name, &name)?;
    // A backend may keep none.
    ensure!(
        ["", "for a check: ü"].contains(&made.description.as_str()),
        "the description is {:?}",
        made.description
    );
    let again = trial.ensure_project(&name, Some("another")).await?;
    same("the id, asked again", &again.id, &made.id)?;
    same(
        "the description, asked again with another",
        &again.description,
        &made.description,
    )?;
    if trial.has(crate::contract::Capability::TraceStore) {
        let spans = all(trial, &trial.question(&name)).await?;
        same("the spans of a project that was just made", spans.len(), 0)?;
    }
    Ok(())
}

pub(super) async fn listed(trial: &Trial<'_>) -> Outcome {
    let mut names = BTreeSet::new();
    for number in 0..3 {
        let name = trial.project_of(&format!("listed{number}"));
        trial.ensure_project(&name, None).await?;
        names.insert(name);
    }
    for limit in [2, trial.whole_page()] {
        let found = trial.projects(limit.min(trial.whole_page())).await?;
        let own: Vec<&String> = found
            .iter()
            .map(|it| &it.name)
            .filter(|name| names.contains(*name))
            .collect();
        let distinct: BTreeSet<&String> = own.iter().copied().collect();
        ensure!(
            own.len() == distinct.len(),
            "by pages of {limit}, a project is listed twice"
        );
        same(
            &format!("the projects by pages of {limit}"),
            distinct,
            names.iter().collect(),
        )?;
    }
    Ok(())
}

pub(super) async fn deleted(trial: &Trial<'_>) -> Outcome {
    let name = trial.project_of("deleted");
    trial.ensure_project(&name, None).await?;
    trial.delete_project(&name).await?;
    let found = trial.projects(trial.whole_page()).await?;
    ensure!(
        found.iter().all(|it| it.name != name),
        "a deleted project is still listed"
    );
    expect_missing(
        "delete-project of a deleted project",
        trial.delete_project(&name).await,
    )?;
    if trial.has(crate::contract::Capability::TraceStore) {
        let spans = trial.get_spans(&trial.question(&name)).await;
        expect_missing(
            "get-spans of a deleted project",
            spans.map(|page| page.applied),
        )?;
    }
    let page = PageRequest {
        limit: trial.whole_page(),
        cursor: Some("roost check: no cursor".to_owned()),
    };
    let listed = trial.list_projects(&page).await;
    super::expect::expect_error(
        "list-projects with a cursor that is none",
        listed.map(|page| page.projects.len()),
        "invalid-argument",
    )
}

pub(super) async fn spans_by_trace(trial: &Trial<'_>) -> Outcome {
    let (project, spans) = three_traces(trial, "emptied").await?;
    let [_, middle, _] = spans.as_slice() else {
        return Err(wrong("not three spans"));
    };
    let no_trace = "00000000000000000000000000c0ffee".to_owned();
    let selection = SpanSelection::Traces(vec![middle.trace_id.clone(), no_trace]);
    // The second time nothing is there, and it is no error.
    for _ in 0..2 {
        trial.delete_spans(&project, &selection).await?;
        left(trial, &project, &["check 0", "check 2"]).await?;
    }
    let unknown = trial
        .delete_spans(&trial.unknown_project(), &selection)
        .await;
    let what = "delete-spans of an unknown project";
    expect_no_project(trial, what, unknown.map(|()| 0)).await
}

pub(super) async fn spans_by_age(trial: &Trial<'_>) -> Outcome {
    let (project, spans) = three_traces(trial, "aged").await?;
    let newest = spans.last().map_or(0, |span| span.start_time);
    trial
        .delete_spans(&project, &SpanSelection::OlderThan(newest))
        .await?;
    left(trial, &project, &["check 2"]).await
}

pub(super) async fn spans_of_others(trial: &Trial<'_>) -> Outcome {
    let (project, _) = three_traces(trial, "intruder").await?;
    let traces = trial
        .corpus()
        .second
        .iter()
        .map(|span| span.trace_id.clone())
        .collect();
    trial
        .delete_spans(&project, &SpanSelection::Traces(traces))
        .await?;
    let names: Vec<&str> = trial
        .corpus()
        .second
        .iter()
        .map(|span| span.name.as_str())
        .collect();
    left(trial, &trial.other_project(), &names).await?;
    left(trial, &project, &["check 0", "check 1", "check 2"]).await
}

async fn three_traces(trial: &Trial<'_>, service: &str) -> Outcome<(String, Vec<Span>)> {
    let begin = moment(Duration::from_secs(900));
    let plan = (0..3)
        .map(|number| Planned::new(format!("check {number}"), begin + number * 1_000 * MILLI, 5));
    let plan: Vec<Planned> = plan.collect();
    let spans = trial.write(service, &plan).await.map_err(wrong)?;
    Ok((trial.project_of(service), spans))
}

/// Only the spans of these names are left, at once or soon.
async fn left(trial: &Trial<'_>, project: &str, names: &[&str]) -> Outcome {
    let began = Instant::now();
    loop {
        let found = all(trial, &trial.question(project)).await?;
        let mut found: Vec<&str> = found.iter().map(|span| span.name.as_str()).collect();
        found.sort_unstable();
        if found == names {
            return Ok(());
        }
        // What ought to stay does not come back by waiting.
        let all_there = names.iter().all(|name| found.contains(name));
        ensure!(
            all_there && began.elapsed() < SOON,
            "spans are left: {found:?}, and these should be: {names:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}
