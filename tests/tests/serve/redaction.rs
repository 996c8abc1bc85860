//! What does not leave.

use anyhow::Result;

use crate::backend::{Backend, Mood, texts};
use crate::client::{group, request, send, span, text};

#[tokio::test]
async fn attributes_leave_as_the_rules_want_them() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let settings = r#"
        redaction.hash_secret = "s3cret"
        redaction.rules = [
            { key = "host.*", action = "drop" },
            { key = "user.id", action = "hash" },
            { value = '[\w.]+@[\w.]+', action = { replace = "[mail]" } },
        ]
    "#;
    let gateway = backend.gateway(settings).await?;
    let mut first = span("one");
    first.attributes = vec![
        text("user.id", "ann"),
        text("input.value", "write to ann@acme.example"),
        text("model", "m"),
    ];
    let resource = [("service.name", "shop"), ("host.name", "secret-host")];
    let sent = request(vec![group(&resource, vec![first])]);
    assert_eq!(send(&gateway, &[], &sent).await?.status(), 200);
    let seen = backend.wait_for(1).await?;
    let (resource, span) = &seen[0];
    assert!(!resource.contains_key("host.name"), "{resource:?}");
    let left = texts(&span.attributes);
    assert_eq!(left["input.value"], "write to [mail]");
    assert_eq!(left["model"], "m");
    assert_eq!(left["user.id"].len(), 32);
    assert_ne!(left["user.id"], "ann");
    Ok(())
}

#[tokio::test]
async fn the_service_is_what_the_rules_leave_and_the_tenant_what_was_sent() -> Result<()> {
    let backend = Backend::start(Mood::Willing).await?;
    let settings = r#"
        redaction.rules = [
            { key = "service.name", value = 'ann', action = { replace = "someone" } },
            { key = "tenant.id", action = "drop" },
        ]
    "#;
    let gateway = backend.gateway(settings).await?;
    let resource = [("service.name", "ann-notes"), ("tenant.id", "acme")];
    let sent = request(vec![group(&resource, vec![span("one")])]);
    assert_eq!(send(&gateway, &[], &sent).await?.status(), 200);
    let (resource, _) = &backend.wait_for(1).await?[0];
    assert_eq!(resource["service.name"], "someone-notes");
    assert_eq!(resource["tenant.id"], "acme");
    assert!(!format!("{resource:?}").contains("ann"), "{resource:?}");
    Ok(())
}
