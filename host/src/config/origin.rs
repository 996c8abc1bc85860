//! Where each value comes from, so that a problem found late still names its line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::Place;

/// Where the values of a configuration come from. Positions are kept, not the text: that
/// may hold secrets.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    file: Option<Arc<SourceFile>>,
    variables: BTreeMap<String, &'static str>,
}

/// A file that was read, with the line and column of its keys.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) positions: BTreeMap<String, (usize, usize)>,
}

impl Origin {
    pub(super) fn of_file(file: SourceFile) -> Self {
        Self {
            file: Some(Arc::new(file)),
            variables: BTreeMap::new(),
        }
    }

    /// Notes that a variable has set a key, over whatever the file says.
    pub(super) fn set_by_variable(&mut self, key: &str, variable: &'static str) {
        self.variables.insert(key.to_owned(), variable);
    }

    /// Where a key's value comes from.
    pub(super) fn place(&self, key: &str) -> Place {
        if let Some(variable) = self.variables.get(key) {
            return Place::Variable((*variable).to_owned());
        }
        let file = self.file.as_ref();
        match file.and_then(|file| Some((file, file.positions.get(key)?))) {
            Some((file, &(line, column))) => Place::File {
                path: file.path.clone(),
                line,
                column,
            },
            None => Place::Application,
        }
    }
}

/// The path of a key as TOML writes it: `tenants."acme.eu".connection`.
pub(super) fn key_path<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let mut path = String::new();
    for key in keys {
        if !path.is_empty() {
            path.push('.');
        }
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !key.is_empty() && key.chars().all(bare) {
            path.push_str(key);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "{key:?}");
        }
    }
    path
}
