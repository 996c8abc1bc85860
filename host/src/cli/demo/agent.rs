//! A small agent, as an application would write it: plan, retrieve, answer. Its
//! model and its index are pretended; its spans are what any agent sends, with the
//! attributes that OpenInference names.

use std::time::Duration;

use roost::TelemetryManager;
use tokio::time::sleep;

const MODEL: &str = "gpt-4o-mini";

/// A question of a tenant's user, and what the world answers.
pub(super) struct Question {
    pub(super) session: &'static str,
    pub(super) text: &'static str,
    pub(super) documents: &'static [(&'static str, f64)],
    pub(super) answer: Result<&'static str, &'static str>,
    /// How slow everything is: 1.0 is usual.
    pub(super) pace: f64,
}

/// A tenant and what its users ask.
pub(super) struct Tenant {
    pub(super) id: &'static str,
    pub(super) questions: &'static [Question],
}

/// Spans of one question.
pub(super) const SPANS_PER_QUESTION: usize = 5;

pub(super) const TENANTS: [Tenant; 3] = [
    Tenant {
        id: "acme",
        questions: &[
            Question {
                session: "chat-17",
                text: "Which videos show a phoenix?",
                documents: &[("Birds of fire", 0.93), ("Myths in motion", 0.88)],
                answer: Ok("Two do: Birds of fire, and Myths in motion."),
                pace: 1.0,
            },
            Question {
                session: "chat-17",
                text: "And which one is the shorter?",
                documents: &[("Birds of fire", 0.81)],
                answer: Ok("Birds of fire, with four minutes."),
                pace: 0.6,
            },
        ],
    },
    Tenant {
        id: "globex",
        questions: &[Question {
            session: "support-4",
            text: "How do I cut a clip?",
            documents: &[("Editing for beginners", 0.90), ("The short cut", 0.74)],
            answer: Ok("Open the clip, mark both ends, and press Cut."),
            pace: 1.3,
        }],
    },
    Tenant {
        id: "initech",
        questions: &[Question {
            session: "ask-9",
            text: "Summarise all 4,000 reports",
            documents: &[("Report 1", 0.52), ("Report 2", 0.52)],
            answer: Err("rate limited: 60 requests a minute are allowed, try again in 12 s"),
            pace: 0.8,
        }],
    },
];

/// Every question of a tenant, one after the other; returned are their traces.
pub(super) async fn answer_all(telemetry: &TelemetryManager, tenant: &Tenant) -> Vec<String> {
    let mut traces = Vec::new();
    for question in tenant.questions {
        let session = telemetry.session(tenant.id, question.session);
        let agent = Agent {
            telemetry,
            tenant: tenant.id,
            question,
        };
        // That a question has no answer is on its span; the next is asked all the same.
        traces.extend(session.instrument(agent.ask()).await);
    }
    traces
}

struct Agent<'a> {
    telemetry: &'a TelemetryManager,
    tenant: &'a str,
    question: &'a Question,
}

impl Agent<'_> {
    /// The whole request. Everything below happens inside of its span.
    async fn ask(&self) -> Option<String> {
        let span = self.telemetry.span("ask", self.tenant).kind("AGENT");
        span.attribute("input.value", self.question.text)
            .instrument(async |span| {
                self.plan().await;
                self.retrieve().await;
                match self.answer().await {
                    Ok(answer) => span.set_attribute("output.value", answer),
                    Err(error) => span.record_error(error),
                }
                span.trace_id()
            })
            .await
    }

    async fn plan(&self) {
        self.telemetry
            .span("plan", self.tenant)
            .kind("LLM")
            .attribute("llm.model_name", MODEL)
            .attribute("input.value", self.question.text)
            .instrument(async |span| {
                self.take(120).await;
                span.set_attribute("output.value", "retrieve, then answer");
                span.set_attribute("llm.token_count.prompt", 212);
                span.set_attribute("llm.token_count.completion", 9);
                span.set_attribute("llm.token_count.total", 221);
            })
            .await;
    }

    async fn retrieve(&self) {
        self.telemetry
            .span("retrieve", self.tenant)
            .kind("RETRIEVER")
            .attribute("input.value", self.question.text)
            .instrument(async |span| {
                self.embed().await;
                self.take(45).await;
                for (place, (title, score)) in self.question.documents.iter().enumerate() {
                    let document = format!("retrieval.documents.{place}.document");
                    span.set_attribute(format!("{document}.content"), *title);
                    span.set_attribute(format!("{document}.score"), *score);
                }
            })
            .await;
    }

    async fn embed(&self) {
        self.telemetry
            .span("embed", self.tenant)
            .kind("EMBEDDING")
            .attribute("embedding.model_name", "text-embedding-3-small")
            .instrument(async |_| self.take(30).await)
            .await;
    }

    async fn answer(&self) -> Result<&'static str, &'static str> {
        self.telemetry
            .span("answer", self.tenant)
            .kind("LLM")
            .attribute("llm.model_name", MODEL)
            .attribute("input.value", self.question.text)
            .try_instrument(async |span| {
                self.take(280).await;
                let answer = self.question.answer?;
                span.set_attribute("output.value", answer);
                span.set_attribute("llm.token_count.prompt", 486);
                span.set_attribute("llm.token_count.completion", 31);
                span.set_attribute("llm.token_count.total", 517);
                Ok(answer)
            })
            .await
    }

    async fn take(&self, milliseconds: u32) {
        sleep(Duration::from_millis(milliseconds.into()).mul_f64(self.question.pace)).await;
    }
}
