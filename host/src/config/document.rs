//! The text of a configuration file: to a [`Config`], or to every place where it is none.
//!
//! serde stops at its first error. To show all of them at once, the entry it stopped at is
//! noted, taken out of the document, and the rest read again.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::{Origin, SourceFile, key_path};
use super::suggestion::suggest;
use super::{Config, ConfigError, Place, Problem};

/// A key in the document, with where it and its value stand in the text, in bytes.
struct Entry {
    path: Vec<String>,
    key: Range<usize>,
    value: Range<usize>,
    is_table: bool,
}

/// Reads a text; `path` is what messages call it.
pub(super) fn read(text: &str, path: &Path) -> Result<(Config, Origin), ConfigError> {
    let lines = Lines::of(text);
    let problem = |at: usize, key: String, value: Option<String>, advice: String| {
        let (line, column) = lines.position(at);
        let place = Place::File {
            path: path.to_owned(),
            line,
            column,
        };
        Problem {
            place,
            key,
            value,
            advice,
        }
    };
    let mut document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let advice = format!("this is no TOML: {}", error.message());
        ConfigError::invalid(vec![problem(at, String::new(), None, advice)])
    })?;
    let mut entries = Vec::new();
    collect(document.get_ref(), &mut Vec::new(), &mut entries);

    let mut problems = Vec::new();
    let config = loop {
        let error = match Config::deserialize(toml::Deserializer::from(document.clone())) {
            Ok(config) => break config,
            Err(error) => error,
        };
        let span = error.span();
        let found = span
            .as_ref()
            .and_then(|span| Some((find(&entries, span)?, span)));
        let Some((entry, span)) = found else {
            let at = span.map_or(0, |span| span.start);
            problems.push(problem(at, String::new(), None, error.message().to_owned()));
            return Err(ConfigError::invalid(problems));
        };
        let (value, advice) = explain(entry, span, text, error.message());
        problems.push(problem(span.start, entry.name(), value, advice));
        if !remove(document.get_mut(), &entry.path) {
            return Err(ConfigError::invalid(problems));
        }
    };
    if !problems.is_empty() {
        return Err(ConfigError::invalid(problems));
    }
    let positions = entries.iter().map(|entry| {
        let at = if entry.is_table {
            &entry.key
        } else {
            &entry.value
        };
        (entry.name(), lines.position(at.start))
    });
    let origin = Origin::of_file(SourceFile {
        path: path.to_owned(),
        positions: positions.collect(),
    });
    Ok((config, origin))
}

impl Entry {
    fn name(&self) -> String {
        key_path(self.path.iter().map(String::as_str))
    }

    /// Whether its value may be a secret, or hold one: then no message shows it.
    fn is_secret(&self) -> bool {
        const SECRET: [&str; 3] = ["secrets", "keys", "hash_secret"];
        let is_database = matches!(&*self.path, [connections, _, key]
            if connections == "connections" && key == "database");
        is_database || self.path.iter().any(|key| SECRET.contains(&key.as_str()))
    }
}

/// Every entry of a table and of the tables in it, an outer one before its inner ones.
fn collect(table: &DeTable<'_>, path: &mut Vec<String>, entries: &mut Vec<Entry>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        let inner = value.get_ref().as_table();
        entries.push(Entry {
            path: path.clone(),
            key: key.span(),
            value: value.span(),
            is_table: inner.is_some(),
        });
        if let Some(inner) = inner {
            collect(inner, path, entries);
        }
        if let DeValue::Array(items) = value.get_ref() {
            collect_tables(items, path, entries);
        }
        path.pop();
    }
}

/// The tables in a list, each under its number, from 0.
fn collect_tables(
    items: &[Spanned<DeValue<'_>>],
    path: &mut Vec<String>,
    entries: &mut Vec<Entry>,
) {
    for (number, item) in items.iter().enumerate() {
        if let Some(table) = item.get_ref().as_table() {
            path.push(number.to_string());
            entries.push(Entry {
                path: path.clone(),
                key: item.span(),
                value: item.span(),
                is_table: true,
            });
            collect(table, path, entries);
            path.pop();
        }
    }
}

/// The entry serde stopped at: the one with this key or value, else the innermost around it,
/// for an error inside a list.
fn find<'a>(entries: &'a [Entry], span: &Range<usize>) -> Option<&'a Entry> {
    let around = |entry: &&Entry| entry.value.start <= span.start && span.end <= entry.value.end;
    let key = entries.iter().find(|entry| entry.key == *span);
    let value = || entries.iter().find(|entry| entry.value == *span);
    key.or_else(value)
        .or_else(|| entries.iter().rev().find(around))
}

/// Takes an entry out; whether it was there.
fn remove(table: &mut DeTable<'_>, path: &[String]) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return false;
    };
    if rest.is_empty() {
        return table.remove(key.as_str()).is_some();
    }
    match table.get_mut(key.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => remove(inner, rest),
        _ => false,
    }
}

/// serde's message in an operator's words, with the value it is about.
fn explain(
    entry: &Entry,
    span: &Range<usize>,
    text: &str,
    message: &str,
) -> (Option<String>, String) {
    let name = entry.path.last().map_or("", String::as_str);
    if let Some(known) = message.strip_prefix(&format!("unknown field `{name}`, expected ")) {
        if let (Some("telemetry"), "provider" | "provider_config") =
            (entry.path.first().map(String::as_str), name)
        {
            return (
                None,
                "unknown key; it belongs under `[connections.default]`".to_owned(),
            );
        }
        return (
            None,
            format!("unknown key; {}", suggest(name, quoted(known))),
        );
    }
    let value = text
        .get(span.clone())
        .filter(|value| !entry.is_secret() && !value.contains('\n') && *span != entry.key)
        .map(str::to_owned);
    let is_serdes = ["expected ", "invalid "]
        .iter()
        .any(|kind| message.starts_with(kind));
    let wanted = message.rsplit_once("expected ").filter(|_| is_serdes);
    let advice = match wanted {
        Some((_, wanted)) => format!("must be {}", plain(wanted)),
        None if message == "invalid socket address syntax" => {
            "must be an IP address and a port, such as `127.0.0.1:4317`".to_owned()
        }
        None => message.to_owned(),
    };
    (value, advice)
}

/// The names in backquotes.
fn quoted(list: &str) -> impl Iterator<Item = &str> {
    list.split('`').skip(1).step_by(2)
}

/// A Rust type in an operator's words.
fn plain(wanted: &str) -> &str {
    match wanted {
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f64" => "a number",
        "a nonzero u32" => "a whole number, 1 or more",
        "a boolean" => "`true` or `false`",
        "a string" | "path string" => "a text in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        wanted if wanted.starts_with("struct ") => "a table",
        wanted => wanted,
    }
}

/// The beginnings of a text's lines.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        let starts = std::iter::once(0).chain(ends).collect();
        Self { text, starts }
    }

    /// The line and the column of a byte, both from 1, the column in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or("");
        (line, before.chars().count() + 1)
    }
}
