//! What operators see of a provider at work: spans, records, numbers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use roost::config::{ConnectionLimits, LimitsConfig, Secret};
use roost::plugin::ConnectionSpec;
use roost::provider::{Provider, Scope};
use roost_tests::{PluginFolder, Scripted, misdeeds};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::fixture::{host, query, spec, status_of, with_echo};
use crate::misdeed::Misdeed;

type Fields = BTreeMap<&'static str, String>;

/// What this thread's subscriber has seen.
#[derive(Clone, Default)]
struct Seen {
    spans: Arc<Mutex<BTreeMap<u64, (&'static str, Fields)>>>,
    /// The records of guests.
    records: Arc<Mutex<Vec<Fields>>>,
}

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        self.0
            .insert(field.name(), text.trim_matches('"').to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Collect(&mut fields));
        let name = attributes.metadata().name();
        let mut spans = self.spans.lock().unwrap();
        spans.insert(id.into_u64(), (name, fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some((_, fields)) = self.spans.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Collect(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "roost::guest" {
            let mut fields = Fields::new();
            event.record(&mut Collect(&mut fields));
            self.records.lock().unwrap().push(fields);
        }
    }
}

impl Seen {
    /// The spans of a name.
    fn named(&self, wanted: &str) -> Vec<Fields> {
        let spans = self.spans.lock().unwrap();
        let named = spans.values().filter(|(name, _)| *name == wanted);
        named.map(|(_, fields)| fields.clone()).collect()
    }
}

#[tokio::test]
async fn calls_and_their_requests_are_spans_without_secrets() -> Result<()> {
    let seen = Seen::default();
    let subscriber = tracing_subscriber::registry().with(seen.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (_folder, host) = with_echo().await?;
    let server = Scripted::start(&["500 Oh"]).await?;
    let mut spec = spec(json!({ "endpoint": server.address() }));
    spec.secrets = [("token".to_owned(), Secret::from("sk-very-secret").into())].into();
    let provider = Provider::connect(&host, spec, Scope::All);
    assert_eq!(status_of(&provider, server.address()).await?, 500);

    let calls = seen.named("provider call");
    let [call] = &*calls else { panic!("{calls:?}") };
    let of = |name: &str| call.get(name).map(String::as_str);
    assert_eq!(of("provider"), Some("echo"));
    assert_eq!(of("connection"), Some("default"));
    assert_eq!(of("generation"), Some("1"));
    assert_eq!(of("operation"), Some("get-spans"));
    assert_eq!(of("error.type"), Some("backend"));
    let requests = seen.named("provider request");
    let [request] = &*requests else {
        panic!("{requests:?}")
    };
    assert_eq!(request["http.response.status_code"], "500");
    assert_eq!(request["error.type"], "http-5xx");
    assert_eq!(request["provider"], "echo");
    assert_eq!(request["generation"], "1");
    assert!(!format!("{calls:?}{requests:?}").contains("secret"));

    let generation = &host.activity()[0].generations[0];
    assert_eq!(generation.operations["get-spans"].errors["backend"], 1);
    assert_eq!(generation.requests.count, 1);
    assert_eq!(generation.requests.errors["http-5xx"], 1);
    Ok(())
}

#[tokio::test]
async fn a_flood_of_records_is_cut_and_what_is_left_out_is_counted() -> Result<()> {
    let seen = Seen::default();
    let subscriber = tracing_subscriber::registry().with(seen.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let folder = PluginFolder::new()?;
    folder.install("echo", &misdeeds()?)?;
    let host = host(&folder, LimitsConfig::default()).await?;
    let spec = ConnectionSpec {
        limits: ConnectionLimits {
            log_records_per_second: Some(5),
            ..ConnectionLimits::default()
        },
        ..spec(json!({ "misdeed": Misdeed::LogFlood }))
    };
    let provider = Provider::connect(&host, spec, Scope::All);
    // Two thousand lines.
    let began = std::time::Instant::now();
    provider.traces().get_spans(&query("any")).await?;
    let seconds = began.elapsed().as_secs() as usize + 1;
    let records = seen.records.lock().unwrap().clone();
    let lines = records
        .iter()
        .filter(|record| record["message"].starts_with("line "));
    let lines = lines.count();
    assert!(
        (5..=5 * seconds).contains(&lines),
        "{lines} lines in {seconds} s"
    );
    // The first record of a later second tells of those before.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    provider.traces().get_spans(&query("any")).await?;
    let records = seen.records.lock().unwrap().clone();
    assert!(
        records.iter().any(|record| record.contains_key("left_out")),
        "{records:?}"
    );
    Ok(())
}
