//! Who sent spans that come encoded: a resource and an instrumentation scope of their own.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;

use bytes::Bytes;
use opentelemetry::KeyValue;

use super::encode::{attribute_key, fields};

/// The resource and the scope of spans that another process has made, as it encoded them.
///
/// Spans of one project whose origins are equal share a `ResourceSpans` on their way out.
/// Making one reads its bytes once; make it once for all spans that share it.
#[derive(Clone, Debug)]
pub struct Origin {
    resource: Bytes,
    scope: Bytes,
    schema_urls: SchemaUrls,
    hash: u64,
}

/// Which version of the semantic conventions was kept to; empty where nothing says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaUrls {
    /// In the resource.
    pub resource: String,
    /// In the spans.
    pub spans: String,
}

impl Origin {
    /// `resource` is an OTLP `Resource` message and `scope` an OTLP `InstrumentationScope`
    /// message, both valid protobuf; either may be empty. The resource's attributes are sent as
    /// they are but for those that the project or its destination sets itself.
    #[must_use]
    pub fn new(resource: Bytes, scope: Bytes) -> Self {
        Self::with_schema_urls(resource, scope, SchemaUrls::default())
    }

    /// The same, with what stands beside the two messages.
    #[must_use]
    pub fn with_schema_urls(resource: Bytes, scope: Bytes, schema_urls: SchemaUrls) -> Self {
        static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let hash = STATE.hash_one((&resource, &scope, &schema_urls));
        Self {
            resource,
            scope,
            schema_urls,
            hash,
        }
    }

    /// The `Resource` message.
    #[must_use]
    pub fn resource(&self) -> &Bytes {
        &self.resource
    }

    /// The resource with these attributes over its own, which are already encoded.
    pub(super) fn resource_under(&self, attributes: &[KeyValue], encoded: &[u8]) -> Vec<u8> {
        let mut resource = Vec::with_capacity(self.resource.len() + encoded.len());
        for field in fields(&self.resource) {
            let key = field.message(1).and_then(attribute_key);
            let is_replaced = key.is_some_and(|key| {
                let mut keys = attributes.iter().map(|attribute| attribute.key.as_str());
                keys.any(|replaced| replaced.as_bytes() == key)
            });
            if !is_replaced {
                resource.extend_from_slice(field.raw);
            }
        }
        resource.extend_from_slice(encoded);
        resource
    }

    /// The `InstrumentationScope` message.
    #[must_use]
    pub fn scope(&self) -> &Bytes {
        &self.scope
    }

    /// Equal for equal ones, and hardly ever for others.
    pub(super) fn hash_value(&self) -> u64 {
        self.hash
    }

    /// The `schemaUrl`s of its `ResourceSpans` and `ScopeSpans`.
    #[must_use]
    pub fn schema_urls(&self) -> &SchemaUrls {
        &self.schema_urls
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.hash, &self.resource, &self.scope, &self.schema_urls)
                == (
                    other.hash,
                    &other.resource,
                    &other.scope,
                    &other.schema_urls,
                )
    }
}

impl Eq for Origin {}
