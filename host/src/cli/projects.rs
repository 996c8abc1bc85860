//! `roost projects`.

use clap::Args;
use roost::config::ProjectNames;
use roost::contract::Project;
use serde::Serialize;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::Exit;
use super::table::{Column, Table};
use super::{record, terminal, time};

const AFTER_HELP: &str = "\
Without --tenant it lists everything that the credential of the default tenant's connection
sees, projects that belong to no tenant among them.

Examples:
  roost projects
  roost projects --tenant acme
  roost projects --json | jq -r 'select(.tenant == null).name'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ProjectsArgs {
    /// Only the projects of this tenant, through its connection
    #[arg(long, short, value_name = "ID")]
    tenant: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &ProjectsArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let provider = match &args.tenant {
        Some(tenant) => telemetry.get_provider(tenant, None)?,
        None => telemetry.operator_provider()?,
    };
    let names = telemetry.config().telemetry.project_names()?;
    let listing = async { provider.projects().list_projects().await };
    let projects = context
        .terminal
        .waiting("reading projects", listing)
        .await?;
    let records: Vec<ProjectRecord<'_>> = projects
        .iter()
        .map(|project| ProjectRecord::new(project, &names))
        .collect();
    if args.output.json {
        context.terminal.print(&record::lines(&records)?)?;
    } else if records.is_empty() {
        terminal::note("no projects");
    } else {
        context
            .terminal
            .print(&render(&records, context.terminal.width))?;
    }
    Ok(Exit::Fine)
}

/// A project with whose it is, as `--json` shows it.
#[derive(Debug, Serialize)]
struct ProjectRecord<'a> {
    id: &'a str,
    name: &'a str,
    tenant: Option<String>,
    service: Option<String>,
    created_at: Option<String>,
    description: &'a str,
}

impl<'a> ProjectRecord<'a> {
    fn new(project: &'a Project, names: &ProjectNames) -> Self {
        let (tenant, service) = match names.parse_service(&project.name) {
            Some((tenant, service)) => (Some(tenant), Some(service)),
            None => (names.parse_tenant(&project.name), None),
        };
        Self {
            id: &project.id,
            name: &project.name,
            tenant: tenant.map(String::from),
            service,
            created_at: project.created_at.map(time::rfc3339),
            description: &project.description,
        }
    }
}

fn render(projects: &[ProjectRecord<'_>], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("NAME"),
        Column::whole("TENANT"),
        Column::whole("SERVICE"),
        Column::optional("CREATED (UTC)"),
        Column::cut("DESCRIPTION"),
    ]);
    for project in projects {
        let created = project.created_at.as_deref().map_or("-", |created| {
            // To the second: nobody creates two projects in one.
            created
                .get(.."2026-11-20T10:00:00".len())
                .unwrap_or(created)
        });
        table.push([
            project.name.into(),
            project.tenant.as_deref().unwrap_or("-").into(),
            project.service.as_deref().unwrap_or("-").into(),
            created.replace('T', " ").into(),
            project.description.into(),
        ]);
    }
    table.render(width)
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_name_tells_whose_project_it_is() {
        let project = |name: &str, created_at| Project {
            id: "1".to_owned(),
            name: name.to_owned(),
            description: String::new(),
            created_at,
        };
        let projects = [
            project(
                "cogniverse-acme-corp-routing",
                Some(1_795_000_000_123_456_789),
            ),
            project("cogniverse-acme", None),
            project("default", None),
        ];
        let names = ProjectNames::default();
        let records: Vec<_> = projects
            .iter()
            .map(|project| ProjectRecord::new(project, &names))
            .collect();
        assert_eq!(
            strip_str(&render(&records, None)).to_string(),
            "\
NAME                          TENANT     SERVICE  CREATED (UTC)        DESCRIPTION
cogniverse-acme-corp-routing  acme-corp  routing  2026-11-18 11:06:40
cogniverse-acme               acme       -        -
default                       -          -        -
"
        );
    }
}
