//! Texts in tags. MLflow cuts off a tag's value at 8,000 characters, so a longer text takes
//! several tags. The first begins with how many.

use std::collections::BTreeMap;

use roost_provider::error;

use crate::Result;

/// The most characters of a part.
const LONGEST: usize = 7_990;

/// The most parts of a text: MLflow takes a hundred tags at a time.
const MOST: usize = 90;

/// The tags that hold a text.
pub(super) fn split(key: &str, text: &str) -> Result<Vec<(String, String)>> {
    let characters: Vec<char> = text.chars().collect();
    let mut parts: Vec<String> = characters.chunks(LONGEST).map(String::from_iter).collect();
    if parts.is_empty() {
        parts.push(String::new());
    }
    let count = parts.len();
    if count > MOST {
        return Err(error::invalid_argument(format!(
            "{} characters are more than MLflow keeps with a run; the most are {}",
            characters.len(),
            MOST * LONGEST
        )));
    }
    let tags = parts
        .into_iter()
        .enumerate()
        .map(|(place, part)| match place {
            0 => (key.to_owned(), format!("{count}:{part}")),
            place => (format!("{key}.{place}"), part),
        });
    Ok(tags.collect())
}

/// The text that tags hold; none where it is not whole.
pub(super) fn join(tags: &BTreeMap<String, String>, key: &str) -> Option<String> {
    let (count, first) = tags.get(key)?.split_once(':')?;
    let mut text = first.to_owned();
    for place in 1..count.parse().ok()? {
        text.push_str(tags.get(&format!("{key}.{place}"))?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_text_of_any_length_comes_back() {
        for length in [0, 1, LONGEST, LONGEST + 1, 3 * LONGEST] {
            let text = "ü".repeat(length);
            let tags: BTreeMap<_, _> = split("k", &text).unwrap().into_iter().collect();
            assert!(tags.values().all(|value| value.chars().count() <= 8_000));
            assert_eq!(join(&tags, "k"), Some(text));
        }
        assert!(split("k", &"x".repeat(MOST * LONGEST + 1)).is_err());
    }

    #[test]
    fn what_a_longer_text_left_behind_is_not_read() {
        let mut tags: BTreeMap<_, _> = split("k", &"x".repeat(20_000))
            .unwrap()
            .into_iter()
            .collect();
        tags.extend(split("k", "short").unwrap());
        assert_eq!(join(&tags, "k").as_deref(), Some("short"));
    }
}
