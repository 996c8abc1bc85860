//! What every provider does.

use serde_json::{Map, Value};
use url::Url;

use super::expect::{ensure, same, skip, wrong};
use super::rule::{Finding, Outcome};
use super::trial::Trial;
use crate::contract::{Capability, Error, OtlpProtocol, ProviderInfo, SpanExport};
use crate::plugin::{Class, error_name};

pub(super) async fn name(trial: &Trial<'_>) -> Outcome {
    let ProviderInfo { name, version, .. } = trial.info();
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        !name.is_empty() && name.bytes().all(fits),
        "the name `{name}` has other characters than lower-case letters, digits and hyphens"
    );
    // Three numbers, and whatever follows a hyphen or a plus.
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let parts: Vec<&str> = numbers.split('.').collect();
    ensure!(
        parts.len() == 3 && parts.iter().all(|part| is_number(part)),
        "the version `{version}` is not as semantic versioning writes it, such as 1.2.3"
    );
    Ok(())
}

pub(super) async fn summary(trial: &Trial<'_>) -> Outcome {
    let ProviderInfo {
        summary, homepage, ..
    } = trial.info();
    let summary = summary.trim();
    ensure!(!summary.is_empty(), "the summary is empty");
    ensure!(!summary.contains('\n'), "the summary has more than a line");
    ensure!(
        homepage.is_empty() || is_web_address(homepage),
        "the homepage `{homepage}` is no address"
    );
    Ok(())
}

pub(super) async fn describes_itself_alike(trial: &Trial<'_>) -> Outcome {
    let before = trial.requests();
    // In an instance that has a configuration; the host asked one that has none.
    for _ in 0..2 {
        let again = trial.describe().await?;
        same("describe, asked again", &again, trial.info())?;
    }
    reached_nothing(trial, before, "describe")
}

pub(super) async fn settings(trial: &Trial<'_>) -> Outcome {
    for (name, property) in properties(trial.info())? {
        let has = |key: &str| {
            let text = property.get(key).and_then(Value::as_str);
            text.is_some_and(|text| !text.trim().is_empty())
        };
        ensure!(
            has("title") || has("description"),
            "property `{name}` of config-schema has neither title nor description"
        );
        let says_type = ["type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"];
        ensure!(
            says_type.iter().any(|key| property.get(*key).is_some()),
            "property `{name}` of config-schema does not say its type"
        );
        let Some(default) = property.get("default") else {
            continue;
        };
        let validator = jsonschema::draft202012::new(&property)
            .map_err(|error| wrong(format!("property `{name}` of config-schema: {error}")))?;
        ensure!(
            validator.is_valid(default),
            "the default of `{name}`, {default}, does not fit its own schema"
        );
    }
    Ok(())
}

pub(super) async fn secrets(trial: &Trial<'_>) -> Outcome {
    let info = trial.info();
    for (name, property) in properties(info)? {
        if property.get("writeOnly") != Some(&Value::Bool(true)) {
            continue;
        }
        ensure!(
            info.credentials.iter().any(|it| it.property == name),
            "no credential says how the secret `{name}` is presented: nobody ever uses it"
        );
        ensure!(
            property.get("default").is_none(),
            "the secret `{name}` has a default, which everybody can read"
        );
    }
    Ok(())
}

pub(super) async fn health(trial: &Trial<'_>) -> Outcome {
    let health = trial.check_health().await?;
    ensure!(
        health.authenticated,
        "the backend does not accept the configured credential, or check-health says so wrongly"
    );
    Ok(())
}

