//! Ten thousand spans, more than any page holds.

use std::collections::BTreeSet;

use anyhow::Result;
use roost::contract::TimeWindow;
use roost::provider::SpanQuery;
use roost_tests::{Phoenix, unique};
use rusqlite::Connection;
use serde_json::json;

use crate::written::{span, write};
use crate::{SOON, Service};

const WRITTEN: u64 = 1_000;
const COPIES: usize = 9;
const ALL: usize = 10_000;

/// All of them, each once: collected, in pages, and counted in SQL.
#[tokio::test]
async fn ten_thousand_spans_over_many_pages_are_read_once_each() -> Result<()> {
    let phoenix = Phoenix::shared().await?;
    let service = Service::shared().await?;
    let tenant = unique("acme");
    let (provider, project) = (service.provider(&tenant)?, service.project(&tenant)?);
    let spans: Vec<_> = (0..WRITTEN)
        .map(|place| span("op", place * 7_919 % WRITTEN, 1, json!({ "place": place })))
        .collect();
    write(phoenix, &project, &spans).await?;
    let expected = multiply(phoenix, &project)?;
    assert_eq!(expected.len(), ALL);

    let traces = provider.traces();
    let query = SpanQuery::new(&project, TimeWindow::all()).limit(2 * ALL);
    let collected = traces.get_spans(&query).await?;
    assert_eq!(collected.len(), ALL);
    assert_eq!(ids(&collected), expected);

    let mut pages = traces.pages(&query)?;
    let (mut streamed, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await? {
        streamed.extend(page);
        count += 1;
    }
    assert_eq!(streamed.len(), ALL);
    assert_eq!(ids(&streamed), expected);
    assert!(count >= 10, "{count} pages");

    let statistics = provider
        .analytics()
        .get_trace_statistics(&project, TimeWindow::all())
        .await?;
    assert_eq!(statistics.count, ALL as u64);
    Ok(())
}

fn ids(spans: &[roost::contract::Span]) -> BTreeSet<String> {
    spans.iter().map(|span| span.span_id.clone()).collect()
}

/// Copies each span of a project in Phoenix's own database, which takes spans a hundred times
/// faster than Phoenix does. Returns the ids of all that it holds then.
fn multiply(phoenix: &Phoenix, project: &str) -> Result<BTreeSet<String>> {
    let database = Connection::open(phoenix.folder().join("phoenix.db"))?;
    database.busy_timeout(SOON)?;
    let columns = database
        .prepare("SELECT name FROM pragma_table_info('spans') WHERE name NOT IN ('id', 'span_id')")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?
        .join(", ");
    let ours = "trace_rowid IN (SELECT traces.id FROM traces JOIN projects \
                ON projects.id = traces.project_rowid WHERE projects.name = ?1)";
    let last: i64 = database.query_row("SELECT max(id) FROM spans", [], |row| row.get(0))?;
    for _ in 0..COPIES {
        database.execute(
            &format!(
                "INSERT INTO spans (span_id, {columns}) SELECT lower(hex(randomblob(8))), {columns} \
                 FROM spans WHERE id <= ?2 AND {ours}"
            ),
            (project, last),
        )?;
    }
    let ids = database
        .prepare(&format!("SELECT span_id FROM spans WHERE {ours}"))?
        .query_map([project], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(ids)
}
