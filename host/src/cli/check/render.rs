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
    for checked in &report.results {
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
    for checked in &report.results {
        if is_broken(checked) {
            broken(&mut out, checked);
        } else if calls && !checked.calls.is_empty() {
            let _ = writeln!(out, "\n{}", paint(TITLE, checked.rule.id));
            checked.calls.iter().for_each(|call| show(&mut out, call));
        }
    }
    for left in &report.left_behind {
        let _ = writeln!(
            out,
            "\n{} {}",
            paint(DIM, "left behind:"),
            text::one_line(left)
        );
    }
    let took: Duration = report.results.iter().map(|checked| checked.took).sum();
    let failed = match report.failed() {
        0 => "0 failed".to_owned(),
        failed => paint(BAD, &format!("{failed} failed")),
    };
    let _ = writeln!(
        out,
        "\n{}: {} passed, {failed}, {} skipped, in {}",
        text::count(report.results.len(), "rule"),
        report.passed(),
        report.skipped(),
        duration(took)
    );
    out
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
    // To the millisecond: more is of no use here.
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    time::duration(millis.saturating_mul(1_000_000))
}
