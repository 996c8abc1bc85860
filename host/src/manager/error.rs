//! Why there is no telemetry to be had.

use super::connections::ConnectionError;
use crate::config::{ConfigError, InvalidTemplate, InvalidTenant, ProjectNameError};
use crate::export::{IngestError, StartError};
use crate::plugin::HostError;

/// Why a manager cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The configuration has problems.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host of the providers cannot start.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The export thread cannot start.
    #[error(transparent)]
    Export(#[from] StartError),
    /// The project templates cannot be used.
    #[error(transparent)]
    Template(#[from] InvalidTemplate),
}

/// Why a tenant has no provider, or a project no name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// The tenant's id is none.
    #[error(transparent)]
    Tenant(#[from] InvalidTenant),
    /// The service's name is none.
    #[error(transparent)]
    Project(#[from] ProjectNameError),
    /// There is no connection for the tenant.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Why spans that come encoded were not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The pipeline does not take them.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// Nothing is exported, by configuration.
    #[error(
        "no spans are exported: see telemetry.enabled, telemetry.level and telemetry.otlp_enabled"
    )]
    Off,
}
