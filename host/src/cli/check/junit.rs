//! A report as JUnit's XML, which CI systems read.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use roost::check::{Checked, Report, Verdict};

/// The report, a test suite an interface.
pub(super) fn to_xml(report: &Report) -> anyhow::Result<String> {
    let name = format!("roost check {} {}", report.provider, report.version);
    let mut xml = quick_junit::Report::new(name);
    for results in report
        .results
        .chunk_by(|a, b| a.rule.subject() == b.rule.subject())
    {
        let Some(first) = results.first() else {
            continue;
        };
        let mut suite = TestSuite::new(first.rule.subject());
        suite.add_test_cases(results.iter().map(case));
        xml.add_test_suite(suite);
    }
    Ok(xml.to_string()?)
}

fn case(checked: &Checked) -> TestCase {
    let status = match &checked.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Skipped(why) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why);
            status
        }
        Verdict::Failed(found) => {
            let calls = checked.calls.iter();
            let calls: Vec<String> = calls
                .map(|call| {
                    format!(
                        "{} {}\n    -> {}",
                        call.operation, call.arguments, call.answer
                    )
                })
                .collect();
            let contract = checked.rule.contract;
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(found);
            status.set_description(format!("the contract: {contract}\n{}", calls.join("\n")));
            status
        }
    };
    let mut case = TestCase::new(checked.rule.id, status);
    case.set_classname(format!("roost.{}", checked.rule.subject()));
    case.set_time(checked.took);
    case
}
