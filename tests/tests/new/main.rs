//! `roost new` and `roost dev`, as an author uses them: a folder, `make`, and a component that keeps
//! the contract. Toolchains are the installed ones (`make setup`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod develop;
mod examples;
mod page;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use roost_tests::{Ran, roost, shell};

/// The target folder of this build: this test lies in `debug/deps` of it.
fn target() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(3);
    Ok(folder.context("a test without a folder")?.to_owned())
}

/// Lines of a shell, after which the toolchains are found that `make setup` has installed.
fn toolchains() -> Result<String> {
    let target = target()?;
    let tools = target.join("tools");
    Ok(format!(
        "export CARGO_TARGET_DIR='{}' COMPONENTIZE='{}' NPM_INSTALL='ln -s {} node_modules' \
         TOOLS='{}'\nset -e\n",
        // What is the same for every provider is built once.
        target.join("templates").display(),
        tools.join("python/bin/componentize-py").display(),
        tools.join("javascript/node_modules").display(),
        tools.join("c").display(),
    ))
}

/// A shell in a folder, with the toolchains.
async fn with_toolchains(folder: &Path, script: &str) -> Result<Ran> {
    shell(folder, &(toolchains()? + script)).await
}

#[tokio::test]
async fn what_is_there_is_not_written_over() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("mine"))?;
    let ran = roost(folder.path(), &["new", "mine", "--lang", "python"]).await?;
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("mine is there already"),
        "{}",
        ran.stderr
    );
    assert_eq!(std::fs::read_dir(folder.path().join("mine"))?.count(), 0);
    let ran = roost(folder.path(), &["new", "No Name", "--lang", "python"]).await?;
    assert_eq!(ran.code, 2);
    Ok(())
}

/// Every file of a template is handed out: none lies there and is forgotten in the list.
#[tokio::test]
async fn a_folder_has_every_file_of_its_template() -> Result<()> {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates");
    let folder = tempfile::tempdir()?;
    for language in std::fs::read_dir(&templates)? {
        let language = language?;
        let name = language.file_name().into_string().unwrap();
        if name == "every-language" {
            continue;
        }
        let made = roost(folder.path(), &["new", &name, "--lang", &name]).await?;
        assert_eq!(made.code, 0, "{}", made.stderr);
        for file in files(&language.path())? {
            let file = file
                .strip_prefix(language.path())?
                .to_str()
                .unwrap()
                .to_owned();
            let file = file.replace("gitignore", ".gitignore");
            let written = std::fs::read_to_string(folder.path().join(&name).join(&file));
            let text = written.with_context(|| format!("{name}/{file}"))?;
            assert!(
                !text.contains("{{"),
                "{name}/{file} has a place that was not filled"
            );
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
