//! Whose spans they are.

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList};
use prost::Message;
use tonic::{Code, Request};

use crate::backend::{Backend, Mood, texts};
use crate::client::{group, grpc, request, send, shop, span, spans, text};

const KEYS: &str = r#"
    serve.keys.acme = ["acme-new", "acme-old"]
    serve.keys.globex = "globex-key"
"#;

#[tokio::test]
async fn the_header_comes_before_the_attribute_and_the_default_last() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    let both = request(vec![
        group(&[("tenant.id", "by-attribute")], vec![span("a")]),
        group(&[], vec![span("b")]),
    ]);
    send(&gateway, &[], &both).await?.error_for_status()?;
    let header = [("x-roost-tenant", "by-header")];
    send(&gateway, &header, &both).await?.error_for_status()?;
    let mut tenants: Vec<_> = backend
        .wait_for(4)
        .await?
        .into_iter()
        .map(|(resource, span)| format!("{} {}", span.name, resource["tenant.id"]))
        .collect();
    tenants.sort();
    assert_eq!(
        tenants,
        ["a by-attribute", "a by-header", "b by-header", "b default"]
    );
    Ok(())
}

#[tokio::test]
async fn spans_of_nobody_are_refused_where_a_tenant_is_required() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("serve.require_tenant = true").await?;
    assert_eq!(send(&gateway, &[], &shop(spans(1))).await?.status(), 400);
    let some = request(vec![
        group(&[("tenant.id", "acme")], spans(1)),
        group(&[("tenant.id", "not a tenant")], spans(2)),
        group(&[], spans(3)),
    ]);
    let answer = send(&gateway, &[], &some).await?.error_for_status()?;
    let answer = ExportTraceServiceResponse::decode(answer.bytes().await?)?;
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 5);
    let seen = backend.wait_for(1).await?;
    assert_eq!(seen[0].0["tenant.id"], "acme");
    let wrong = [("x-roost-tenant", "../acme")];
    assert_eq!(send(&gateway, &wrong, &shop(spans(1))).await?.status(), 400);
    Ok(())
}

#[tokio::test]
async fn a_key_names_the_tenant_and_lets_nobody_name_another() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway(KEYS).await?;
    let one = || shop(spans(1));
    let table: &[(&[(&str, &str)], u16)] = &[
        (&[], 401),
        (&[("authorization", "Bearer nonsense")], 401),
        (&[("authorization", "Basic acme-new")], 401),
        (&[("x-api-key", "acme-new ")], 200),
        (&[("x-api-key", "acme-old")], 200),
        (&[("authorization", "bearer acme-new")], 200),
        (
            &[
                ("authorization", "Bearer acme-new"),
                ("x-roost-tenant", "acme"),
            ],
            200,
        ),
        (
            &[
                ("authorization", "Bearer acme-new"),
                ("x-roost-tenant", "globex"),
            ],
            403,
        ),
        (&[("x-roost-tenant", "acme")], 401),
    ];
    for (headers, wanted) in table {
        let answer = send(&gateway, headers, &one()).await?;
        assert_eq!(answer.status(), *wanted, "{headers:?}");
    }
    let mut client = grpc(&gateway).await?;
    let status = client.export(one()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let mut keyed = Request::new(one());
    keyed
        .metadata_mut()
        .insert("x-api-key", "globex-key".parse()?);
    client.export(keyed).await?;

    let mixed = request(vec![
        group(&[("tenant.id", "globex")], vec![span("foreign")]),
        group(&[("tenant.id", "acme")], vec![span("own")]),
    ]);
    let answer = send(&gateway, &[("x-api-key", "acme-new")], &mixed).await?;
    let answer = ExportTraceServiceResponse::decode(answer.error_for_status()?.bytes().await?)?;
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);

    let seen = backend.wait_for(6).await?;
    let of = |tenant: &str| {
        let own = seen
            .iter()
            .filter(|(resource, _)| resource["tenant.id"] == tenant);
        own.count()
    };
    assert_eq!((of("acme"), of("globex"), seen.len()), (5, 1, 6));
    assert!(seen.iter().all(|(_, span)| span.name != "foreign"));
    assert!(!gateway.log().contains("acme-new"), "no key is logged");
    Ok(())
}

#[tokio::test]
async fn tenants_with_equal_session_ids_do_not_meet_in_a_session() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let gateway = backend.gateway("").await?;
    let in_session = |name: &str, session: &str| {
        let mut span = span(name);
        span.attributes = vec![text("model", "m"), text("session.id", session)];
        span
    };
    // What backends read as `session.id` as well.
    let mut nested = span("nested");
    nested.attributes = vec![KeyValue {
        key: "session".to_owned(),
        value: Some(AnyValue {
            value: Some(Value::KvlistValue(KeyValueList {
                values: vec![text("id", "1"), text("mood", "good")],
            })),
        }),
        ..KeyValue::default()
    }];
    let of = |tenant, spans| group(&[("tenant.id", tenant), ("service.name", "shop")], spans);
    let own = [
        in_session("one", "1"),
        in_session("two", "2"),
        span("none"),
        nested,
    ];
    let sent = request(vec![
        of("acme", Vec::from(own)),
        of("globex", vec![in_session("other", "1")]),
    ]);
    assert_eq!(send(&gateway, &[], &sent).await?.status(), 200);
    let mut sessions: Vec<_> = backend
        .wait_for(5)
        .await?
        .into_iter()
        .map(|(_, span)| {
            let ids = span.attributes.iter();
            let ids = ids.filter(|pair| pair.key == "session.id").count();
            let texts = texts(&span.attributes);
            let id = texts.get("session.id").cloned().unwrap_or_default();
            assert_eq!(ids, usize::from(!id.is_empty()), "{span:?}");
            assert!(!format!("{span:?}").contains("\"id\""), "{span:?}");
            format!("{} {id}", span.name)
        })
        .collect();
    sessions.sort();
    assert_eq!(
        sessions,
        [
            "nested cogniverse-acme-shop:1",
            "none ",
            "one cogniverse-acme-shop:1",
            "other cogniverse-globex-shop:1",
            "two cogniverse-acme-shop:2",
        ]
    );
    Ok(())
}
