//! What the documents say of rules and providers is what the code has. With `ROOST_WRITE_DOCS=1`
//! these tests write it down instead of comparing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use roost::Host;
use roost::check::RULES;
use roost::config::{LimitsConfig, PluginsConfig};
use roost::contract::Capability;
use roost_tests::{
    PluginFolder, langfuse_provider, local_provider, mlflow_provider, page_has, phoenix_provider,
};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn the_page_of_rules_has_each_of_them() -> Result<()> {
    let mut made = String::new();
    for rules in RULES.chunk_by(|a, b| a.subject() == b.subject()) {
        let subject = rules.first().context("no rule")?.subject();
        let _ = writeln!(
            made,
            "\n### {subject}\n\n| rule | a provider | the contract |\n|---|---|---|"
        );
        for rule in rules {
            let _ = writeln!(
                made,
                "| `{}` | {} | {} |",
                rule.id, rule.title, rule.contract
            );
        }
    }
    made.push('\n');
    page_has("docs/conformance.md", file!(), &made)
}

/// A rule rests on a sentence that a provider's author has read.
#[test]
fn the_contract_has_the_sentence_of_each_rule() -> Result<()> {
    let mut contract = String::new();
    for file in std::fs::read_dir(repository("wit"))? {
        let path = file?.path();
        if path.extension().is_some_and(|it| it == "wit") {
            let text = std::fs::read_to_string(path)?;
            let lines = text
                .lines()
                .map(|line| line.trim().trim_start_matches(['/', '*']).trim());
            contract.extend(lines.flat_map(|line| [line, " "]));
        }
    }
    let contract = contract.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut ids = BTreeSet::new();
    for rule in RULES {
        assert!(ids.insert(rule.id), "two rules are called {}", rule.id);
        assert!(
            contract.contains(rule.contract),
            "{}: {}",
            rule.id,
            rule.contract
        );
    }
    Ok(())
}

/// The matrix of providers is read from their components.
#[tokio::test]
async fn the_matrix_has_what_the_components_declare() -> Result<()> {
    let folder = PluginFolder::new()?;
    folder.install("langfuse", &langfuse_provider()?)?;
    folder.install("local", &local_provider()?)?;
    folder.install("phoenix", &phoenix_provider()?)?;
    folder.install("mlflow", &mlflow_provider()?)?;
    let plugins = PluginsConfig {
        folder: folder.path().to_owned(),
        ..PluginsConfig::default()
    };
    let host = Host::start(&plugins, &LimitsConfig::default()).await?;
    let providers: Vec<_> = host
        .providers()
        .into_iter()
        .filter_map(|it| it.generation)
        .collect();
    let names = providers.iter().map(|it| it.info.name.as_str());
    let mut made = format!("\n| | {} |\n|---|", names.collect::<Vec<_>>().join(" | "));
    made += &"---|".repeat(providers.len());
    made.push('\n');
    let mut row = |name: &str, cells: Vec<String>| {
        let _ = writeln!(made, "| {name} | {} |", cells.join(" | "));
    };
    for capability in Capability::ALL {
        let has = providers
            .iter()
            .map(|it| it.capabilities.contains(&capability));
        let has = has.map(|has| if has { "yes" } else { "-" }.to_owned());
        row(&format!("`{capability}`"), has.collect());
    }
    let limits: Vec<_> = providers.iter().map(|it| it.info.limits).collect();
    let of = |value: &dyn Fn(&roost::contract::BackendLimits) -> String| -> Vec<String> {
        limits.iter().map(value).collect()
    };
    row("largest page", of(&|it| it.max_page_size.to_string()));
    row(
        "most items in a call",
        of(&|it| it.max_batch_items.to_string()),
    );
    row(
        "most bytes of spans in a request",
        of(&|it| it.max_batch_bytes.to_string()),
    );
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    row(
        "several projects in a request",
        of(&|it| yes_no(it.mixed_projects)),
    );
    row(
        "written and not yet seen, at most",
        of(&|it| format!("{} ms", it.visibility_delay_ms)),
    );
    made.push('\n');
    page_has("docs/providers.md", file!(), &made)
}
