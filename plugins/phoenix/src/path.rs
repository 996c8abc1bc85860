//! Where an attribute is in Phoenix's database.
//!
//! Phoenix nests keys at their dots, but not where `a` and `a.b` are both there; then the
//! second is kept beside the first, under a key with a dot. So a key of several parts may be
//! in several places.

/// The most parts of a key that is looked up: eight places.
const MOST_PARTS: usize = 4;

/// The parts of a key that Phoenix's query endpoint finds.
pub(crate) struct Path<'k> {
    parts: Vec<&'k str>,
}

impl<'k> Path<'k> {
    /// The path of a key; none where a part may be the place in a list, where the name is not
    /// kept as it was written, or where it is too long for a look at every place.
    pub(crate) fn of(key: &'k str) -> Option<Self> {
        let parts: Vec<&str> = key.split('.').collect();
        let fits = parts.len() <= MOST_PARTS && parts.iter().all(|part| is_name(part));
        fits.then_some(Self { parts })
    }

    /// The places as Phoenix's language names them, the usual one first.
    pub(crate) fn places(&self) -> Vec<String> {
        let gaps = self.parts.len().saturating_sub(1);
        (0..1_u32 << gaps)
            .map(|joined| self.place(joined))
            .collect()
    }

    /// The place where the parts around those gaps are joined whose bit is set.
    fn place(&self, joined: u32) -> String {
        let mut names: Vec<String> = Vec::new();
        for (gap, part) in self.parts.iter().enumerate() {
            match names.last_mut() {
                Some(name) if joined >> (gap - 1) & 1 == 1 => {
                    name.push('.');
                    name.push_str(part);
                }
                _ => names.push((*part).to_owned()),
            }
        }
        format!("attributes[{}]", serde_json::Value::from(names))
    }
}

/// Whether Phoenix keeps this part of a key as it is, and finds it again.
fn is_name(part: &str) -> bool {
    part.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && part.chars().any(|c| !c.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(key: &str) -> Option<Vec<String>> {
        Path::of(key).map(|path| path.places())
    }

    #[test]
    fn a_key_is_looked_for_wherever_it_may_be() {
        assert_eq!(
            places("tier"),
            Some(vec![r#"attributes[["tier"]]"#.to_owned()])
        );
        assert_eq!(
            places("llm.token_count.total").unwrap_or_default(),
            [
                r#"attributes[["llm","token_count","total"]]"#,
                r#"attributes[["llm.token_count","total"]]"#,
                r#"attributes[["llm","token_count.total"]]"#,
                r#"attributes[["llm.token_count.total"]]"#,
            ]
        );
    }

    #[test]
    fn keys_that_phoenix_may_keep_in_another_way_have_no_path() {
        for key in [
            "",
            "a.",
            ".a",
            "a..b",
            "a.0.b",
            "7",
            "a b",
            "a\"b",
            "a'b",
            "a\\",
            "a.b.c.d.e",
        ] {
            assert_eq!(places(key), None, "{key}");
        }
        assert!(places("größe.名前").is_some());
    }
}
