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

/// Services of several tenants, or several projects by their names.
#[derive(Debug, Args)]
pub(super) struct ScopesArgs {
    /// A tenant, and once more for another; else the configured default tenant
    #[arg(long, short, help_heading = "Scope", value_name = "ID")]
    tenant: Vec<String>,
    /// The tenants' service; else the configured service
    #[arg(long, short, help_heading = "Scope", value_name = "NAME")]
    service: Option<String>,
    /// A project as the backend calls it, and once more for another, instead of tenants
    #[arg(long, short, help_heading = "Scope", value_name = "NAME", conflicts_with_all = ["tenant", "service"])]
    project: Vec<String>,
}

/// A project with the provider that reaches it.
pub(super) struct Scope {
    pub(super) provider: Provider,
    pub(super) project: String,
}

impl ScopeArgs {
    /// What the arguments name.
    pub(super) fn open(&self, telemetry: &TelemetryManager) -> anyhow::Result<Scope> {
        match &self.project {
            Some(project) => Scope::of_project(telemetry, project),
            None => {
                let tenant = self.tenant.as_deref();
                let tenant = tenant.unwrap_or(default_tenant(telemetry));
                Scope::of_tenant(telemetry, tenant, self.service.as_deref())
            }
        }
    }
}

impl ScopesArgs {
    /// What the arguments name, each with the name of the tenant or the project.
    pub(super) fn open<'a>(
        &'a self,
        telemetry: &'a TelemetryManager,
    ) -> anyhow::Result<Vec<(&'a str, Scope)>> {
        let service = self.service.as_deref();
        let of_tenant = |tenant: &'a str| {
            let scope = Scope::of_tenant(telemetry, tenant, service)?;
            Ok((tenant, scope))
        };
        if self.project.is_empty() && self.tenant.is_empty() {
            return Ok(vec![of_tenant(default_tenant(telemetry))?]);
        }
        let tenants = self.tenant.iter().map(|tenant| of_tenant(tenant));
        let projects = self.project.iter().map(|project| {
            let scope = Scope::of_project(telemetry, project)?;
            Ok((project.as_str(), scope))
        });
        tenants.chain(projects).collect()
    }
}

fn default_tenant(telemetry: &TelemetryManager) -> &str {
    telemetry.config().telemetry.default_tenant_id.as_str()
}

impl Scope {
    fn of_tenant(
        telemetry: &TelemetryManager,
        tenant: &str,
        service: Option<&str>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            project: telemetry.project_name(tenant, service)?,
            provider: telemetry.get_provider(tenant, service)?,
        })
    }

    /// A name tells whose project it is, and so which connection leads there.
    fn of_project(telemetry: &TelemetryManager, project: &str) -> anyhow::Result<Self> {
        let names = telemetry.config().telemetry.project_names()?;
        let owner = match names.parse_service(project) {
            Some((tenant, _)) => Some(tenant),
            None => names.parse_tenant(project),
        };
        let provider = match owner {
            Some(tenant) => telemetry.get_provider(tenant.as_str(), None)?,
            None => telemetry.operator_provider()?,
        };
        Ok(Self {
            provider,
            project: project.to_owned(),
        })
    }
}
