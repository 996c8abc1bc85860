//! `POST /search`: what the service is for. Three steps that a real one would ask a model
//! and an index for; the spans are what it would send.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use roost::TelemetryManager;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::caller::Caller;
use crate::error::ApiError;

const MODEL: &str = "gpt-4o-mini";
/// The words that the model takes.
const MODEL_LIMIT: usize = 64;

/// A question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// What is asked.
    pub query: String,
}

/// An answer.
#[derive(Debug, Serialize)]
pub struct SearchAnswer {
    /// The answer.
    pub answer: String,
    /// What it rests on, the best first.
    pub documents: Vec<Document>,
    /// The span of the answer, for `POST /feedback/{span_id}`; none while nothing is
    /// traced.
    pub span_id: Option<String>,
}

/// A document that was found.
#[derive(Debug, Serialize)]
pub struct Document {
    /// What it says.
    pub content: String,
    /// How well it fits, from 0 to 1.
    pub score: f64,
}

/// Why the model has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The prompt has too many words; holds how many.
    #[error("the prompt has {0} words and the model takes {MODEL_LIMIT}; ask for less")]
    TooLong(usize),
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            message: error.to_string(),
        }
    }
}

/// Answer a question.
///
/// # Errors
///
/// What is told to the caller, and is on the span already.
pub async fn search(
    State(telemetry): State<TelemetryManager>,
    caller: Caller,
    request: Result<Json<SearchRequest>, JsonRejection>,
) -> Result<Json<SearchAnswer>, ApiError> {
    let Json(request) = request.map_err(|why| ApiError::bad_request(why.body_text()))?;
    let pipeline = Pipeline {
        telemetry,
        tenant: caller.tenant.as_str(),
    };
    let vector = pipeline.embed(&request.query).await;
    let documents = pipeline.retrieve(&request.query, &vector).await;
    let (answer, span_id) = pipeline.answer(&request.query, &documents).await?;
    Ok(Json(SearchAnswer {
        answer,
        documents,
        span_id,
    }))
}

/// The steps, each with its span. Which span is the parent is never said: it is the one
/// that is current where the step is awaited.
struct Pipeline<'a> {
    telemetry: TelemetryManager,
    tenant: &'a str,
}

impl Pipeline<'_> {
    async fn embed(&self, query: &str) -> Vec<f32> {
        self.telemetry
            .span("embed", self.tenant)
            .kind("EMBEDDING")
            .attribute("embedding.model_name", "text-embedding-3-small")
            .attribute("embedding.embeddings.0.embedding.text", query.to_owned())
            .instrument(async |_| {
                sleep(Duration::from_millis(5)).await;
                vec![0.1, 0.2, 0.3]
            })
            .await
    }

    async fn retrieve(&self, query: &str, _vector: &[f32]) -> Vec<Document> {
        self.telemetry
            .span("retrieve", self.tenant)
            .kind("RETRIEVER")
            .attribute("input.value", query.to_owned())
            .instrument(async |span| {
                sleep(Duration::from_millis(5)).await;
                let documents = vec![
                    Document {
                        content: format!("All about {query}"),
                        score: 0.92,
                    },
                    Document {
                        content: format!("A short history of {query}"),
                        score: 0.71,
                    },
                ];
                for (place, document) in documents.iter().enumerate() {
                    let key = format!("retrieval.documents.{place}.document");
                    span.set_attribute(format!("{key}.content"), document.content.clone());
                    span.set_attribute(format!("{key}.score"), document.score);
                }
                documents
            })
            .await
    }

    /// An error here is recorded as an exception on the span, and returned.
    async fn answer(
        &self,
        query: &str,
        documents: &[Document],
    ) -> Result<(String, Option<String>), ModelError> {
        self.telemetry
            .span("answer", self.tenant)
            .kind("LLM")
            .attribute("llm.model_name", MODEL)
            .attribute("input.value", query.to_owned())
            .try_instrument(async |span| {
                let words = query.split_whitespace().count();
                if words > MODEL_LIMIT {
                    return Err(ModelError::TooLong(words));
                }
                sleep(Duration::from_millis(10)).await;
                let answer = format!("{} documents are about {query}.", documents.len());
                span.set_attribute("output.value", answer.clone());
                span.set_attribute("llm.token_count.prompt", 42);
                span.set_attribute("llm.token_count.completion", 7);
                span.set_attribute("llm.token_count.total", 49);
                Ok((answer, span.span_id()))
            })
            .await
    }
}
