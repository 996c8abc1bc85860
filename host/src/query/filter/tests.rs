#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;

use super::super::tests::span;
use super::*;
use crate::contract::StatusCode;

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn subject() -> Span {
    use AttributeValue::{Boolean, Integer, Json, Number, Text};
    let mut span = span(&[
        ("llm.model_name", Text("gpt-4".to_owned())),
        ("llm.token_count.total", Integer(12)),
        ("n", Integer(7)),
        ("ratio", Number(0.5)),
        ("text_n", Text("7".to_owned())),
        ("cached", Boolean(true)),
        ("tags", Json("[\"a\",\"b\"]".to_owned())),
        ("vast", Integer(9_007_199_254_740_993)),
        ("größe", Text("XL 🦉".to_owned())),
    ]);
    span.status = StatusCode::Error;
    span
}

/// The filter, its answer, and whether predicates say all of it.
const CASES: [(&str, bool, bool); 67] = [
    ("status_code = 'ERROR'", true, true),
    ("span.status_code = 'OK'", false, true),
    ("status.code = 'ERROR'", true, true),
    ("duration > 1000", false, true),
    ("duration > 249.5 AND duration <= 250", true, true),
    (
        "status_code = 'ERROR' AND latency_ms > 1000 AND attributes['llm.model_name'] = 'gpt-4'",
        false,
        true,
    ),
    ("attributes['llm.model_name'] = 'gpt-4'", true, true),
    ("attributes.llm.model_name = 'gpt-4'", true, true),
    ("\"attributes.llm.model_name\" = 'gpt-4'", true, true),
    ("attributes[\"llm.model_name\"] = 'gpt-4'", true, true),
    ("span.attributes['llm.model_name'] = 'gpt-4'", true, true),
    ("attributes['llm']['model_name'] = 'gpt-4'", true, true),
    ("attributes['größe'] = 'XL 🦉'", true, true),
    ("attributes['n'] = '7'", false, true),
    ("attributes['n'] = 7", true, true),
    ("attributes['n'] = 7.0", true, true),
    ("7 = attributes['n']", true, true),
    ("attributes['text_n'] = 7", false, true),
    ("attributes['text_n'] = '7'", true, true),
    ("attributes['n'] <> 8", true, false),
    ("attributes['missing'] <> 8", false, false),
    ("attributes['text_n'] <> 8", false, false),
    ("name <> 'other'", true, true),
    ("parent_id <> 'x'", false, false),
    ("parent_id IS NULL", true, true),
    ("attributes['n'] IS NOT NULL", true, true),
    ("attributes['missing'] IS NULL", true, true),
    ("attributes['cached']", true, true),
    ("attributes['cached'] = true", true, true),
    ("NOT attributes['cached']", false, true),
    ("attributes['cached'] IS NOT TRUE", false, false),
    ("name = 'a' OR name = 'search'", true, true),
    ("name IN ('a', 'b', 'c', 'd', 'search')", true, true),
    ("name NOT IN ('a', 'b', 'c', 'd', 'e')", true, false),
    ("attributes['n'] IN (1, 7)", true, true),
    ("attributes['n'] BETWEEN 5 AND 8", true, true),
    ("name LIKE '%ear%'", true, true),
    ("name LIKE 'sea%'", true, false),
    ("name LIKE 's_arch'", true, false),
    ("name ILIKE 'SEARCH'", true, false),
    ("attributes['llm.model_name'] LIKE '%gpt%'", true, false),
    ("attributes['tags'] LIKE '%a%'", false, false),
    (
        "CAST(attributes['tags'] AS TEXT) LIKE '%\"a\"%'",
        true,
        false,
    ),
    ("lower(name) = 'search'", true, false),
    ("name = 'other' OR duration > 100", true, false),
    ("NOT (name = 'other')", true, true),
    ("attributes['n'] + 1 > 7.5", true, false),
    ("attributes['ratio'] > attributes['n']", false, false),
    (
        "attributes['llm.token_count.total'] / attributes['n'] > 1",
        true,
        false,
    ),
    ("coalesce(attributes['missing'], 5) = 5", true, false),
    (
        "CASE WHEN attributes['n'] > 5 THEN true ELSE false END",
        true,
        false,
    ),
    ("TRY_CAST(attributes['text_n'] AS DOUBLE) > 6", true, false),
    ("CAST(attributes['n'] AS DOUBLE) > 6", true, true),
    ("attributes['vast'] = 9007199254740993", true, false),
    ("attributes['vast'] = 9007199254740992", false, false),
    ("start_time >= '1970-01-01T00:00:01Z'", true, true),
    ("start_time > 1000000000", false, true),
    (
        "start_time BETWEEN '1970-01-01' AND '1970-01-02 10:00'",
        true,
        true,
    ),
    ("end_time < start_time + INTERVAL '1 second'", true, false),
    ("start_time < now() - INTERVAL '1 hour'", true, true),
    (
        "attributes['openinference.span.kind'] = 'CHAIN'",
        true,
        true,
    ),
    ("name ~ '^s.*h$'", true, false),
    // No backend is asked about numbers that JSON cannot hold.
    ("latency_ms < CAST('inf' AS DOUBLE)", true, false),
    ("latency_ms > -CAST('inf' AS DOUBLE)", true, false),
    ("latency_ms = CAST('NaN' AS DOUBLE)", false, false),
    ("attributes['n'] < 1e999", true, false),
    ("attributes['n'] IN (7, -1e999)", true, false),
];

