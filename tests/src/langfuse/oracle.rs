//! The document that Langfuse publishes, as a judge of requests and answers.
//!
//! It says `nullable` of schemas that have no type and mean anything by it. A reader that takes
//! that for a type accepts everything, so `nullable` becomes what JSON Schema has for it first.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde_json::{Map, Value, json};

const DOCUMENT: &str = include_str!("../../fixtures/langfuse-openapi.json");

/// Read once; how it failed, where it did.
pub(super) static ORACLE: LazyLock<Result<Oracle, String>> =
    LazyLock::new(|| Oracle::read(DOCUMENT).map_err(|why| format!("{why:#}")));

pub(super) struct Oracle {
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    parameters: BTreeMap<String, Parameter>,
    body: Option<Validator>,
    /// By status; none where the body is not described.
    answers: BTreeMap<u16, Option<Validator>>,
}

struct Parameter {
    in_query: bool,
    required: bool,
    kind: String,
    validator: Validator,
}

/// A request that fits the document.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: String,
    /// As the document has it: `/api/public/scores/{scoreId}`.
    pub(super) path: String,
    /// Those of the path and of the query.
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) body: Value,
}

impl Call {
    /// A parameter that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str()
    }

    /// A parameter that is a whole number.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        usize::try_from(self.parameters.get(name)?.as_u64()?).ok()
    }

    /// A parameter that is a list with commas.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.text(name)?.split(',').collect())
    }
}

impl Oracle {
    fn read(document: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(document)?;
        let schemas = normal(
            document
                .pointer("/components/schemas")
                .context("no schemas")?,
        );
        let paths = document.get("paths").and_then(Value::as_object);
        let mut operations = Vec::new();
        for (path, methods) in paths.context("no paths")? {
            for (method, operation) in methods.as_object().context("no methods")? {
                let read = Operation::read(method, path, operation, &schemas);
                operations.push(read.with_context(|| format!("{method} {path}"))?);
            }
        }
        Ok(Self { operations })
    }

    /// The request, if it fits.
    pub(super) fn call(
        &self,
        method: &str,
        address: &str,
        body: Option<Value>,
    ) -> Result<Call, String> {
        let url =
            Url::parse(&format!("http://langfuse{address}")).map_err(|why| why.to_string())?;
        let found = self.operations.iter().filter(|it| it.method == method);
        let (operation, mut parameters) = found
            .filter_map(|it| Some((it, it.path_parameters(url.path())?)))
            // `{id}` would also be one that has a path of its own.
            .min_by_key(|(_, parameters)| parameters.len())
            .ok_or_else(|| format!("there is no {method} {}", url.path()))?;
        for (name, text) in url.query_pairs() {
            let parameter = operation.parameters.get(name.as_ref());
            let parameter = parameter
                .filter(|it| it.in_query)
                .ok_or_else(|| format!("there is no parameter `{name}`"))?;
            parameters.insert(name.into_owned(), parameter.value(&text));
        }
        for (name, parameter) in &operation.parameters {
            match parameters.get(name) {
                Some(value) => {
                    fits(&parameter.validator, value).map_err(|why| format!("`{name}`: {why}"))?;
                }
                None if parameter.required => return Err(format!("`{name}` is missing")),
                None => {}
            }
        }
        match (&operation.body, &body) {
            (Some(validator), Some(body)) => fits(validator, body)?,
            (Some(_), None) => return Err("there is no body".to_owned()),
            (None, Some(_)) => return Err("there is a body".to_owned()),
            (None, None) => {}
        }
        Ok(Call {
            method: operation.method.clone(),
            path: operation.path.clone(),
            parameters,
            body: body.unwrap_or_default(),
        })
    }

    /// Whether an answer fits.
    pub(super) fn check(
        &self,
        call: &Call,
        status: u16,
        body: Option<&Value>,
    ) -> Result<(), String> {
        let operation = self
            .operations
            .iter()
            .find(|it| it.method == call.method && it.path == call.path)
            .ok_or("no such operation")?;
        match (operation.answers.get(&status), body) {
            (None, _) => Err(format!("the document has no status {status}")),
            (Some(Some(validator)), Some(body)) => fits(validator, body),
            (Some(Some(_)), None) => Err("there is no body".to_owned()),
            (Some(None), Some(_)) => Err("there is a body".to_owned()),
            (Some(None), None) => Ok(()),
        }
    }
}

