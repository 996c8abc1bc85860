//! What a provider can be configured with, read from its JSON Schema.

use roost::contract::ProviderInfo;
use serde_json::{Map, Value};
use url::Url;

/// A property of a provider's configuration.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    /// As JSON Schema names it; several with `or` between them.
    pub(super) kind: String,
    pub(super) default: Option<Value>,
    pub(super) required: bool,
    /// It names a host that the provider may reach.
    pub(super) is_endpoint: bool,
    /// Its value stays with the host.
    pub(super) is_secret: bool,
}

/// The properties of a provider's configuration, in the order of their names.
pub(super) fn settings(info: &ProviderInfo) -> Vec<Setting> {
    let schema: Value = serde_json::from_str(&info.config_schema).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = properties.into_iter().flatten();
    properties
        .map(|(name, schema)| {
            let text = |key: &str| schema.get(key).and_then(Value::as_str);
            Setting {
                name: name.clone(),
                title: text("title").unwrap_or_default().to_owned(),
                description: text("description").unwrap_or_default().to_owned(),
                kind: kind(schema),
                default: schema.get("default").cloned(),
                required: required.contains(&name.as_str()),
                is_endpoint: text("format") == Some("uri"),
                is_secret: schema.get("writeOnly") == Some(&Value::Bool(true)),
            }
        })
        .collect()
}

fn kind(schema: &Value) -> String {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        return choices.join(" or ");
    }
    match schema.get("type") {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(several)) => {
            let several: Vec<&str> = several.iter().filter_map(Value::as_str).collect();
            several.join(" or ")
        }
        _ => "any".to_owned(),
    }
}

/// The hosts, with ports, of the endpoints that a configuration comes to: what it says,
/// or the provider's defaults. Only these, for an address may hold a password.
pub(super) fn endpoint_hosts(info: &ProviderInfo, config: &Map<String, Value>) -> Vec<String> {
    let mut hosts = Vec::new();
    for setting in settings(info).iter().filter(|setting| setting.is_endpoint) {
        let value = config.get(&setting.name).or(setting.default.as_ref());
        let url = value.and_then(Value::as_str).map(Url::parse);
        let Some(Ok(url)) = url else { continue };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            continue;
        };
        let host = format!("{host}:{port}");
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use roost::contract::{BackendLimits, Credential};
    use serde_json::json;

    use super::*;

    pub(in super::super) fn info() -> ProviderInfo {
        let schema = json!({
            "required": ["http_endpoint"],
            "properties": {
                "http_endpoint": {
                    "type": "string", "format": "uri", "default": "http://localhost:6006",
                    "description": "Where the API is."
                },
                "api_key": { "type": "string", "writeOnly": true },
                "mode": { "enum": ["fast", "exact"] },
                "pages": { "type": ["integer", "null"], "default": 3 }
            }
        });
        ProviderInfo {
            name: "phoenix".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Reads and annotates spans.".to_owned(),
            homepage: "https://example.com/".to_owned(),
            config_schema: schema.to_string(),
            credentials: vec![Credential {
                property: "api_key".to_owned(),
                header: "authorization".to_owned(),
                template: "Bearer {}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: 1000,
                max_batch_items: 100,
                max_batch_bytes: 4 << 20,
                mixed_projects: true,
                visibility_delay_ms: 500,
            },
        }
    }

    #[test]
    fn a_schema_tells_what_can_be_set() {
        let settings = settings(&info());
        let names: Vec<&str> = settings.iter().map(|setting| &*setting.name).collect();
        assert_eq!(names, ["api_key", "http_endpoint", "mode", "pages"]);
        assert!(settings[0].is_secret && !settings[0].is_endpoint && !settings[0].required);
        assert!(settings[1].is_endpoint && settings[1].required);
        assert_eq!(settings[2].kind, r#""fast" or "exact""#);
        assert_eq!(settings[3].kind, "integer or null");
        assert_eq!(settings[3].default, Some(json!(3)));
    }

    #[test]
    fn endpoints_are_shown_without_what_else_an_address_holds() {
        let hosts = |config: Value| endpoint_hosts(&info(), config.as_object().unwrap());
        assert_eq!(hosts(json!({})), ["localhost:6006"]);
        let secret = json!({ "http_endpoint": "https://user:word@phoenix.example/x?y" });
        assert_eq!(hosts(secret), ["phoenix.example:443"]);
    }
}
