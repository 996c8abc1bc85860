//! Whose data a handle reaches.

use std::sync::Arc;

use crate::config::{ProjectNames, TenantId};
use crate::contract::{Error, NO_TENANT};

/// Whose data a handle reaches. A project's name is a tenant's name and a service's, so
/// the name alone tells whose it is.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Everything the connection's credential reaches: for operators.
    All,
    /// The projects of one tenant.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// How its projects are named.
        names: Arc<ProjectNames>,
    },
}

impl Scope {
    /// Whether a project is inside.
    #[must_use]
    pub fn contains(&self, project: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tenant { tenant, names } => {
                names
                    .parse_service(project)
                    .is_some_and(|(owner, _)| owner == *tenant)
                    || names.parse_tenant(project).as_ref() == Some(tenant)
            }
        }
    }

    pub(super) fn admit(&self, project: &str) -> Result<(), Error> {
        if project.is_empty() {
            return Err(Error::InvalidArgument(
                "the project's name is empty".to_owned(),
            ));
        }
        if self.contains(project) {
            return Ok(());
        }
        Err(Error::PermissionDenied(format!(
            "project `{project}` is not of tenant `{}`",
            self.label()
        )))
    }

    /// The tenant's id, or what stands for none.
    pub(super) fn label(&self) -> Arc<str> {
        match self {
            Self::All => NO_TENANT.into(),
            Self::Tenant { tenant, .. } => tenant.as_str().into(),
        }
    }
}
