//! The spans of a search, with the names and attributes that its dashboards know.

use opentelemetry::KeyValue;
use serde_json::json;

use super::{Span, SpanBuilder, TelemetryManager};

/// How many results an event about them holds.
const TOP_RESULTS: usize = 3;

/// What is searched for, for [`TelemetryManager::search_span`].
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The question.
    pub query: &'a str,
    /// How many results are wanted.
    pub top_k: u32,
    /// How results are ranked.
    pub strategy: &'a str,
    /// The profile that is searched.
    pub profile: &'a str,
    /// The search engine.
    pub backend: &'a str,
}

impl Default for Search<'_> {
    fn default() -> Self {
        Self {
            query: "",
            top_k: 10,
            strategy: "default",
            profile: "unknown",
            backend: "vespa",
        }
    }
}

/// What is encoded, for [`TelemetryManager::encode_span`].
#[derive(Clone, Copy, Debug)]
pub struct Encode<'a> {
    /// The encoder, such as `ColPali`.
    pub encoder: &'a str,
    /// The text.
    pub query: &'a str,
}

/// What a search engine is asked, for [`TelemetryManager::backend_search_span`].
#[derive(Clone, Copy, Debug)]
pub struct BackendSearch<'a> {
    /// The question.
    pub query: &'a str,
    /// How many results are wanted.
    pub top_k: u32,
    /// How results are ranked.
    pub strategy: &'a str,
    /// The schema that is searched.
    pub schema: &'a str,
    /// Whether embeddings are part of the question.
    pub has_embeddings: bool,
    /// The search engine.
    pub backend: &'a str,
}

impl Default for BackendSearch<'_> {
    fn default() -> Self {
        Self {
            query: "",
            top_k: 10,
            strategy: "default",
            schema: "unknown",
            has_embeddings: false,
            backend: "vespa",
        }
    }
}

/// What was found, for [`Span::add_search_results`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchResult<'a> {
    /// The document.
    pub document_id: &'a str,
    /// The video it is of.
    pub video_id: Option<&'a str>,
    /// How well it fits; more is better.
    pub score: f64,
    /// What it is, such as `video`.
    pub content_type: Option<&'a str>,
}

impl TelemetryManager {
    /// A span around a whole search: `search_service.search`, a `CHAIN` of the component
    /// `search_service`, which ends with its `latency_ms`.
    ///
    /// ```
    /// use roost::manager::{Search, SearchResult};
    ///
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let search = Search { query: "owls", strategy: "HYBRID_FLOAT_BM25", ..Search::default() };
    /// telemetry.search_span("acme", search).in_scope(|span| {
    ///     let best = SearchResult { document_id: "d1", score: 0.9, ..SearchResult::default() };
    ///     span.add_search_results(&[best]);
    /// });
    /// ```
    pub fn search_span<'a>(&'a self, tenant: &'a str, search: Search<'_>) -> SpanBuilder<'a> {
        let Search {
            query,
            top_k,
            strategy,
            profile,
            backend,
        } = search;
        let input = json!({
            "query": query, "top_k": top_k, "strategy": strategy, "profile": profile,
            "backend": backend,
        });
        self.span("search_service.search", tenant)
            .component("search_service")
            .latency_key("latency_ms")
            .kind("CHAIN")
            .attribute("operation.name", "search")
            .attribute("backend", backend.to_owned())
            .attribute("query", query.to_owned())
            .attribute("strategy", strategy.to_owned())
            .attribute("top_k", i64::from(top_k))
            .attribute("profile", profile.to_owned())
            .attribute("input.value", input.to_string())
    }

    /// A span around an encoder: `encoder.colpali.encode`, an `EMBEDDING` of the component
    /// `encoder`, which ends with its `encoding_time_ms`.
    ///
    /// ```
    /// use roost::manager::Encode;
    ///
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let encode = Encode { encoder: "ColPali", query: "owls" };
    /// let vector = telemetry.encode_span("acme", encode).in_scope(|span| {
    ///     span.set_attribute("embedding_dim", 1);
    ///     vec![0.5]
    /// });
    /// ```
    pub fn encode_span<'a>(&'a self, tenant: &'a str, encode: Encode<'_>) -> SpanBuilder<'a> {
        let Encode { encoder, query } = encode;
        let name = encoder.to_lowercase();
        let length = i64::try_from(query.chars().count()).unwrap_or(i64::MAX);
        self.span(format!("encoder.{name}.encode"), tenant)
            .component("encoder")
            .latency_key("encoding_time_ms")
            .kind("EMBEDDING")
            .attribute("operation.name", format!("encode.{name}"))
            .attribute("encoder_type", encoder.to_owned())
            .attribute("query_length", length)
            .attribute("input.value", query.to_owned())
    }

    /// A span around what a search engine does: `search.execute`, a `RETRIEVER` of the
    /// component `backend`, which ends with its `latency_ms`.
    ///
    /// ```
    /// use roost::manager::BackendSearch;
    ///
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let search = BackendSearch { schema: "video_colpali_mv", ..BackendSearch::default() };
    /// telemetry
    ///     .backend_search_span("acme", search)
    ///     .in_scope(|span| span.set_attribute("num_results", 3));
    /// ```
    pub fn backend_search_span<'a>(
        &'a self,
        tenant: &'a str,
        search: BackendSearch<'_>,
    ) -> SpanBuilder<'a> {
        let BackendSearch {
            query,
            top_k,
            strategy,
            schema,
            has_embeddings,
            backend,
        } = search;
        let input = json!({
            "query": query, "top_k": top_k, "strategy": strategy, "schema": schema,
            "has_embeddings": has_embeddings, "backend": backend,
        });
        self.span("search.execute", tenant)
            .component("backend")
            .latency_key("latency_ms")
            .kind("RETRIEVER")
            .attribute("operation.name", "search.execute")
            .attribute("backend", backend.to_owned())
            .attribute("query", query.to_owned())
            .attribute("strategy", strategy.to_owned())
            .attribute("top_k", i64::from(top_k))
            .attribute("schema", schema.to_owned())
            .attribute("has_embeddings", has_embeddings)
            .attribute("input.value", input.to_string())
    }
}

impl Span {
    /// Tell what a search found, the best first: `num_results` and `top_score`, and an event
    /// `search_results` with the first three as JSON.
    pub fn add_search_results(&self, results: &[SearchResult<'_>]) {
        if !self.is_recording() {
            return;
        }
        let count = i64::try_from(results.len()).unwrap_or(i64::MAX);
        self.set_attribute("num_results", count);
        if let Some(best) = results.first() {
            self.set_attribute("top_score", best.score);
        }
        let top: Vec<_> = (1..)
            .zip(results.iter().take(TOP_RESULTS))
            .map(|(rank, result)| {
                json!({
                    "rank": rank, "document_id": result.document_id,
                    "video_id": result.video_id, "score": result.score,
                    "content_type": result.content_type,
                })
            })
            .collect();
        let top = serde_json::Value::from(top).to_string();
        self.add_event("search_results", vec![KeyValue::new("results", top)]);
    }
}
