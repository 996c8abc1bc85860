//! Text from outside, made fit for a terminal.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text without what a terminal would obey: names and messages are written by
/// whoever wrote the spans. Line ends stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    replace(text, |char| is_hidden(char) && char != '\n')
}

/// As [`visible`], on one line.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    replace(text, is_hidden)
}

/// Control characters, and those that change the direction of what follows.
fn is_hidden(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replace(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|char| match char {
        '\n' | '\t' if hidden(char) => ' ',
        _ if hidden(char) => '\u{fffd}',
        _ => char,
    });
    Cow::Owned(shown.collect())
}

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to so many columns, with `…` where something is missing.
pub(super) fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(1);
    let mut short = String::new();
    for char in text.chars() {
        let width = char.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        short.push(char);
    }
    short.push('…');
    Cow::Owned(short)
}

/// The text with spaces after it up to so many columns.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let spaces = columns.saturating_sub(width(text));
    format!("{text}{:spaces$}", "")
}

/// `1 span`, `2 spans`.
pub(super) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// A number in groups of three digits: `12,345`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A measured number, short enough to compare: `0.8333`, `1200`, `1.5e-7`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e12).contains(&size) {
        return format!("{value:.4e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A size in the unit that suits it: `512 B`, `1.5 MB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut tenths = number / 100;
    let mut units = UNITS.into_iter().peekable();
    while let Some(unit) = units.next() {
        if tenths < 10_000 || units.peek().is_none() {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        tenths /= 1000;
    }
    format!("{number} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(one_line("a\x1b[31mb\nc\td"), "a\u{fffd}[31mb c d");
        assert_eq!(visible("a\x07\nb"), "a\u{fffd}\nb");
        assert_eq!(one_line("\u{202e}evil"), "\u{fffd}evil");
        assert!(matches!(one_line("größe 検索"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_text_is_cut_by_columns_not_by_characters() {
        assert_eq!(shorten("search", 6), "search");
        assert_eq!(shorten("searching", 6), "searc…");
        assert_eq!(shorten("検索検索", 6), "検索…");
        assert_eq!(pad("検索", 6), "検索  ");
    }

    #[test]
    fn large_numbers_are_readable() {
        for (number, shown) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), shown);
        }
        for (value, shown) in [
            (0.0, "0"),
            (0.9, "0.9"),
            (-5.0 / 6.0, "-0.8333"),
            (1200.0, "1200"),
            (1.5e-7, "1.5000e-7"),
            (1e300, "1.0000e300"),
        ] {
            assert_eq!(super::number(value), shown);
        }
        for (number, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (1_500_000, "1.5 MB"),
            (2_000_000_000_000_000, "2000.0 TB"),
        ] {
            assert_eq!(bytes(number), shown);
        }
    }
}
