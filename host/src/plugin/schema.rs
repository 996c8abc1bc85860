//! The configuration schema of a provider: which properties are endpoints, which are
//! secrets, and whether a configuration fits.

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::contract::{Credential, ProviderInfo};

/// A provider's configuration schema with what the host reads from it.
pub(crate) struct ConfigSchema {
    validator: jsonschema::Validator,
    properties: Vec<Property>,
    credentials: Vec<Credential>,
}

/// A property of the schema's top level.
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) default: Option<Value>,
    /// `"format": "uri"`: its origin is granted.
    pub(crate) is_endpoint: bool,
    /// `"writeOnly": true`: it stays in the host.
    pub(crate) is_secret: bool,
}

impl ConfigSchema {
    /// Read the schema of a description; the error says what is wrong with it.
    pub(crate) fn parse(info: &ProviderInfo) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(&info.config_schema)
            .map_err(|error| format!("config-schema is no JSON: {error}"))?;
        let validator = jsonschema::draft202012::new(&schema)
            .map_err(|error| format!("config-schema is no JSON Schema: {error}"))?;
        let properties: Vec<Property> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, property)| Property::read(name, property))
            .collect();
        for credential in &info.credentials {
            check_credential(credential, &properties)?;
        }
        if info.limits.max_page_size == 0 || info.limits.max_batch_items == 0 {
            return Err("max-page-size and max-batch-items must be at least 1".to_owned());
        }
        Ok(Self {
            validator,
            properties,
            credentials: info.credentials.clone(),
        })
    }

    pub(crate) fn properties(&self) -> &[Property] {
        &self.properties
    }

    pub(crate) fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// Check a whole configuration, secrets included. The error names the first property
    /// that does not fit, and shows its value unless that is a secret.
    pub(crate) fn check(&self, config: &Map<String, Value>) -> Result<(), String> {
        let config = Value::Object(config.clone());
        let Err(error) = self.validator.validate(&config) else {
            return Ok(());
        };
        let path = error.instance_path().to_string();
        let top = path.trim_start_matches('/').split('/').next();
        let names_secret = self
            .properties
            .iter()
            .any(|property| property.is_secret && Some(property.name.as_str()) == top);
        // At the root the value is the whole object, secrets included.
        let what = if path.is_empty() || names_secret {
            error.masked_with("the configuration").to_string()
        } else {
            error.to_string()
        };
        Err(if path.is_empty() {
            what
        } else {
            format!("{}: {what}", path.trim_start_matches('/').replace('/', "."))
        })
    }
}

impl Property {
    fn read(name: &str, schema: &Value) -> Self {
        Self {
            name: name.to_owned(),
            default: schema.get("default").cloned(),
            is_endpoint: schema.get("format").and_then(Value::as_str) == Some("uri"),
            is_secret: schema.get("writeOnly") == Some(&Value::Bool(true)),
        }
    }
}

fn check_credential(credential: &Credential, properties: &[Property]) -> Result<(), String> {
    let Credential {
        property,
        header,
        template,
    } = credential;
    if !properties
        .iter()
        .any(|p| p.is_secret && p.name == *property)
    {
        return Err(format!(
            "credential `{property}` is no property of config-schema with \"writeOnly\": true"
        ));
    }
    HeaderName::try_from(header).map_err(|_| format!("`{header}` is no header name"))?;
    let has_place = template.contains("{}") || template.contains("{base64}");
    if !has_place || HeaderValue::try_from(template).is_err() {
        return Err(format!(
            "credential `{property}`: the template `{template}` must be a header value with {{}} \
             or {{base64}} in it"
        ));
    }
    Ok(())
}