#[test]
fn filters_mean_what_they_say() {
    let span = [subject()];
    for (text, fits, pushed) in CASES {
        let filter = parse(text);
        assert_eq!(filter.fits(&span).unwrap(), [fits], "{text}");
        assert_eq!(
            filter.is_pushed_down(),
            pushed,
            "{text}: {:?}",
            filter.inner
        );
        let kept = filter
            .predicates()
            .iter()
            .all(|predicate| predicate.matches(&span[0]));
        let window = filter.inner.window;
        let inside = (window.start..window.end).contains(&span[0].start_time);
        let rest = filter.inner.rest.as_ref();
        let rest = rest.is_none_or(|rest| SpanFilter::fits(&**rest, &span).unwrap()[0]);
        assert_eq!(kept && inside && rest, fits, "{text}: {:?}", filter.inner);
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (text, part) in [
        ("", "cannot be read"),
        ("name =", "cannot be read"),
        ("name = 'a' 'b'", "'b'"),
        ("name = 'a'; DROP TABLE spans", "not expected"),
        ("latencyms > 5", "did you mean `latency_ms`"),
        ("name = 'a' AND statsu = 'OK'", "character 16"),
        ("name = \"search\"", "single quotes: 'search'"),
        ("llm.model_name = 'x'", "attributes['llm.model_name']"),
        ("nonsense > 5", "there are context.trace_id"),
        ("count(*) > 5", "aggregate"),
        ("sum(latency_ms) > 5", "aggregate"),
        ("row_number() OVER () > 5", "window function"),
        ("random() > 0.5", "differently"),
        ("name IN (SELECT name FROM spans)", "subquery"),
        ("EXISTS (SELECT 1)", "subquery"),
        ("repeat(name, 1000000000) = 'x'", "repeat"),
        ("latency_ms", "true or false"),
        ("start_time > 'yesterday'", "no instant"),
        ("name = $1", "placeholder"),
        ("nosuchfunction(name)", "nosuchfunction"),
        ("SELECT 1", "cannot be read"),
    ] {
        let error = Filter::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

/// On a thread with the stack of tests, which is that of a runtime's threads.
#[test]
fn filters_without_measure_are_refused_and_long_ones_work() {
    let chain = |count: usize, word: &str| {
        let mut text = "latency_ms = 0".to_owned();
        for place in 1..count {
            write!(text, " {word} latency_ms = {place}").unwrap();
        }
        text
    };
    let span = [subject()];
    for word in ["OR", "AND"] {
        let filter = parse(&chain(250, word));
        assert_eq!(filter.fits(&span).unwrap(), [false]);
        let error = Filter::parse(&chain(20_000, word)).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }
    let mixed = chain(120, "AND").replace("= ", "<> 1.5 OR latency_ms = ");
    parse(&mixed);
    let ids: Vec<String> = (0..5000).map(|id| format!("'{id:016x}'")).collect();
    let filter = parse(&format!("span_id IN ({})", ids.join(",")));
    assert!(filter.is_pushed_down());
    for deep in [
        format!("{}name = 'a'{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{} true", "NOT ".repeat(500)),
        format!("{}1{} = 1", "abs(".repeat(500), ")".repeat(500)),
        format!("1{} = 1", " + 1".repeat(5000)),
        format!("1{}", " = 1".repeat(500)),
        format!("name{} = 'a'", "::text".repeat(500)),
        "x".repeat(1 << 20),
    ] {
        assert!(
            Filter::parse(&deep).is_err(),
            "{}",
            parse::abbreviated(&deep)
        );
    }
}
