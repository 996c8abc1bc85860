//! A report for people: a table of all rules, and what is known of each that is broken.

use std::fmt::Write as _;
use std::time::Duration;

use roost::check::{Call, Checked, Report, Rule, Verdict};

use crate::cli::table::{Cell, Column, Table};
use crate::cli::terminal::{BAD, DIM, GOOD, TITLE, paint};
use crate::cli::{text, time};

/// The most calls of a broken rule that are shown: the last ones.
const CALLS: usize = 2;
/// The most columns of an argument or answer.
const SHOWN: usize = 600;

pub(super) fn is_broken(checked: &Checked) -> bool {
    matches!(checked.verdict, Verdict::Failed(_))
}

/// All rules.
pub(super) fn rules(rules: &[Rule], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("RULE"),
        Column::cut("A PROVIDER"),
        Column::optional("THE CONTRACT"),
    ]);
    for rule in rules {
        table.push([rule.id.into(), rule.title.into(), rule.contract.into()]);
    }
    table.render(width)
}

/// What came of a check.
pub(super) fn report(report: &Report, calls: bool, width: Option<usize>) -> String {
    let mut out = heading(report);
    let mut table = Table::new([
        Column::whole("RULE"),
        Column::whole("RESULT"),
        Column::optional("TIME").right(),
        Column::cut("WHAT"),
    ]);
    let (tried, untried) = split(report);
    for checked in tried {
        let Checked { rule, verdict, .. } = checked;
        let (result, what) = match verdict {
            Verdict::Passed => (Cell::styled("passed", GOOD), rule.title),
            Verdict::Failed(_) => (Cell::styled("FAILED", BAD), rule.title),
            Verdict::Skipped(why) => (Cell::styled("skipped", DIM), why.as_str()),
        };
        let took = duration(checked.took);
        table.push([
            rule.id.into(),
            result,
            took.into(),
            text::one_line(what).into_owned().into(),
        ]);
    }
    out.push_str(&table.render(width));
    if !untried.is_empty() {
        let label = paint(DIM, "not exported, and not tried:");
        let _ = writeln!(out, "\n{label} {}", untried.join(" "));
    }
    for checked in &report.results {
        if is_broken(checked) {
            broken(&mut out, checked);
        } else if calls && !checked.calls.is_empty() {
            let _ = writeln!(out, "\n{}", paint(TITLE, checked.rule.id));
            checked.calls.iter().for_each(|call| show(&mut out, call));
        }
    }
    if !report.left_behind.is_empty() {
        out.push('\n');
    }
    for left in &report.left_behind {
        let _ = writeln!(
            out,
            "{} {}",
            paint(DIM, "left behind:"),
            text::one_line(left)
        );
    }
    out.push('\n');
    out.push_str(&summary(report));
    out
}

/// A line that says how it went.
pub(in crate::cli) fn summary(report: &Report) -> String {
    let took: Duration = report.results.iter().map(|checked| checked.took).sum();
    let failed = match report.failed() {
        0 => "0 failed".to_owned(),
        failed => paint(BAD, &format!("{failed} failed")),
    };
    format!(
        "{}: {} passed, {failed}, {} skipped, in {}\n",
        text::count(report.results.len(), "rule"),
        report.passed(),
        report.skipped(),
        duration(took)
    )
}

/// The rules about what the provider exports, and the interfaces that it does not.
fn split(report: &Report) -> (Vec<&Checked>, Vec<&'static str>) {
    let missing = |checked: &Checked| {
        let mut needs = checked.rule.needs.iter();
        needs.find(|it| !report.capabilities.contains(it)).copied()
    };
    let (untried, tried): (Vec<_>, Vec<_>) = report
        .results
        .iter()
        .partition(|checked| missing(checked).is_some());
    let mut interfaces: Vec<&str> = untried
        .into_iter()
        .filter_map(|checked| Some(missing(checked)?.interface()))
        .collect();
    interfaces.dedup();
    (tried, interfaces)
}

fn heading(report: &Report) -> String {
    let Report {
        provider,
        version,
        digest,
        capabilities,
        ..
    } = report;
    let title = text::one_line(&format!("{provider} {version}")).into_owned();
    let interfaces: Vec<&str> = capabilities.iter().map(|it| it.interface()).collect();
    let digest = digest.get(..12).unwrap_or(digest);
    format!(
        "{} {}\n{}\n\n",
        paint(TITLE, &title),
        paint(DIM, &format!("sha256:{digest}")),
        interfaces.join(" ")
    )
}

/// What of a report is broken.
pub(in crate::cli) fn failures(report: &Report) -> String {
    let mut out = String::new();
    report
        .results
        .iter()
        .for_each(|checked| broken(&mut out, checked));
    out
}

/// What a person needs to mend it: what was found, what the contract says, and the last calls.
fn broken(out: &mut String, checked: &Checked) {
    let Checked {
        rule,
        verdict,
        calls,
        ..
    } = checked;
    let Verdict::Failed(found) = verdict else {
        return;
    };
    let _ = writeln!(out, "\n{} {}", paint(BAD, rule.id), rule.title);
    let _ = writeln!(out, "  found     {}", text::one_line(found));
    let _ = writeln!(out, "  contract  {}", rule.contract);
    let first = calls.len().saturating_sub(CALLS);
    calls.iter().skip(first).for_each(|call| show(out, call));
}

fn show(out: &mut String, call: &Call) {
    let line = |text: &str| text::shorten(&text::one_line(text), SHOWN).into_owned();
    let _ = writeln!(
        out,
        "  called    {} {}",
        call.operation,
        line(&call.arguments)
    );
    let _ = writeln!(out, "  answered  {}", line(&call.answer));
}

fn duration(took: Duration) -> String {
    // To the microsecond: more is of no use here.
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    time::duration(micros.saturating_mul(1_000))
}
