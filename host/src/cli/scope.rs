//! Which project a command is about, and through which connection it is reached.

use clap::Args;
use roost::{Provider, TelemetryManager};

/// A tenant's service, or a project by its name.
#[derive(Debug, Args)]
pub(super) struct ScopeArgs {
    /// The tenant; else the configured default tenant
    #[arg(long, short, help_heading = "Scope", value_name = "ID")]
    tenant: Option<String>,
    /// The tenant's service; else the configured service
    #[arg(long, short, help_heading = "Scope", value_name = "NAME")]
    service: Option<String>,
    /// The project as the backend calls it, instead of a tenant and a service
    #[arg(long, short, help_heading = "Scope", value_name = "NAME", conflicts_with_all = ["tenant", "service"])]
    project: Option<String>,
}

/// A project with the provider that reaches it.
pub(super) struct Scope {
    pub(super) provider: Provider,
    pub(super) project: String,
}

impl ScopeArgs {
    /// What the arguments name.
    pub(super) fn open(&self, telemetry: &TelemetryManager) -> anyhow::Result<Scope> {
        let service = self.service.as_deref();
        let config = &telemetry.config().telemetry;
        let Some(project) = &self.project else {
            let tenant = self.tenant.as_deref();
            let tenant = tenant.unwrap_or(config.default_tenant_id.as_str());
            return Ok(Scope {
                project: telemetry.project_name(tenant, service)?,
                provider: telemetry.get_provider(tenant, service)?,
            });
        };
        // A name tells whose project it is, and so which connection leads there.
        let names = config.project_names()?;
        let owner = match names.parse_service(project) {
            Some((tenant, _)) => Some(tenant),
            None => names.parse_tenant(project),
        };
        let provider = match owner {
            Some(tenant) => telemetry.get_provider(tenant.as_str(), None)?,
            None => telemetry.operator_provider()?,
        };
        Ok(Scope {
            provider,
            project: project.clone(),
        })
    }
}