pub(super) async fn away(trial: &Trial<'_>) -> Outcome {
    let endpoints: Vec<String> = properties(trial.info())?
        .into_iter()
        .filter(|(_, property)| property.get("format").and_then(Value::as_str) == Some("uri"))
        .map(|(name, _)| name)
        .collect();
    if endpoints.is_empty() {
        return Err(skip("the provider has no endpoint to be away"));
    }
    // Nothing listens there: it is the port of a protocol nobody has used for decades.
    let nowhere = Value::from("http://127.0.0.1:1");
    let connection = trial.other_connection(|settings| {
        for endpoint in endpoints {
            settings.insert(endpoint, nowhere.clone());
        }
    });
    let connection = connection.ok_or_else(|| skip("there is no host"))?;
    let answer = trial
        .call_over(
            &connection,
            "check-health",
            Class::Health,
            (),
            async |store, guests| guests.provider.call_check_health(store).await,
        )
        .await;
    match answer {
        Err(Error::Unavailable(_) | Error::Timeout(_)) => Ok(()),
        Err(error) => Err(wrong(format!(
            "check-health of a backend that is away answered {}, and not unavailable or timeout: \
             {error:?}",
            error_name(&error)
        ))),
        Ok(health) => Err(wrong(format!(
            "check-health of a backend that is away answered {health:?}"
        ))),
    }
}

pub(super) async fn span_export(trial: &Trial<'_>) -> Outcome {
    let project = trial.project();
    let export = trial.configure_span_export(&project).await?;
    let again = trial.configure_span_export(&project).await?;
    same("configure-span-export, asked again", &again, &export)?;
    let SpanExport::Otlp(export) = export else {
        ensure!(
            trial.has(Capability::SpanSink),
            "configure-span-export answered `sink`, and span-sink is not exported"
        );
        return Ok(());
    };
    let endpoint = &export.endpoint;
    let url = Url::parse(endpoint)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url else {
        return Err(wrong(format!(
            "the endpoint `{endpoint}` is no address of HTTP"
        )));
    };
    ensure!(
        export.protocol != OtlpProtocol::Grpc || matches!(url.path(), "" | "/"),
        "the endpoint `{endpoint}` is one of gRPC and has a path"
    );
    for header in &export.headers {
        ensure!(
            header.name == header.name.to_lowercase(),
            "the header `{}` is not in lower case",
            header.name
        );
    }
    Ok(())
}

pub(super) async fn session_attributes(trial: &Trial<'_>) -> Outcome {
    let (project, before) = (trial.project(), trial.requests());
    let session = "check: a session/ü";
    let attributes = trial.session_attributes(&project, session).await?;
    ensure!(
        !attributes.is_empty(),
        "a span that carries nothing belongs to no session"
    );
    ensure!(
        attributes.iter().all(|it| !it.key.is_empty()),
        "session-attributes answered an empty key: {attributes:?}"
    );
    let again = trial.session_attributes(&project, session).await?;
    same("session-attributes, asked again", &again, &attributes)?;
    let other = trial.session_attributes(&project, "check: another").await?;
    ensure!(
        other != attributes,
        "two sessions have the same attributes: {other:?}"
    );
    reached_nothing(trial, before, "session-attributes")
}

pub(super) async fn trace_url(trial: &Trial<'_>) -> Outcome {
    let corpus = trial.corpus();
    let [first, .., last] = corpus.first.as_slice() else {
        return Err(skip("there are no spans"));
    };
    let address = async |trace: &str| -> Outcome<Option<String>> {
        let address = trial.trace_url(&trial.project(), trace).await?;
        let is_good = address.as_deref().is_none_or(is_web_address);
        ensure!(
            is_good,
            "trace-url answered {address:?}, which is no address of a page"
        );
        Ok(address)
    };
    let (one, two) = (
        address(&first.trace_id).await?,
        address(&last.trace_id).await?,
    );
    ensure!(
        one.is_none() || one != two,
        "two traces are at the same address, {one:?}"
    );
    Ok(())
}

fn reached_nothing(trial: &Trial<'_>, before: u64, operation: &str) -> Outcome {
    let requests = trial.requests().saturating_sub(before);
    ensure!(requests == 0, "{operation} made {requests} HTTP requests");
    Ok(())
}

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The properties of the configuration, each with its schema.
fn properties(info: &ProviderInfo) -> Result<Vec<(String, Value)>, Finding> {
    let schema: Value = serde_json::from_str(&info.config_schema)
        .map_err(|error| wrong(format!("config-schema is no JSON: {error}")))?;
    let properties = schema.get("properties").and_then(Value::as_object);
    Ok(properties
        .cloned()
        .unwrap_or_else(Map::new)
        .into_iter()
        .collect())
}
