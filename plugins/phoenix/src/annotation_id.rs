//! The ids of annotations: `span:{span id}:{Phoenix's id}`, and `trace` and `session` alike.
//!
//! Phoenix deletes by its own id whatever project that belongs to, cannot be asked whose a
//! session's annotation is, and gives the ids of deleted rows to new ones. With the target in
//! the id, what is to be deleted can be looked for in the project first.

use std::fmt;

/// What annotations are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Span,
    Trace,
    Session,
}

impl Kind {
    /// All of them, in the order in which they are listed.
    pub(crate) const ALL: [Self; 3] = [Self::Span, Self::Trace, Self::Session];

    /// Its name, in ids and in Phoenix's paths and parameters.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Span => "span",
            Self::Trace => "trace",
            Self::Session => "session",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An annotation's id, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnnotationId<'a> {
    pub(crate) kind: Kind,
    /// The span's, trace's or session's id; the latter as the application gave it.
    pub(crate) target: &'a str,
    /// Phoenix's id, which holds no colon.
    pub(crate) phoenix: &'a str,
}

impl<'a> AnnotationId<'a> {
    /// Take an id apart; none for what [`fmt::Display`] never writes.
    pub(crate) fn parse(id: &'a str) -> Option<Self> {
        let (kind, rest) = id.split_once(':')?;
        let (target, phoenix) = rest.rsplit_once(':')?;
        Some(Self {
            kind: Kind::of_name(kind)?,
            target,
            phoenix,
        })
    }
}

impl fmt::Display for AnnotationId<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}:{}",
            self.kind.name(),
            self.target,
            self.phoenix
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_whatever_the_session_is_called() {
        for target in ["s1", "a:b", "", "ü ?"] {
            let id = AnnotationId {
                kind: Kind::Session,
                target,
                phoenix: "U3Bhbjo1Nw==",
            };
            assert_eq!(AnnotationId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(AnnotationId::parse("U3Bhbjo1Nw=="), None);
        assert_eq!(AnnotationId::parse("dataset:a:b"), None);
    }
}
