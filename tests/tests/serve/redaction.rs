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
