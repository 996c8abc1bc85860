//! `project-store`: projects, and what is deleted from them.

use roost_provider::database::{Row, Sql as _, Value, parameters};
use roost_provider::error;
use roost_provider::types::PageRequest;

use crate::bindings::project_store::{Guest, Project, ProjectPage, SpanSelection};
use crate::database::{database, ensure_project, list, project, write};
use crate::{Provider, Result, cursor, retention};

const COLUMNS: &str = "id, name, description, created_at";

impl Guest for Provider {
    fn list_projects(page: PageRequest) -> Result<ProjectPage> {
        let (_, last) = cursor::read("projects", page.cursor.as_deref())?.unwrap_or_default();
        let sql = format!("SELECT {COLUMNS} FROM projects WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = database()?.rows(&sql, parameters![last, u64::from(page.limit) + 1])?;
        let projects = rows.into_iter().map(read);
        let mut projects: Vec<(Project, i64)> = projects.collect::<Result<_>>()?;
        let cursor = cursor::cut(&mut projects, page.limit, |(_, id)| {
            cursor::after("projects", 0, *id)
        });
        Ok(ProjectPage {
            projects: projects.into_iter().map(|(project, _)| project).collect(),
            cursor,
        })
    }

    fn ensure_project(name: String, description: Option<String>) -> Result<Project> {
        if name.contains('\0') {
            return Err(error::invalid_argument("the name holds a NUL character"));
        }
        write(|transaction| {
            let about = description.as_deref().unwrap_or_default();
            let id = ensure_project(transaction, &name, about)?;
            let sql = format!("SELECT {COLUMNS} FROM projects WHERE id = $1");
            let found = transaction.rows(&sql, parameters![id])?.into_iter().next();
            let row = found.ok_or_else(|| error::not_found(format!("no project `{name}`")))?;
            Ok(read(row)?.0)
        })
    }

    fn delete_project(name: String) -> Result<()> {
        // Spans first and in portions, so that a large project does not need one large
        // transaction; what is left goes with the project.
        let id = project(database()?, &name)?;
        retention::delete_before(id, i64::MAX, usize::MAX)?;
        write(|transaction| {
            let sql = "DELETE FROM projects WHERE id = $1 AND name = $2";
            transaction.run(sql, parameters![id, &name])?;
            Ok(())
        })
    }

    fn delete_spans(project_name: String, selection: SpanSelection) -> Result<()> {
        let id = project(database()?, &project_name)?;
        match selection {
            SpanSelection::OlderThan(time) => {
                let time = i64::try_from(time).unwrap_or(i64::MAX);
                retention::delete_before(id, time, usize::MAX)?;
                Ok(())
            }
            SpanSelection::Traces(traces) => delete_traces(id, &traces),
        }
    }
}

/// Delete traces with what was said of them.
pub(crate) fn delete_traces(project: i64, traces: &[String]) -> Result<()> {
    if traces.is_empty() {
        return Ok(());
    }
    write(|transaction| {
        for table in ["annotations", "spans"] {
            let traces_listed = list(1, traces.len());
            let sql =
                format!("DELETE FROM {table} WHERE project = $1 AND trace_id IN ({traces_listed})");
            let mut values = parameters![project];
            values.extend(traces.iter().map(Value::from));
            transaction.run(&sql, values)?;
        }
        Ok(())
    })
}

fn read(mut row: Row) -> Result<(Project, i64)> {
    let id = row.integer()?;
    let project = Project {
        id: id.to_string(),
        name: row.text()?,
        description: row.text()?,
        created_at: Some(row.time()?),
    };
    Ok((project, id))
}
