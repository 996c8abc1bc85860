//! Why a provider cannot be checked.

use crate::contract::ProviderError;
use crate::manager::{ManagerError, TenantError};

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A name that no rule has.
    #[error(
        "there is no rule `{0}`: name an id such as `traces.order`, or an interface such as `traces`"
    )]
    UnknownRule(String),
    /// A connection that the configuration does not have.
    #[error("roost.toml has no connection `{0}`")]
    UnknownConnection(String),
    /// The host cannot be started.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The connection cannot be used.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The provider's file is refused, or its configuration does not fit.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}
