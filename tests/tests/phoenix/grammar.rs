//! Filters as people may write them, made up by proptest: over columns that every span has, and
//! over attributes that some spans have.

use proptest::prelude::*;

/// Columns of text.
const TEXTS: [&str; 8] = [
    "name",
    "status_code",
    "span_kind",
    "status_message",
    "parent_id",
    "\"context.span_id\"",
    "\"attributes.word\"",
    "\"attributes.absent\"",
];

/// Columns of numbers.
const NUMBERS: [&str; 3] = ["latency_ms", "\"attributes.whole\"", "\"attributes.real\""];

/// Attributes of which each span may have another type.
const MIXED: [&str; 2] = ["attributes['mixed']", "attributes.mixed"];

/// Texts, as attributes and as literals.
pub(crate) const WORDS: [&str; 7] = ["", "a", "b", "it's", "größer 🦉", "100%", "7"];

/// Numbers, as attributes and as literals.
pub(crate) const REALS: [f64; 6] = [-1.5, 0.0, 0.5, 7.0, 1e300, 123.25];

fn text() -> impl Strategy<Value = String> {
    let kinds = prop::sample::select(vec!["OK", "ERROR", "LLM", "TOOL", "even", "odd"]);
    let words = prop::sample::select(WORDS.to_vec());
    prop_oneof![words, kinds].prop_map(|word| format!("'{}'", word.replace('\'', "''")))
}

fn number() -> impl Strategy<Value = String> {
    let reals = prop::sample::select(REALS.to_vec()).prop_map(|real| format!("{real:?}"));
    let wholes = prop::sample::select(vec!["-7", "0", "-0.0", "3", "7", "9007199254740993"]);
    prop_oneof![reals, wholes.prop_map(str::to_owned)]
}

fn comparison() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="])
}

fn negated() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "NOT "])
}

fn of_texts(columns: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    let column = || prop::sample::select(columns.to_vec());
    let pattern = prop::sample::select(vec![
        "%a%", "a%", "%", "_", "%r 🦉", "e_en", "100\\%", "%'%",
    ]);
    let pattern = pattern.prop_map(|pattern: &str| pattern.replace('\'', "''"));
    prop_oneof![
        (column(), comparison(), text()).prop_map(|(c, op, t)| format!("{c} {op} {t}")),
        (text(), comparison(), column()).prop_map(|(t, op, c)| format!("{t} {op} {c}")),
        (column(), comparison(), column()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (column(), negated(), prop::collection::vec(text(), 1..6))
            .prop_map(|(c, not, list)| format!("{c} {not}IN ({})", list.join(", "))),
        (column(), negated(), pattern).prop_map(|(c, not, p)| format!("{c} {not}LIKE '{p}'")),
        (column(), negated(), text(), text())
            .prop_map(|(c, not, a, b)| format!("{c} {not}BETWEEN {a} AND {b}")),
        (column(), negated()).prop_map(|(c, not)| format!("{c} IS {not}NULL")),
        (column(), comparison(), text())
            .prop_map(|(c, op, t)| format!("coalesce({c}, 'a') {op} {t}")),
    ]
}

fn of_numbers(columns: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    let column = || prop::sample::select(columns.to_vec());
    let arithmetic = prop::sample::select(vec!["+", "-", "*"]);
    prop_oneof![
        (column(), comparison(), number()).prop_map(|(c, op, n)| format!("{c} {op} {n}")),
        (number(), comparison(), column()).prop_map(|(n, op, c)| format!("{n} {op} {c}")),
        (column(), comparison()).prop_map(|(c, op)| format!("{c} {op} latency_ms")),
        (column(), negated(), prop::collection::vec(number(), 1..6))
            .prop_map(|(c, not, list)| format!("{c} {not}IN ({})", list.join(", "))),
        (column(), negated(), number(), number())
            .prop_map(|(c, not, a, b)| format!("{c} {not}BETWEEN {a} AND {b}")),
        (column(), arithmetic, 0..5_u8, comparison(), number())
            .prop_map(|(c, sign, by, op, n)| format!("{c} {sign} {by}.5 {op} {n}")),
        (column(), negated()).prop_map(|(c, not)| format!("{c} IS {not}NULL")),
    ]
}

fn of_flags(flag: &'static str) -> impl Strategy<Value = String> {
    let forms = [
        "{}",
        "NOT {}",
        "{} = true",
        "{} <> true",
        "{} IS NOT TRUE",
        "{} IS FALSE",
        "{} IS NULL",
    ];
    prop::sample::select(forms.to_vec())
        .prop_map(move |form| format!("({})", form.replace("{}", flag)))
}

/// Instants that are around those of the spans.
fn of_times(around: Vec<u64>) -> impl Strategy<Value = String> {
    let column = prop::sample::select(vec!["start_time", "end_time"]);
    let instant = prop::sample::select(around);
    (column, comparison(), instant).prop_map(|(c, op, t)| format!("{c} {op} {t}"))
}

fn tree(leaf: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

/// Filters whose columns have one type each, so that they mean the same over a frame.
pub(crate) fn plain(around: Vec<u64>) -> impl Strategy<Value = String> {
    tree(prop_oneof![
        3 => of_texts(&TEXTS),
        2 => of_numbers(&NUMBERS),
        1 => of_flags("\"attributes.flag\""),
        1 => of_times(around),
    ])
}

/// Any filters, also over attributes of mixed types.
pub(crate) fn any(around: Vec<u64>) -> impl Strategy<Value = String> {
    tree(prop_oneof![
        2 => plain(around),
        1 => of_texts(&MIXED),
        1 => of_numbers(&MIXED),
        1 => of_flags("attributes['mixed']"),
    ])
}
