//! Contexts in HTTP headers: W3C Trace Context and W3C Baggage.
//!
//! What comes in was written by anybody: what does not keep to the specification is ignored,
//! as that demands, and never fails a request.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::baggage::{Baggage, BaggageExt, KeyValueMetadata};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use percent_encoding::percent_decode_str;

use super::TelemetryManager;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The most members of a baggage, as W3C says.
const MAX_BAGGAGE: usize = 64;

impl TelemetryManager {
    /// The current context with what a caller sent along: the span that spans made in it are
    /// children of, and the baggage. Headers that are not as W3C says are ignored.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    ///
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// let mut headers = HeaderMap::new();
    /// let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// headers.insert("traceparent", HeaderValue::from_static(caller));
    ///
    /// let _entered = telemetry.extract(&headers).attach();
    /// telemetry.span("request", "acme").in_scope(|_| ()); // of the caller's trace
    /// ```
    #[must_use]
    pub fn extract(&self, headers: &HeaderMap) -> Context {
        Caller::of(headers).within(Context::current())
    }

    /// Write a context into the headers of a request, so that the spans of whoever answers it
    /// become children of its current span. A context without a span writes no span; what the
    /// headers said of another context goes.
    ///
    /// ```
    /// use http::HeaderMap;
    ///
    /// # let telemetry = roost::TelemetryManager::disabled();
    /// telemetry.span("ask", "acme").in_scope(|_| {
    ///     let mut headers = HeaderMap::new();
    ///     telemetry.inject(&opentelemetry::Context::current(), &mut headers);
    /// });
    /// ```
    pub fn inject(&self, context: &Context, headers: &mut HeaderMap) {
        for stale in [TRACEPARENT, TRACESTATE, BAGGAGE] {
            headers.remove(stale);
        }
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            let flags = span.trace_flags() & TraceFlags::SAMPLED;
            let parent = format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id());
            insert(headers, TRACEPARENT, &parent);
            insert(headers, TRACESTATE, &span.trace_state().header());
        }
        insert(headers, BAGGAGE, &context.baggage().to_string());
    }
}

/// What a caller sent along.
pub(super) struct Caller {
    span: Option<SpanContext>,
    baggage: Baggage,
}

impl Caller {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            span: span_context(headers),
            baggage: baggage(headers),
        }
    }

    /// `context` with it.
    pub(super) fn within(self, mut context: Context) -> Context {
        if let Some(span) = self.span {
            context = context.with_remote_span_context(span);
        }
        if self.baggage.is_empty() {
            context
        } else {
            context.with_baggage(self.baggage)
        }
    }
}

/// Sets a header, unless it would be empty or hold what headers cannot.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

fn span_context(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return None;
    };
    let (trace, span, flags) = trace_parent(parent.to_str().ok()?.trim())?;
    let state = list(headers, TRACESTATE)
        .and_then(|list| list.parse::<TraceState>().ok())
        .unwrap_or_default();
    let context = SpanContext::new(trace, span, flags, true, state);
    context.is_valid().then_some(context)
}

/// Reads `version-trace-parent-flags`. A later version may have more after it.
fn trace_parent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32)?;
    let span = hex(parts.next()?, 16)?;
    let flags = hex(parts.next()?, 2)?;
    let is_known = match version {
        0 => parts.next().is_none(),
        255 => false,
        _ => true,
    };
    let flags = TraceFlags::new(u8::try_from(flags).ok()?) & TraceFlags::SAMPLED;
    is_known.then_some((
        TraceId::from(trace),
        SpanId::from(u64::try_from(span).ok()?),
        flags,
    ))
}

/// Reads so many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(lower_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// A header that is a list, and may be sent in parts.
fn list(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let parts = headers.get_all(name).iter().map(HeaderValue::to_str);
    let parts: Vec<_> = parts.collect::<Result<_, _>>().ok()?;
    (!parts.is_empty()).then(|| parts.join(","))
}

/// The members that can be read; keys are as `Baggage` takes them, and their number is bounded
/// there.
fn baggage(headers: &HeaderMap) -> Baggage {
    let list = list(headers, BAGGAGE).unwrap_or_default();
    let members = list.split(',').take(MAX_BAGGAGE);
    members.filter_map(baggage_member).collect()
}

