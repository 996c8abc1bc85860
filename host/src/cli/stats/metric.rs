//! What is measured: as options, JSON and tables call it.

use clap::ValueEnum;
use roost::contract::MetricName;

use crate::cli::table::Cell;
use crate::cli::terminal::BAD;
use crate::cli::text;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Metric {
    SpanCount,
    TraceCount,
    LatencyMean,
    LatencyP50,
    LatencyP95,
    LatencyP99,
    ErrorRate,
    PromptTokens,
    CompletionTokens,
    TotalTokens,
    Cost,
}

/// A latency in the unit that suits it.
pub(super) fn milliseconds(value: f64) -> String {
    match value {
        0.0..1000.0 => format!("{value:.1} ms"),
        _ => format!("{:.2} s", value / 1000.0),
    }
}

/// A part of one, as a part of a hundred.
pub(super) fn percent(rate: f64) -> String {
    format!("{:.2} %", rate * 100.0)
}

impl Metric {
    /// As the contract calls it.
    pub(super) fn name(self) -> MetricName {
        match self {
            Self::SpanCount => MetricName::SpanCount,
            Self::TraceCount => MetricName::TraceCount,
            Self::LatencyMean => MetricName::LatencyMean,
            Self::LatencyP50 => MetricName::LatencyP50,
            Self::LatencyP95 => MetricName::LatencyP95,
            Self::LatencyP99 => MetricName::LatencyP99,
            Self::ErrorRate => MetricName::ErrorRate,
            Self::PromptTokens => MetricName::PromptTokens,
            Self::CompletionTokens => MetricName::CompletionTokens,
            Self::TotalTokens => MetricName::TotalTokens,
            Self::Cost => MetricName::Cost,
        }
    }

    /// Its key in JSON, with its unit.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::SpanCount => "span_count",
            Self::TraceCount => "trace_count",
            Self::LatencyMean => "latency_mean_ms",
            Self::LatencyP50 => "latency_p50_ms",
            Self::LatencyP95 => "latency_p95_ms",
            Self::LatencyP99 => "latency_p99_ms",
            Self::ErrorRate => "error_rate",
            Self::PromptTokens => "prompt_tokens",
            Self::CompletionTokens => "completion_tokens",
            Self::TotalTokens => "total_tokens",
            Self::Cost => "cost_usd",
        }
    }

    /// The head of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::SpanCount => "SPANS",
            Self::TraceCount => "TRACES",
            Self::LatencyMean => "MEAN",
            Self::LatencyP50 => "P50",
            Self::LatencyP95 => "P95",
            Self::LatencyP99 => "P99",
            Self::ErrorRate => "ERRORS",
            Self::PromptTokens => "PROMPT",
            Self::CompletionTokens => "COMPLETION",
            Self::TotalTokens => "TOKENS",
            Self::Cost => "COST (USD)",
        }
    }

    /// A value of it in a table.
    pub(super) fn cell(self, value: Option<f64>) -> Cell {
        let Some(value) = value else {
            return "-".into();
        };
        match self {
            Self::LatencyMean | Self::LatencyP50 | Self::LatencyP95 | Self::LatencyP99 => {
                milliseconds(value).into()
            }
            Self::ErrorRate if value > 0.0 => Cell::styled(&percent(value), BAD),
            Self::ErrorRate => percent(value).into(),
            _ => text::number(value).into(),
        }
    }
}

impl From<MetricName> for Metric {
    fn from(name: MetricName) -> Self {
        match name {
            MetricName::SpanCount => Self::SpanCount,
            MetricName::TraceCount => Self::TraceCount,
            MetricName::LatencyMean => Self::LatencyMean,
            MetricName::LatencyP50 => Self::LatencyP50,
            MetricName::LatencyP95 => Self::LatencyP95,
            MetricName::LatencyP99 => Self::LatencyP99,
            MetricName::ErrorRate => Self::ErrorRate,
            MetricName::PromptTokens => Self::PromptTokens,
            MetricName::CompletionTokens => Self::CompletionTokens,
            MetricName::TotalTokens => Self::TotalTokens,
            MetricName::Cost => Self::Cost,
        }
    }
}
