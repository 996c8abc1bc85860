//! Projects: listed, made, emptied and deleted.

use anyhow::{Result, ensure};
use roost::contract::{Error, SpanSelection, TimeWindow};
use roost::provider::SpanQuery;
use roost_tests::{eventually, unique};

use crate::{Backend, SOON, Service, names, on_every_backend};

on_every_backend! {
    projects_are_made_listed_and_deleted,
    odd_names_reach_the_project_they_name,
    spans_are_deleted_by_trace_and_by_age,
}

async fn projects_are_made_listed_and_deleted(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    let provider = service.provider(&tenant)?;
    let store = provider.projects();
    assert!(store.list_projects().await?.is_empty());
    let name = service.project(&tenant)?;
    let made = store.ensure_project(&name, Some("for a test")).await?;
    assert_eq!(made.description, "for a test");
    assert_eq!(store.ensure_project(&name, None).await?.id, made.id);
    let listed = store.list_projects().await?;
    assert_eq!((listed.len(), &listed[0].id), (1, &made.id));

    store.delete_project(&name).await?;
    assert!(store.list_projects().await?.is_empty());
    let gone = store.delete_project(&name).await.unwrap_err();
    assert!(matches!(gone.kind(), Error::NotFound(_)), "{gone}");
    let others = store
        .delete_project("cogniverse-other-search")
        .await
        .unwrap_err();
    assert!(
        matches!(others.kind(), Error::PermissionDenied(_)),
        "{others}"
    );
    Ok(())
}

/// Names that addresses cannot hold, or that look like something else.
async fn odd_names_reach_the_project_they_name(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let operator = service.telemetry.operator_provider()?;
    for odd in [
        "with space",
        "a/b",
        "ä#?%+",
        "UHJvamVjdDox",
        "50% off; \"quoted\"",
    ] {
        let name = format!("{}{odd}", unique("odd-"));
        let name = if odd.starts_with("UHJ") {
            odd.to_owned()
        } else {
            name
        };
        let made = operator.projects().ensure_project(&name, None).await?;
        assert_eq!(made.name, name);
        let query = SpanQuery::new(name.as_str(), TimeWindow::all());
        assert!(
            operator.traces().get_spans(&query).await?.is_empty(),
            "{name}"
        );
        operator.projects().delete_project(&name).await?;
        let gone = operator.traces().get_spans(&query).await.unwrap_err();
        assert!(matches!(gone.kind(), Error::NotFound(_)), "{name}: {gone}");
    }
    Ok(())
}

async fn spans_are_deleted_by_trace_and_by_age(backend: Backend) -> Result<()> {
    let service = Service::on(backend).await?;
    let tenant = unique("acme");
    for name in ["oldest", "middle", "newest"] {
        service.telemetry.span(name, &tenant).in_scope(|_| ());
    }
    service.delivered().await?;
    let spans = service.spans(&tenant, 3).await?;
    let provider = service.provider(&tenant)?;
    let project = service.project(&tenant)?;
    let left = async |expected: &[&str]| {
        eventually("the deletion", SOON, async || {
            let query = SpanQuery::new(project.as_str(), TimeWindow::all());
            let spans = provider.traces().get_spans(&query).await?;
            let mut left = names(&spans);
            left.sort_unstable();
            ensure!(left == expected, "{left:?}");
            Ok(())
        })
        .await
    };
    let middle = SpanSelection::Traces(vec![spans[1].trace_id.clone()]);
    for _ in 0..2 {
        provider.projects().delete_spans(&project, &middle).await?;
    }
    left(&["newest", "oldest"]).await?;
    let old = SpanSelection::OlderThan(spans[2].start_time);
    provider.projects().delete_spans(&project, &old).await?;
    left(&["newest"]).await
}
