//! Tenant ids.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::identifier::{self, IdFault};

/// A tenant's id: 1 to 128 ASCII letters, digits, `-`, `_` and `.`, with a letter or digit
/// at both ends and no mark twice in a row. It is part of project names, so a text from
/// outside becomes one only through [`TenantId::new`]. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// A text that is no tenant id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no tenant id: {fault}")]
pub struct InvalidTenant {
    /// The text, shortened to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub fault: IdFault,
}

impl TenantId {
    /// Checks a text.
    ///
    /// # Errors
    /// The text is no tenant id; the error says why.
    ///
    /// ```
    /// use roost::config::TenantId;
    ///
    /// assert_eq!(TenantId::new("acme-corp")?.as_str(), "acme-corp");
    /// assert!(TenantId::new("../acme").is_err());
    /// # Ok::<(), roost::config::InvalidTenant>(())
    /// ```
    pub fn new(text: &str) -> Result<Self, InvalidTenant> {
        match identifier::check(text) {
            Ok(()) => Ok(Self(text.into())),
            Err(fault) => Err(InvalidTenant {
                text: identifier::excerpt(text),
                fault,
            }),
        }
    }

    /// The id as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    /// The id `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenant;

    fn from_str(text: &str) -> Result<Self, InvalidTenant> {
        Self::new(text)
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenant;

    fn try_from(text: String) -> Result<Self, InvalidTenant> {
        Self::new(&text)
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ids_that_keep_the_rules_are_taken() {
        let longest = "a".repeat(128);
        for id in [
            "a",
            "acme",
            "acme-corp",
            "Acme_2.eu",
            "a-_b",
            longest.as_str(),
        ] {
            assert_eq!(TenantId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn ids_that_break_a_rule_are_refused_with_it() {
        let too_long = "a".repeat(129);
        let table = [
            ("", IdFault::Empty),
            (too_long.as_str(), IdFault::TooLong(129)),
            ("acme corp", IdFault::Character(' ')),
            ("acme/eu", IdFault::Character('/')),
            ("acmé", IdFault::Character('é')),
            ("acme\n", IdFault::Character('\n')),
            ("-acme", IdFault::Edge),
            ("acme.", IdFault::Edge),
            ("acme--eu", IdFault::Repeated('-')),
            ("acme..eu", IdFault::Repeated('.')),
        ];
        for (text, fault) in table {
            assert_eq!(TenantId::new(text).unwrap_err().fault, fault, "{text:?}");
        }
    }

    #[test]
    fn a_message_neither_grows_with_the_text_nor_breaks_the_line() {
        let text = format!("a\n{}", "x".repeat(1 << 20));
        let message = TenantId::new(&text).unwrap_err().to_string();
        assert!(message.len() < 256 && !message.contains('\n'), "{message}");
    }
}