impl Operation {
    fn read(method: &str, path: &str, operation: &Value, schemas: &Value) -> Result<Self> {
        const JSON: &str = "/content/application~1json/schema";
        let mut parameters = BTreeMap::new();
        let listed = operation.get("parameters").and_then(Value::as_array);
        for parameter in listed.into_iter().flatten() {
            let text = |key: &str| {
                parameter
                    .get(key)
                    .and_then(Value::as_str)
                    .context("no text")
            };
            let schema = parameter.get("schema").context("no schema")?;
            let kind = schema
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or("string");
            parameters.insert(
                text("name")?.to_owned(),
                Parameter {
                    in_query: text("in")? == "query",
                    required: parameter.get("required") == Some(&json!(true)),
                    kind: kind.to_owned(),
                    validator: validator(schema, schemas, false)?,
                },
            );
        }
        let body = operation.pointer(&format!("/requestBody{JSON}"));
        let body = body.map(|schema| validator(schema, schemas, true));
        let mut answers = BTreeMap::new();
        let responses = operation.get("responses").and_then(Value::as_object);
        for (status, answer) in responses.context("no responses")? {
            let schema = answer.pointer(JSON);
            let schema = schema.map(|schema| validator(schema, schemas, false));
            answers.insert(status.parse()?, schema.transpose()?);
        }
        Ok(Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            parameters,
            body: body.transpose()?,
            answers,
        })
    }

    /// What stands in the path of an address for `{...}`; none for an address of another.
    fn path_parameters(&self, path: &str) -> Option<BTreeMap<String, Value>> {
        let (own, other): (Vec<_>, Vec<_>) =
            (self.path.split('/').collect(), path.split('/').collect());
        let mut parameters = BTreeMap::new();
        for (own, other) in own.iter().zip(&other) {
            match own.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                Some(name) => {
                    let value = percent_decode_str(other).decode_utf8().ok()?;
                    parameters.insert(name.to_owned(), json!(value));
                }
                None if own == other => {}
                None => return None,
            }
        }
        (own.len() == other.len()).then_some(parameters)
    }
}

impl Parameter {
    /// The text of an address as the type that the document says; what is none stays a text, and
    /// does not fit.
    fn value(&self, text: &str) -> Value {
        let typed = match self.kind.as_str() {
            "integer" => text.parse::<i64>().ok().map(Value::from),
            "number" => text.parse::<f64>().ok().map(Value::from),
            "boolean" => text.parse::<bool>().ok().map(Value::from),
            "array" => Some(json!([text])),
            _ => None,
        };
        typed.unwrap_or_else(|| json!(text))
    }
}

fn fits(validator: &Validator, value: &Value) -> Result<(), String> {
    let mut errors = validator.iter_errors(value);
    match errors.next() {
        None => Ok(()),
        Some(error) => Err(format!("{error} at `{}`", error.instance_path())),
    }
}

/// `strict`: what has no name in the schema is refused, so that a misspelled field is none that
/// is left out.
fn validator(schema: &Value, schemas: &Value, strict: bool) -> Result<Validator> {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [normal(schema)],
        "components": { "schemas": schemas },
    });
    if let Some(root) = root.as_object_mut().filter(|_| strict) {
        root.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&root)
        .map_err(|why| anyhow::anyhow!("{why}"))
}

