//! The error of every call to a provider: the contract's own, with the provider, the
//! tenant and the operation it happened in.

use std::fmt;
use std::sync::Arc;

use super::Error;

/// Stands for the tenant in a call that is made for none.
pub(crate) const NO_TENANT: &str = "-";

/// What a call to a provider ended in.
///
/// [`kind`](Self::kind) is the contract's error, unchanged where the provider answered
/// it. What goes wrong in the host is told in the same words: a deadline is
/// [`Error::Timeout`], a provider that is not loaded [`Error::Unavailable`], an interface
/// it does not export [`Error::Unsupported`], a refused address
/// [`Error::PermissionDenied`], a trap [`Error::Internal`].
#[derive(Debug, Clone)]
pub struct ProviderError {
    provider: Arc<str>,
    tenant: Arc<str>,
    operation: &'static str,
    kind: Error,
}

impl ProviderError {
    pub(crate) fn new(
        provider: Arc<str>,
        tenant: Arc<str>,
        operation: &'static str,
        kind: Error,
    ) -> Self {
        Self {
            provider,
            tenant,
            operation,
            kind,
        }
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The tenant the call was made for, or `-` where it was made for none.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The operation as the contract spells it, such as `get-spans`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &Error {
        &self.kind
    }

    pub(crate) fn into_kind(self) -> Error {
        self.kind
    }

    /// Whether some items of a batch were taken.
    pub(crate) fn is_partial(&self) -> bool {
        matches!(self.kind, Error::Partial(_))
    }

    /// Whether the same call may succeed later without a change of its arguments.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            Error::RateLimited(_) | Error::Unavailable(_) | Error::Timeout(_)
        )
    }
}

impl std::error::Error for ProviderError {}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            provider,
            tenant,
            operation,
            kind,
        } = self;
        write!(f, "{provider}: {operation}")?;
        if &**tenant != NO_TENANT {
            write!(f, " for tenant `{tenant}`")?;
        }
        f.write_str(": ")?;
        describe(kind, f)
    }
}

/// A sentence for a person; the generated `Display` of the contract's error is its
/// `Debug`.
fn describe(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        Error::InvalidArgument(why) => write!(f, "invalid argument: {why}"),
        Error::NotFound(what) => write!(f, "not found: {what}"),
        Error::Conflict(why) => write!(f, "conflict: {why}"),
        Error::Unauthenticated(why) => write!(f, "not authenticated: {why}"),
        Error::PermissionDenied(why) => write!(f, "permission denied: {why}"),
        Error::RateLimited(limit) => {
            write!(f, "rate limited: {}", limit.message)?;
            match limit.retry_after_ms {
                Some(delay) => write!(f, " (try again in {delay} ms)"),
                None => Ok(()),
            }
        }
        Error::Unavailable(why) => write!(f, "unavailable: {why}"),
        Error::Timeout(why) => write!(f, "timed out: {why}"),
        Error::Unsupported(what) => write!(f, "unsupported: {what}"),
        Error::Partial(partial) => {
            let rejected = partial.rejected.len();
            write!(
                f,
                "{} items were taken, {rejected} were not",
                partial.accepted
            )?;
            for item in partial.rejected.iter().take(3) {
                write!(f, "; item {}: {}", item.index, item.reason)?;
            }
            Ok(())
        }
        Error::Backend(failure) => {
            write!(f, "the backend answered {}", failure.status)?;
            if failure.excerpt.is_empty() {
                Ok(())
            } else {
                write!(f, ": {}", failure.excerpt)
            }
        }
        Error::Internal(why) => write!(f, "the provider failed: {why}"),
    }
}
