//! What follows from a resource and a scope, worked out once for those that come again.
//!
//! An application sends the same resource, to the byte, with all of its spans. To look through
//! it, to redact and to copy it takes longer than to hand on the few spans of a group.

use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lru::LruCache;
use rustc_hash::FxSeededState;

use super::redact::Redactor;
use super::service::{Service, service_of};
use super::session::take_from_resource;
use super::tenant::{Named, Tenants};
use crate::export::{Origin, SchemaUrls};

/// How many are remembered.
const MAX_KNOWN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);
/// What is longer is not, so that all of them are a few megabytes.
const MAX_BYTES: usize = 4 * 1_024;

/// Where spans come from, as their request has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// A valid `Resource` message.
    pub(super) resource: &'a [u8],
    /// A valid `InstrumentationScope` message.
    pub(super) scope: &'a [u8],
    pub(super) schema_urls: &'a SchemaUrls,
}

/// What follows from that.
#[derive(Debug)]
pub(super) struct Known {
    resource: Box<[u8]>,
    scope: Box<[u8]>,
    /// The tenant that the resource names.
    pub(super) named: Named,
    pub(super) service: Service,
    pub(super) session: Option<Arc<str>>,
    /// What is handed on of it.
    pub(super) origin: Arc<Origin>,
}

/// Those that were seen lately, by their hashes. Two of which it is the same take each other's
/// place, and are worked out again: it has to be fast and need not be safe.
pub(super) struct Origins {
    known: Mutex<LruCache<u64, Arc<Known>>>,
    keys: FxSeededState,
}

impl Origins {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::new(LruCache::new(MAX_KNOWN)),
            keys: FxSeededState::with_seed(rand::random::<u32>() as usize),
        }
    }

    /// What follows from a source. It has to be asked with the same rules each time.
    pub(super) fn of(
        &self,
        source: Source<'_>,
        tenants: &Tenants,
        redactor: &Redactor,
    ) -> Arc<Known> {
        let Source {
            resource,
            scope,
            schema_urls: urls,
        } = source;
        let bytes = resource.len() + scope.len() + urls.resource.len() + urls.spans.len();
        if bytes > MAX_BYTES {
            return Arc::new(Known::of(source, tenants, redactor));
        }
        let key = self.keys.hash_one((resource, scope, urls));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&key)
            && known.is_of(source)
        {
            return Arc::clone(known);
        }
        drop(known);
        let new = Arc::new(Known::of(source, tenants, redactor));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(key, Arc::clone(&new));
        new
    }
}

impl Known {
    fn of(source: Source<'_>, tenants: &Tenants, redactor: &Redactor) -> Self {
        let (resource, session) = take_from_resource(redactor.resource(source.resource));
        // Of what the rules leave: the project's name is told to the backend.
        let service = service_of(&resource);
        // Copies: slices would keep the whole body for as long as a span waits.
        let scope = Bytes::copy_from_slice(&redactor.scope(source.scope));
        let resource = Bytes::copy_from_slice(&resource);
        let origin = Origin::with_schema_urls(resource, scope, source.schema_urls.clone());
        Self {
            resource: source.resource.into(),
            scope: source.scope.into(),
            named: tenants.named(source.resource),
            service,
            session,
            origin: Arc::new(origin),
        }
    }

    fn is_of(&self, source: Source<'_>) -> bool {
        *self.resource == *source.resource
            && *self.scope == *source.scope
            && self.origin.schema_urls() == source.schema_urls
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::wire::{pair_of, put_bytes};
    use super::*;
    use crate::config::Config;

    fn resource(tenant: &str, bytes: usize) -> Vec<u8> {
        let mut resource = Vec::new();
        for (key, text) in [("tenant.id", tenant), ("filler", &"x".repeat(bytes))] {
            let mut value = Vec::new();
            put_bytes(1, text.as_bytes(), &mut value);
            put_bytes(1, &pair_of(key, &value), &mut resource);
        }
        resource
    }

    #[tokio::test]
    async fn what_comes_again_is_worked_out_once() {
        let config = Config::default();
        let tenants = Tenants::new(&config).await.unwrap();
        let redactor = Redactor::new(&config.redaction).await.unwrap();
        let origins = Origins::new();
        let ask = |resource: &[u8], scope: &[u8], url: &str| {
            let schema_urls = &SchemaUrls {
                spans: url.to_owned(),
                ..SchemaUrls::default()
            };
            let source = Source {
                resource,
                scope,
                schema_urls,
            };
            origins.of(source, &tenants, &redactor)
        };
        let acme = resource("acme", 10);
        let first = ask(&acme, b"", "");
        assert_eq!(
            first.named.as_ref().unwrap().as_ref().unwrap().as_str(),
            "acme"
        );
        assert!(Arc::ptr_eq(&first, &ask(&acme, b"", "")));
        for other in [
            ask(&resource("globex", 10), b"", ""),
            ask(&acme, b"\x0a\x01s", ""),
            ask(&acme, b"", "https://example.com/1"),
        ] {
            assert!(!Arc::ptr_eq(&first, &other), "{other:?}");
        }
        let long = resource("acme", MAX_BYTES);
        let (one, again) = (ask(&long, b"", ""), ask(&long, b"", ""));
        assert!(!Arc::ptr_eq(&one, &again));
        assert_eq!(one.origin, again.origin);
    }
}