/// Reads `key=value;property`, the value percent-encoded.
fn baggage_member(text: &str) -> Option<KeyValueMetadata> {
    let (pair, metadata) = text.split_once(';').unwrap_or((text, ""));
    let (key, value) = pair.split_once('=')?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let key = key.trim().to_owned();
    Some(KeyValueMetadata::new(key, value.into_owned(), metadata))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn extracted(pairs: &[(&'static str, &str)]) -> Context {
        TelemetryManager::disabled().extract(&headers(pairs))
    }

    /// What the specification's own test suite sends, and whether it is a parent.
    #[test]
    fn a_traceparent_is_taken_or_ignored_as_the_specification_says() {
        let good = format!("00-{TRACE}-{SPAN}-01");
        let cases = [
            (good.clone(), Some(true)),
            (format!("00-{TRACE}-{SPAN}-00"), Some(false)),
            (format!(" {good} "), Some(true)),
            // Flags that are not known yet.
            (format!("00-{TRACE}-{SPAN}-ff"), Some(true)),
            // Versions to come may say more.
            (format!("cc-{TRACE}-{SPAN}-01"), Some(true)),
            (
                format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"),
                Some(true),
            ),
            (format!("cc-{TRACE}-{SPAN}-01.what"), None),
            (format!("{good}-what"), None),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("0-{TRACE}-{SPAN}-01"), None),
            (format!("000-{TRACE}-{SPAN}-01"), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{TRACE}-+7ad6b7169203331-01"), None),
            (format!("00-{TRACE}-b7ad-01"), None),
            (format!("00-{TRACE}-{SPAN}-1"), None),
            (format!("00-{TRACE}-{SPAN}"), None),
            (format!("00_{TRACE}_{SPAN}_01"), None),
            (String::new(), None),
        ];
        for (header, sampled) in cases {
            let context = extracted(&[("traceparent", &header)]);
            let span = context.span().span_context().clone();
            let found = span.is_valid().then_some(span.is_sampled());
            assert_eq!(found, sampled, "{header:?}");
            if found.is_some() {
                assert_eq!(span.trace_id().to_string(), TRACE, "{header:?}");
                assert_eq!(span.span_id().to_string(), SPAN, "{header:?}");
                assert!(span.is_remote());
            }
        }
        let context = extracted(&[("traceparent", &good), ("traceparent", &good)]);
        assert!(!context.span().span_context().is_valid(), "two are none");
    }

    #[test]
    fn a_tracestate_comes_in_parts_and_a_bad_one_costs_only_itself() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        for (parts, expected) in [
            (&["a=1", "b=2 , c=3"][..], "a=1,b=2,c=3"),
            (&["a=1,,b=2"], "a=1,b=2"),
            (&["A=1"], ""),
            (&["a"], ""),
        ] {
            let mut pairs = vec![("traceparent", parent.as_str())];
            pairs.extend(parts.iter().map(|part| ("tracestate", *part)));
            let context = extracted(&pairs);
            let span = context.span().span_context().clone();
            assert!(span.is_valid());
            assert_eq!(span.trace_state().header(), expected, "{parts:?}");
        }
    }

    #[test]
    fn what_is_extracted_can_be_injected() {
        let sent = headers(&[
            ("traceparent", &format!("00-{TRACE}-{SPAN}-01")),
            ("tracestate", "vendor=opaque"),
            ("baggage", "tenant=acme%20%F0%9F%A6%89;ttl=5"),
        ]);
        let telemetry = TelemetryManager::disabled();
        let context = telemetry.extract(&sent);
        let tenant = context.baggage().get("tenant").unwrap();
        assert_eq!(tenant.as_str(), "acme \u{1f989}");
        let mut forwarded = headers(&[("tracestate", "another=one")]);
        telemetry.inject(&context, &mut forwarded);
        assert_eq!(forwarded, sent);
    }

    #[test]
    fn a_bad_member_of_a_baggage_costs_only_itself() {
        let text = "a=1,no pair,=2,sp ace=3,b=%ff, c = 4 ,\u{e9}";
        let mut sent = HeaderMap::new();
        let value = HeaderValue::from_bytes(text.trim_end_matches("\u{e9}").as_bytes());
        sent.insert("baggage", value.unwrap());
        let context = TelemetryManager::disabled().extract(&sent);
        let baggage = context.baggage();
        assert_eq!(baggage.len(), 2, "{baggage}");
        assert_eq!(baggage.get("a").unwrap().as_str(), "1");
        assert_eq!(baggage.get("c").unwrap().as_str(), "4");

        sent.insert("baggage", HeaderValue::from_bytes(b"a=\xe9").unwrap());
        let context = TelemetryManager::disabled().extract(&sent);
        assert!(context.baggage().is_empty());
    }

    #[test]
    fn nothing_is_injected_where_there_is_nothing_and_nothing_stale_stays() {
        let mut headers = headers(&[
            ("traceparent", &format!("00-{TRACE}-{SPAN}-01")),
            ("tracestate", "another=one"),
            ("baggage", "tenant=another"),
        ]);
        TelemetryManager::disabled().inject(&Context::new(), &mut headers);
        assert!(headers.is_empty());
    }
}
