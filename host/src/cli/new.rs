//! `roost new`.

mod template;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::context::Context;
use super::exit::{CommandError, Exit};

const AFTER_HELP: &str = "\
It writes a folder with a whole provider, small enough to read at once, and the contract it builds
against. `make` in it builds the component, `make test` tests it, with `roost check` among the rest.

Examples:
  roost new my-backend --lang rust
  cd my-backend && make test";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct NewArgs {
    /// The provider's name, and the folder's: lower-case letters, digits and hyphens
    name: String,
    /// The language it is written in
    #[arg(long, value_enum)]
    lang: Language,
    /// Where the folder is made, instead of here
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// A language with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    Python,
    Javascript,
    C,
}

pub(super) fn run(context: &Context, args: &NewArgs) -> anyhow::Result<Exit> {
    let NewArgs { name, lang, into } = args;
    check_name(name).map_err(CommandError::Usage)?;
    let folder = into.clone().unwrap_or_default().join(name);
    if folder.exists() {
        let message = format!("{} is there already: take another name", folder.display());
        return Err(CommandError::Usage(message).into());
    }
    for (path, text) in template::files(*lang) {
        let text = text
            .replace("{{name}}", name)
            .replace("{{module}}", &name.replace('-', "_"));
        write(&folder.join(path), &text)?;
    }
    context.terminal.print(&format!(
        "{} is a provider in {lang:?}. Next:\n  cd {0}\n  make        # builds {name}.wasm\n  \
         make test   # tests it, and tries it on the contract\n\
         README.md says what to change first.\n",
        folder.display(),
    ))?;
    Ok(Exit::Fine)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// A name has to do for a file, for a package of each language, and for a provider.
fn check_name(name: &str) -> Result<(), String> {
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .chars()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    if name.len() <= 40 && name.split('-').all(is_word) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a provider: take words of lower-case letters and digits with hyphens \
         between them, such as my-backend"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_for_a_file_and_a_package() {
        for (name, good) in [
            ("my-backend", true),
            ("b2", true),
            ("", false),
            ("My", false),
            ("a--b", false),
            ("a/b", false),
            ("..", false),
            ("2b", false),
            ("a_b", false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
    }
}
