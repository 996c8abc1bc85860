//! What a tenant's id and a service's name may look like. Both become part of project
//! names and of URLs, and come from requests; so little is allowed, and the rules are what
//! keeps project names apart.

/// How many characters an id has at most.
pub const MAX_ID_LENGTH: usize = 128;

/// The marks an id may have between its letters and digits.
pub(super) const MARKS: [char; 3] = ['-', '_', '.'];

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdFault {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`MAX_ID_LENGTH`] bytes.
    #[error("it is {0} long, and {MAX_ID_LENGTH} is the most")]
    TooLong(usize),
    /// It has a character that is no ASCII letter or digit and no `-`, `_` or `.`.
    #[error("{0:?} is not allowed; use ASCII letters, digits, `-`, `_` and `.`")]
    Character(char),
    /// It begins or ends with a mark.
    #[error("it must begin and end with a letter or a digit")]
    Edge,
    /// The same mark stands twice in a row; that is kept for telling project names apart.
    #[error("`{0}{0}` is not allowed; write `{0}` once")]
    Repeated(char),
}

/// Checks a text against the rules.
pub(super) fn check(id: &str) -> Result<(), IdFault> {
    if id.is_empty() {
        return Err(IdFault::Empty);
    }
    if id.len() > MAX_ID_LENGTH {
        return Err(IdFault::TooLong(id.len()));
    }
    let mut last = None;
    for character in id.chars() {
        if !character.is_ascii_alphanumeric() && !MARKS.contains(&character) {
            return Err(IdFault::Character(character));
        }
        if last == Some(character) && MARKS.contains(&character) {
            return Err(IdFault::Repeated(character));
        }
        last = Some(character);
    }
    if id.starts_with(MARKS) || id.ends_with(MARKS) {
        return Err(IdFault::Edge);
    }
    Ok(())
}

/// The beginning of a text that is no id, for messages: it may be of any length.
pub(super) fn excerpt(id: &str) -> String {
    const SHOWN: usize = 64;
    let mut text: String = id.chars().take(SHOWN).collect();
    if text.len() < id.len() {
        text.push('…');
    }
    text
}
