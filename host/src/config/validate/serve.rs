//! `[serve]`, and `[redaction]` of what comes in there.

use http::HeaderName;

use super::super::origin::key_path;
use super::super::{RedactionAction, RedactionConfig, ServeConfig};
use super::connection::check_secret;
use super::{Findings, HOUR_MILLIS, HOUR_SECONDS};

impl Findings<'_> {
    pub(super) fn serve(&mut self, serve: &ServeConfig) {
        let bytes = serve.max_body_bytes;
        self.range("serve.max_body_bytes", bytes, 1 << 10..=256 << 20);
        let connections = serve.max_connections;
        self.range("serve.max_connections", connections, 1..=1_000_000);
        let requests = serve.max_concurrent_requests;
        self.range("serve.max_concurrent_requests", requests, 1..=100_000);
        for (key, millis) in [
            ("serve.request_timeout_millis", serve.request_timeout_millis),
            ("serve.header_timeout_millis", serve.header_timeout_millis),
        ] {
            self.range(key, millis, 1..=HOUR_MILLIS);
        }
        let seconds = serve.shutdown_timeout_seconds;
        self.range("serve.shutdown_timeout_seconds", seconds, 1..=HOUR_SECONDS);
        self.text("serve.tenant_attribute", &serve.tenant_attribute);
        if let Err(error) = HeaderName::try_from(&serve.tenant_header) {
            self.refuse("serve.tenant_header", &serve.tenant_header, error);
        }
        for (tenant, keys) in &serve.keys {
            let key = key_path(["serve", "keys", tenant.as_str()]);
            if keys.as_slice().is_empty() {
                self.refuse_key(&key, "has no key; remove the line");
            }
            for source in keys.as_slice() {
                if let Err(advice) = check_secret(source) {
                    self.refuse_key(&key, advice);
                }
            }
        }
        if let Some(tls) = &serve.tls {
            for (key, path) in [
                ("serve.tls.certificate", Some(&tls.certificate)),
                ("serve.tls.key", Some(&tls.key)),
                ("serve.tls.client_ca", tls.client_ca.as_ref()),
            ] {
                if let Some(path) = path {
                    self.text(key, &path.to_string_lossy());
                }
            }
        }
    }

    pub(super) fn redaction(&mut self, redaction: &RedactionConfig) {
        for (number, rule) in redaction.rules.iter().enumerate() {
            let key = |name| key_path(["redaction", "rules", &number.to_string(), name]);
            if let Err(error) = rule.key_pattern() {
                self.refuse(&key("key"), &rule.key, pattern_fault(&error));
            }
            if let Some(value) = &rule.value
                && let Err(error) = rule.value_pattern()
            {
                self.refuse(&key("value"), value, pattern_fault(&error));
            }
            if rule.action == RedactionAction::Hash && redaction.hash_secret.is_none() {
                let advice = "needs a secret; add `hash_secret` to `[redaction]`";
                self.refuse(&key("action"), "hash", advice);
            }
        }
        if let Some(Err(advice)) = redaction.hash_secret.as_ref().map(check_secret) {
            self.refuse_key("redaction.hash_secret", advice);
        }
    }
}

/// What is wrong with an expression, in a line: the full message draws where, over several.
fn pattern_fault(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!(
        "is no regular expression: {}",
        last.trim_start_matches("error: ")
    )
}
