//! The configuration as an operator meets it: files, the environment, and what is said
//! about mistakes.
//!
//! A folder in `tests/config` is a case: `roost.toml`, variables in `environment` if there
//! are any, and in `error.txt` all that is said about both. `ROOST_BLESS=1` writes
//! `error.txt` anew.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use roost::config::{
    Config, ConfigError, ExposeSecret, SecretSource, TelemetryConfig, TelemetryLevel, TenantId,
    VARIABLES,
};
use serde_json::{Value, json};

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn no_env(_: &str) -> Option<String> {
    None
}

fn lookup<'a>(env: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| {
        env.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    }
}

fn with_env(text: &str, env: &[(&str, &str)]) -> Config {
    let mut config = Config::from_toml(text, "roost.toml").unwrap();
    config.apply_env(lookup(env)).unwrap();
    config.validate().unwrap();
    config
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a case says, with its folder cut off so that a message begins with `roost.toml`.
fn said(case: &Path) -> String {
    let text = fs::read_to_string(case.join("environment")).unwrap_or_default();
    let env: HashMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let lookup = |name: &str| env.get(name).map(|value| (*value).to_owned());
    match Config::load_from(None, case, lookup) {
        Ok(_) => "no error\n".to_owned(),
        Err(error) => format!("{error}\n").replace(&format!("{}/", case.display()), ""),
    }
}

#[test]
fn every_bad_configuration_gets_its_message() {
    let mut cases: Vec<_> = fs::read_dir(package().join("tests/config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 10, "the cases are not where they should be");
    let mut differing = String::new();
    for case in cases {
        let said = said(&case);
        let expected = case.join("error.txt");
        if std::env::var_os("ROOST_BLESS").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if said != expected || said == "no error\n" {
            differing += &format!("{}\nexpected\n{expected}said\n{said}\n", case.display());
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

#[test]
fn no_message_shows_a_secret() {
    for (case, secret) in [
        ("bad_secret", "12345678"),
        ("bad_serve", "12345678"),
        ("bad_url", "hunter2"),
        ("bad_database", "hunter2"),
    ] {
        let case = package().join("tests/config").join(case);
        let file = fs::read_to_string(case.join("roost.toml")).unwrap();
        assert!(file.contains(secret), "the case has lost its secret");
        assert!(!said(&case).contains(secret), "{}", said(&case));
    }
}

#[test]
fn without_a_file_every_key_has_its_default() {
    let config = serde_json::to_value(Config::default()).unwrap();
    let expected = json!({
        "telemetry": {
            "enabled": true,
            "level": "detailed",
            "environment": "development",
            "service_name": "video-search",
            "service_version": "1.0.0",
            "default_tenant_id": "default",
            "tenant_project_template": "cogniverse-{tenant_id}",
            "tenant_service_template": "cogniverse-{tenant_id}-{service}",
            "max_cached_tenants": 100,
            "tenant_cache_ttl_seconds": 3600,
            "otlp_enabled": true,
            "otlp_endpoint": "localhost:4317",
            "otlp_use_tls": false,
            "extra_resource_attributes": {},
            "sampling": {
                "sampler": "parentbased_always_on",
                "ratio": 1.0
            },
            "batch_config": {
                "max_queue_size": 2048,
                "max_export_batch_size": 512,
                "export_timeout_millis": 30000,
                "schedule_delay_millis": 500,
                "on_queue_full": null,
                "drop_on_queue_full": true,
                "log_dropped_spans": true,
                "max_drop_log_rate_per_minute": 10,
                "use_sync_export": false
            },
            "spool": {
                "folder": null,
                "max_bytes": 1_073_741_824,
                "max_age_seconds": 259_200
            }
        },
        "plugins": {
            "folder": "plugins",
            "trusted_keys": [],
            "require_signatures": false,
            "drain_timeout_seconds": 30,
            "poll_interval_seconds": 2,
            "stack_bytes": 524_288,
            "quarantine_after_starts": 5,
            "quarantine_after_traps": 50,
            "quarantine_window_seconds": 60,
            "rollback_after_failures": 3
        },
        "limits": {
            "memory_bytes": 268_435_456,
            "table_elements": 200_000,
            "growth_bytes": 33_554_432,
            "call_timeout_millis": 30_000,
            "write_timeout_millis": 30_000,
            "health_timeout_millis": 10_000,
            "start_timeout_millis": 30_000,
            "max_instances": 8,
            "calls_per_instance": 10_000,
            "idle_timeout_seconds": 60,
            "result_bytes": 134_217_728,
            "response_bytes": 67_108_864,
            "request_bytes": 16_777_216,
            "log_records_per_second": 100,
            "requests_per_minute": 120_000,
            "bytes_per_minute": 8_589_934_592_u64
        },
        "database": { "max_bytes": 10_737_418_240_u64 },
        "cache": {
            "enabled": true,
            "ttl_seconds": 5,
            "max_bytes": 67_108_864
        },
        "serve": {
            "grpc_address": "127.0.0.1:4317",
            "http_address": "127.0.0.1:4318",
            "admin_address": "127.0.0.1:9464",
            "tenant_from": ["header", "attribute"],
            "tenant_header": "x-roost-tenant",
            "tenant_attribute": "tenant.id",
            "require_tenant": false,
            "keys": {},
            "max_body_bytes": 16_777_216,
            "max_connections": 1024,
            "max_concurrent_requests": 64,
            "request_timeout_millis": 8000,
            "header_timeout_millis": 30000,
            "shutdown_timeout_seconds": 25
        },
        "redaction": { "rules": [] },
        "connections": {
            "default": {
                "provider_config": {},
                "secrets": {},
                "secrets_refresh_seconds": 300,
                "allow_hosts": [],
                "cache": true,
                "limits": {}
            }
        },
        "tenants": {}
    });
    assert_eq!(config, expected);
    Config::default().validate().unwrap();
}

/// Every variable, with a value that is not the default, and what it sets.
#[test]
fn every_variable_sets_its_key_and_no_other() {
    let table = [
        (
            "TELEMETRY_ENABLED",
            "false",
            "/telemetry/enabled",
            json!(false),
        ),
        (
            "TELEMETRY_LEVEL",
            "VERBOSE",
            "/telemetry/level",
            json!("verbose"),
        ),
        (
            "TELEMETRY_SYNC_EXPORT",
            "1",
            "/telemetry/batch_config/use_sync_export",
            json!(true),
        ),
        (
            "OTEL_TRACES_SAMPLER",
            "parentbased_traceidratio",
            "/telemetry/sampling/sampler",
            json!("parentbased_traceidratio"),
        ),
        (
            "OTEL_TRACES_SAMPLER_ARG",
            "0.25",
            "/telemetry/sampling/ratio",
            json!(0.25),
        ),
        (
            "ENVIRONMENT",
            "production",
            "/telemetry/environment",
            json!("production"),
        ),
        (
            "SERVICE_VERSION",
            "2.1.0",
            "/telemetry/service_version",
            json!("2.1.0"),
        ),
        (
            "PHOENIX_ENABLED",
            "off",
            "/telemetry/otlp_enabled",
            json!(false),
        ),
        (
            "PHOENIX_COLLECTOR_ENDPOINT",
            "http://phoenix.internal:4317",
            "/telemetry/otlp_endpoint",
            json!("http://phoenix.internal:4317"),
        ),
        (
            "PHOENIX_USE_TLS",
            "yes",
            "/telemetry/otlp_use_tls",
            json!(true),
        ),
        (
            "PHOENIX_PROJECT_NAME",
            "cortex-agents",
            "/telemetry/service_name",
            json!("cortex-agents"),
        ),
        (
            "PHOENIX_API_ENDPOINT",
            "http://phoenix.internal:6006",
            "/connections/default/provider_config/http_endpoint",
            json!("http://phoenix.internal:6006"),
        ),
        (
            "PHOENIX_HTTP_ENDPOINT",
            "http://phoenix.internal:6006",
            "/connections/default/provider_config/http_endpoint",
            json!("http://phoenix.internal:6006"),
        ),
        (
            "PHOENIX_GRPC_ENDPOINT",
            "http://phoenix.internal:4317",
            "/connections/default/provider_config/grpc_endpoint",
            json!("http://phoenix.internal:4317"),
        ),
        (
            "PHOENIX_API_KEY",
            "sk-1",
            "/connections/default/secrets/api_key",
            json!("***"),
        ),
        (
            "ROOST_PLUGINS",
            "/srv/plugins",
            "/plugins/folder",
            json!("/srv/plugins"),
        ),
    ];
    let names: Vec<_> = table.iter().map(|(name, ..)| *name).collect();
    let known: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!(names, known, "the table has every variable");

    let default = serde_json::to_value(Config::default()).unwrap();
    for ((name, value, pointer, expected), variable) in table.into_iter().zip(VARIABLES) {
        assert_eq!(
            variable.key,
            pointer.trim_start_matches('/').replace('/', ".")
        );
        let mut config = serde_json::to_value(with_env("", &[(name, value)])).unwrap();
        assert_ne!(
            default.pointer(pointer),
            Some(&expected),
            "{name} proves nothing"
        );
        assert_eq!(config.pointer(pointer), Some(&expected), "{name}");

        // Put back, nothing differs.
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let object = config
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .unwrap();
        match default.pointer(pointer) {
            Some(value) => object.insert(key.to_owned(), value.clone()),
            None => object.remove(key),
        };
        assert_eq!(config, default, "{name} sets something else");
    }
}

#[test]
fn the_environment_stands_over_the_file_and_an_empty_variable_does_not() {
    let file = "[telemetry]\nlevel = \"basic\"\nenvironment = \"staging\"";
    let config = with_env(
        file,
        &[("TELEMETRY_LEVEL", "verbose"), ("ENVIRONMENT", " ")],
    );
    assert_eq!(config.telemetry.level, TelemetryLevel::Verbose);
    assert_eq!(config.telemetry.environment, "staging");
}

#[test]
fn of_both_names_for_the_http_endpoint_the_first_of_the_docs_wins() {
    let env = [
        ("PHOENIX_API_ENDPOINT", "http://api:1"),
        ("PHOENIX_HTTP_ENDPOINT", "http://http:2"),
    ];
    let config = with_env("", &env);
    assert_eq!(
        config.connections.default.provider_config["http_endpoint"],
        "http://http:2"
    );
}

#[tokio::test]
async fn the_variables_of_a_phoenix_connection_leave_another_provider_alone() {
    let env = [
        ("PHOENIX_HTTP_ENDPOINT", "http://phoenix:6006"),
        ("PHOENIX_API_ENDPOINT", "http://phoenix:6006"),
        ("PHOENIX_GRPC_ENDPOINT", "http://phoenix:4317"),
        ("PHOENIX_API_KEY", "sk-1"),
    ];
    let other = with_env("connections.default.provider = \"mlflow\"", &env);
    assert!(other.connections.default.provider_config.is_empty());
    assert!(other.connections.default.secrets.is_empty());

    let phoenix = with_env("connections.default.provider = \"phoenix\"", &env);
    assert_eq!(phoenix.connections.default.provider_config.len(), 2);
    let key = phoenix.connections.default.secrets["api_key"]
        .resolve()
        .await
        .unwrap();
    assert_eq!(key.expose_secret(), "sk-1");
}

#[test]
fn a_file_is_found_by_argument_then_variable_then_folder() {
    let folder = folder("finding");
    let write = |name: &str| {
        let text = format!("[telemetry]\nenvironment = \"{name}\"");
        fs::write(folder.join(name), text).unwrap();
    };
    let environment = |path: Option<&str>, env: &[(&str, &str)]| {
        let config = Config::load_from(path.map(Path::new), &folder, lookup(env)).unwrap();
        config.telemetry.environment
    };
    assert_eq!(environment(None, &[]), "development");
    write("roost.toml");
    write("variable.toml");
    write("argument.toml");
    let env = [("ROOST_CONFIG", "variable.toml")];
    assert_eq!(environment(None, &[]), "roost.toml");
    assert_eq!(environment(None, &env), "variable.toml");
    assert_eq!(environment(Some("argument.toml"), &env), "argument.toml");
}

#[test]
fn a_file_that_is_named_and_not_there_is_an_error_that_says_who_named_it() {
    let folder = folder("missing");
    let env = [("ROOST_CONFIG", "gone.toml")];
    let error = Config::load_from(None, &folder, lookup(&env)).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.contains("gone.toml") && message.contains("ROOST_CONFIG"),
        "{message}"
    );
}

#[tokio::test]
async fn paths_in_a_file_are_relative_to_it() {
    let text = r#"
        plugins = { folder = "providers", cache_folder = "/var/cache/roost" }
        connections.default.secrets.api_key = { file = "key" }
    "#;
    let folder = folder("relative");
    fs::write(folder.join("key"), "sk-2\n").unwrap();
    let config = Config::from_toml(text, folder.join("roost.toml")).unwrap();
    assert_eq!(config.plugins.folder, folder.join("providers"));
    assert_eq!(
        config.plugins.cache_folder.as_deref(),
        Some(Path::new("/var/cache/roost"))
    );
    let key = config.connections.default.secrets["api_key"]
        .resolve()
        .await
        .unwrap();
    assert_eq!(
        key.expose_secret(),
        "sk-2",
        "the line end is not part of it"
    );
}

#[tokio::test]
async fn an_empty_secret_file_is_an_error_that_names_it() {
    let file = folder("empty").join("key");
    fs::write(&file, "\n").unwrap();
    let error = SecretSource::File { file: file.clone() }
        .resolve()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_configuration_never_shows_a_secret() {
    let config = with_env(
        "connections.eu.secrets.key = \"sk-file\"",
        &[("PHOENIX_API_KEY", "sk-env")],
    );
    let shown = format!("{config:#?}") + &serde_json::to_string(&config).unwrap();
    assert!(shown.contains("api_key"), "the secrets are listed");
    assert!(!shown.contains("sk-"), "{shown}");
}

#[test]
fn a_tenant_has_its_connection_or_the_default_one() {
    let config = with_env(
        "connections.eu.provider = \"phoenix\"\ntenants.acme.connection = \"eu\"",
        &[],
    );
    let (acme, other) = (
        TenantId::new("acme").unwrap(),
        TenantId::new("other").unwrap(),
    );
    assert_eq!(config.connection_name_for(&acme), "eu");
    assert_eq!(
        config.connection_for(&acme).unwrap().provider.as_deref(),
        Some("phoenix")
    );
    assert_eq!(config.connection_name_for(&other), "default");
    assert!(config.connection_for(&other).unwrap().provider.is_none());
}

#[test]
fn a_tenant_whose_connection_is_missing_never_gets_another_one() {
    let config = Config::from_toml("tenants.acme.connection = \"eu\"", "roost.toml").unwrap();
    let acme = TenantId::new("acme").unwrap();
    assert!(config.connection_for(&acme).is_none());
    assert!(config.validate().is_err());
}

#[test]
fn telemetry_config_goes_to_a_dictionary_and_back() {
    let config = TelemetryConfig {
        level: TelemetryLevel::Verbose,
        extra_resource_attributes: [("team".to_owned(), "search".to_owned())].into(),
        ..TelemetryConfig::default()
    };
    let dictionary = serde_json::to_value(&config).unwrap();
    assert_eq!(
        serde_json::from_value::<TelemetryConfig>(dictionary).unwrap(),
        config
    );
    let partial = serde_json::from_value::<TelemetryConfig>(json!({ "max_cached_tenants": 2 }));
    assert_eq!(partial.unwrap().max_cached_tenants, 2);
    assert!(serde_json::from_value::<TelemetryConfig>(json!({ "colour": 1 })).is_err());
}

#[test]
fn telemetry_that_is_off_instruments_nothing() {
    let mut config = TelemetryConfig::default();
    assert!(config.should_instrument_level("search_service"));
    assert!(!config.should_instrument_level("pipeline"));
    config.enabled = false;
    assert!(!config.should_instrument_level("search_service"));
}

#[test]
fn the_example_is_a_valid_configuration_of_the_defaults() {
    let path = package().join("../docs/roost.example.toml");
    let text = fs::read_to_string(&path).unwrap();
    let config = Config::from_toml(&text, "roost.toml").unwrap();
    config.validate().unwrap();
    let expected = serde_json::to_value(Config::default()).unwrap();
    let config = serde_json::to_value(config).unwrap();
    for section in ["telemetry", "plugins", "limits", "database"] {
        assert_eq!(config[section], expected[section], "{section}");
    }
}

#[test]
fn the_example_and_the_reference_name_every_key_and_variable() {
    let docs = package().join("../docs");
    let example = fs::read_to_string(docs.join("roost.example.toml")).unwrap();
    let reference = fs::read_to_string(docs.join("configuration.md")).unwrap();
    let config = serde_json::to_value(Config::default()).unwrap();
    for section in [
        "/telemetry",
        "/telemetry/sampling",
        "/telemetry/batch_config",
        "/plugins",
        "/limits",
        "/database",
        "/serve",
        "/redaction",
    ] {
        for key in config
            .pointer(section)
            .and_then(Value::as_object)
            .unwrap()
            .keys()
        {
            assert!(example.contains(key), "the example lacks {key}");
            assert!(
                reference.contains(&format!("`{key}`")),
                "the reference lacks {key}"
            );
        }
    }
    for name in VARIABLES
        .iter()
        .map(|variable| variable.name)
        .chain(["ROOST_CONFIG"])
    {
        assert!(
            reference.contains(&format!("`{name}`")),
            "the reference lacks {name}"
        );
    }
}

#[test]
fn loading_without_a_file_or_variables_gives_the_defaults() {
    let config = Config::load_from(None, &folder("nothing"), no_env).unwrap();
    assert_eq!(
        serde_json::to_value(config).unwrap(),
        serde_json::to_value(Config::default()).unwrap()
    );
}