/// A schema of OpenAPI 3.0 as JSON Schema has it.
fn normal(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => {
            let mut normal: Map<String, Value> = members
                .iter()
                .map(|(key, value)| (key.clone(), normal(value)))
                .collect();
            if normal.get("nullable") != Some(&json!(true)) {
                return Value::Object(normal);
            }
            normal.remove("nullable");
            if normal.contains_key("$ref") {
                return json!({ "anyOf": [normal, { "type": "null" }] });
            }
            // Without a type, it is anything, null too.
            if let Some(kind) = normal.get_mut("type") {
                *kind = json!([kind, "null"]);
            }
            if let Some(Value::Array(values)) = normal.get_mut("enum") {
                values.push(Value::Null);
            }
            Value::Object(normal)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(method: &str, address: &str, body: Option<Value>) -> String {
        let oracle = ORACLE.as_ref().unwrap();
        oracle.call(method, address, body).unwrap_err()
    }

    /// A judge that lets everything pass judges nothing.
    #[test]
    fn what_does_not_fit_the_document_is_refused() {
        let datasets = "/api/public/v2/datasets";
        for body in [
            json!({ "nme": "q" }),
            json!({ "name": 5 }),
            json!([]),
            json!({}),
        ] {
            refused("POST", datasets, Some(body));
        }
        let why = refused(
            "POST",
            datasets,
            Some(json!({ "name": "q", "metdata": {} })),
        );
        assert!(why.contains("metdata"), "{why}");
        refused("POST", datasets, None);
        refused("DELETE", datasets, None);
        refused("GET", "/api/public/observations", None);
        let scores = "/api/public/v3/scores";
        for query in ["limit=ten", "trace_id=a", "fromTimestamp=yesterday"] {
            refused("GET", &format!("{scores}?{query}"), None);
        }
        let score = json!({ "name": "n", "value": true, "traceId": "t" });
        refused("POST", "/api/public/scores", Some(score));
        refused(
            "DELETE",
            "/api/public/traces",
            Some(json!({ "traceIds": "t" })),
        );
        // `nullable` without a type is no licence for what stands beside it.
        let item = json!({ "datasetName": null, "input": {} });
        refused("POST", "/api/public/dataset-items", Some(item));
        let item = json!({ "datasetName": "d", "status": "GONE" });
        refused("POST", "/api/public/dataset-items", Some(item));
    }

    #[test]
    fn what_fits_is_taken_apart() {
        let oracle = ORACLE.as_ref().unwrap();
        let body = json!({ "datasetName": "d", "input": null, "id": null, "status": null });
        oracle
            .call("POST", "/api/public/dataset-items", Some(body))
            .unwrap();
        let address = "/api/public/v2/datasets/a%252Fb%2F%C3%BC";
        let call = oracle.call("GET", address, None).unwrap();
        assert_eq!(call.text("datasetName"), Some("a%2Fb/ü"));
        let address = "/api/public/v2/observations?limit=7&fields=core%2Cbasic";
        let call = oracle.call("GET", address, None).unwrap();
        assert_eq!(call.number("limit"), Some(7));
        assert_eq!(call.list("fields").unwrap(), ["core", "basic"]);
    }

    #[test]
    fn answers_are_judged_as_well() {
        let oracle = ORACLE.as_ref().unwrap();
        let call = oracle.call("GET", "/api/public/health", None).unwrap();
        let good = json!({ "version": "4", "status": "OK" });
        assert!(oracle.check(&call, 200, Some(&good)).is_ok());
        assert!(
            oracle
                .check(&call, 200, Some(&json!({ "status": "OK" })))
                .is_err()
        );
        assert!(oracle.check(&call, 200, None).is_err());
        assert!(oracle.check(&call, 418, Some(&good)).is_err());
        let call = oracle.call("GET", "/api/public/v3/scores", None).unwrap();
        let score = |kind: &str, value: Value| {
            json!({ "data": [{
                "id": "s", "projectId": "p", "name": "n", "source": "API", "environment": "default",
                "timestamp": "2026-11-18T11:27:00Z", "createdAt": "2026-11-18T11:27:00Z",
                "updatedAt": "2026-11-18T11:27:00Z", "dataType": kind, "value": value,
            }], "meta": { "limit": 1 } })
        };
        let check = |body: Value| oracle.check(&call, 200, Some(&body));
        assert!(check(score("NUMERIC", json!(1))).is_ok());
        assert!(check(score("NUMERIC", json!("1"))).is_err());
        assert!(check(score("CATEGORICAL", json!(1))).is_err());
        assert!(check(score("OTHER", json!(1))).is_err());
    }
}
