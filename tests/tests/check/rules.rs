//! Every rule bites: a provider that breaks it is told so, and one that breaks none is not.

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use roost::check::{RULES, Selection, Verdict};
use roost_tests::{PluginFolder, wrong};

use crate::{broken, check, skipped};

/// What is wrong before there is a configuration, so that the file itself has to say it.
const AT_BIRTH: [&str; 5] = [
    "provider.name",
    "provider.summary",
    "provider.describe",
    "provider.settings",
    "provider.secrets",
];

/// What stands in the file where the id of a rule may be written.
const MARK: &[u8] = b"roost-wrong:....................................";

/// How many checks run at once.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_breaks_no_rule_keeps_them_all() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("wrong", &wrong()?)?;
    let report = check(&folder, "provider = \"wrong\"", &[]).await?;
    assert_eq!(broken(&report), []);
    // Nothing is left out either, so each rule is tried on somebody who keeps it.
    assert_eq!(skipped(&report), [""; 0]);
    Ok(())
}

/// A rule for which `tests/guests/wrong` has no variant finds nothing, and fails this.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_breaks_a_rule_is_told_which_and_how() -> Result<()> {
    let component = std::fs::read(wrong()?)?;
    let bites = RULES.iter().map(|rule| bites(rule.id, &component));
    stream::iter(bites)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// One who breaks the rule of this id is found.
async fn bites(rule: &'static str, component: &[u8]) -> Result<()> {
    let folder = PluginFolder::new()?;
    let mut connection = "provider = \"wrong\"".to_owned();
    if AT_BIRTH.contains(&rule) {
        folder.install_bytes("wrong", &marked(component, rule)?)?;
    } else {
        folder.install_bytes("wrong", component)?;
        connection += &format!("\nprovider_config = {{ wrong = \"{rule}\" }}");
    }
    let report = Box::pin(check(&folder, &connection, &[rule])).await?;
    let [checked] = report.results.as_slice() else {
        panic!("{rule}: {} results", report.results.len());
    };
    let Verdict::Failed(found) = &checked.verdict else {
        panic!("nobody notices who breaks {rule}: {:?}", checked.verdict);
    };
    ensure!(!found.is_empty(), "{rule} does not say what it found");
    Ok(())
}

/// The component with the id of a rule over its mark.
fn marked(component: &[u8], rule: &str) -> Result<Vec<u8>> {
    let place = component.windows(MARK.len()).position(|part| part == MARK);
    let place = place.unwrap() + b"roost-wrong:".len();
    let mut marked = component.to_vec();
    marked[place..place + rule.len()].copy_from_slice(rule.as_bytes());
    Ok(marked)
}

#[test]
fn rules_are_chosen_by_their_ids_and_by_their_subjects() {
    for (name, known) in [
        ("traces.order", true),
        ("traces", true),
        ("traces.", false),
        ("trace", false),
        ("", false),
    ] {
        assert_eq!(Selection::new([name.to_owned()]).is_ok(), known, "{name}");
    }
}
