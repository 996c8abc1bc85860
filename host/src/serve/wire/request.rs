//! An export request, cut into what is forwarded: resources, scopes, spans.

use smallvec::SmallVec;

use super::schema::{RESOURCE, SCOPE, SPAN};
use super::{Fault, Value, check, fields};

/// Spans are hardly ever shorter.
const SHORT_SPAN: usize = 64;

/// Spans of one resource, which mostly has one scope.
#[derive(Debug, Default)]
pub(in crate::serve) struct ResourceSpans<'a> {
    /// A valid `Resource` message.
    pub(in crate::serve) resource: &'a [u8],
    pub(in crate::serve) schema_url: String,
    pub(in crate::serve) scopes: SmallVec<[ScopeSpans<'a>; 1]>,
}

/// Spans of one scope of it.
#[derive(Debug, Default)]
pub(in crate::serve) struct ScopeSpans<'a> {
    /// A valid `InstrumentationScope` message.
    pub(in crate::serve) scope: &'a [u8],
    pub(in crate::serve) schema_url: String,
    /// Valid `Span` messages.
    pub(in crate::serve) spans: Vec<&'a [u8]>,
}

/// Spans that are not taken, with why the first is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct Refused {
    pub(in crate::serve) spans: u64,
    pub(in crate::serve) why: String,
}

impl Refused {
    pub(in crate::serve) fn add(&mut self, spans: u64, why: impl ToString) {
        if self.spans == 0 && spans > 0 {
            self.why = why.to_string();
        }
        self.spans += spans;
    }
}

/// Cuts an `ExportTraceServiceRequest` message. All parts are slices of it. A span that is none,
/// and spans whose resource or scope is none, are refused; what cannot even be cut is an error.
pub(in crate::serve) fn cut<'a>(
    request: &'a [u8],
    refused: &mut Refused,
) -> Result<Vec<ResourceSpans<'a>>, Fault> {
    let mut cut = Vec::new();
    for field in fields(request) {
        let field = field?;
        if field.number == 1 {
            let message = content(field.value, "resourceSpans")?;
            cut.extend(cut_resource(message, refused)?);
        }
    }
    Ok(cut)
}

fn cut_resource<'a>(
    message: &'a [u8],
    refused: &mut Refused,
) -> Result<Option<ResourceSpans<'a>>, Fault> {
    let mut resource = None;
    let mut schema_url = String::new();
    for field in fields(message) {
        let field = field?;
        match field.number {
            1 if resource.is_some() => return Err(Fault::Twice("resource")),
            1 => resource = Some(content(field.value, "resource")?),
            3 => schema_url = text(field.value)?,
            _ => {}
        }
    }
    let resource = resource.unwrap_or_default();
    let fault = check(&RESOURCE, resource).err();
    let mut cut = ResourceSpans {
        resource,
        schema_url,
        scopes: SmallVec::new(),
    };
    for scope in fields(message)
        .filter_map(Result::ok)
        .filter(|field| field.number == 2)
    {
        let scope = content(scope.value, "scopeSpans")?;
        cut.scopes.extend(cut_scope(scope, fault, refused)?);
    }
    Ok((!cut.scopes.is_empty()).then_some(cut))
}

/// `fault` is the one of the resource: then none of the spans is taken.
fn cut_scope<'a>(
    message: &'a [u8],
    fault: Option<Fault>,
    refused: &mut Refused,
) -> Result<Option<ScopeSpans<'a>>, Fault> {
    let mut scope = None;
    let mut schema_url = String::new();
    let mut spans = Vec::new();
    for field in fields(message) {
        let field = field?;
        match field.number {
            1 if scope.is_some() => return Err(Fault::Twice("scope")),
            1 => scope = Some(content(field.value, "scope")?),
            2 => {
                let span = content(field.value, "spans")?;
                if spans.is_empty() {
                    // Most are as long as the first.
                    spans.reserve(message.len() / span.len().max(SHORT_SPAN));
                }
                match check(&SPAN, span) {
                    Ok(()) => spans.push(span),
                    Err(fault) => refused.add(1, format_args!("a span is malformed: {fault}")),
                }
            }
            3 => schema_url = text(field.value)?,
            _ => {}
        }
    }
    let scope = scope.unwrap_or_default();
    if let Some(fault) = fault.or_else(|| check(&SCOPE, scope).err()) {
        let why = format_args!("a resource or scope is malformed: {fault}");
        refused.add(spans.len() as u64, why);
        return Ok(None);
    }
    Ok((!spans.is_empty()).then_some(ScopeSpans {
        scope,
        schema_url,
        spans,
    }))
}

/// A schema's address.
fn text(value: Value<'_>) -> Result<String, Fault> {
    const NAME: &str = "schemaUrl";
    let text = std::str::from_utf8(content(value, NAME)?);
    Ok(text.map_err(|_| Fault::Utf8(NAME))?.to_owned())
}

fn content<'a>(value: Value<'a>, name: &'static str) -> Result<&'a [u8], Fault> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(Fault::Type(name)),
    }
}

/// The text of an attribute of a valid `Resource` message; the last one of that key.
pub(in crate::serve) fn attribute_text<'a>(resource: &'a [u8], key: &str) -> Option<&'a str> {
    let of_number = |message: &'a [u8], wanted: u32| {
        fields(message)
            .filter_map(Result::ok)
            .find_map(move |field| match field.value {
                Value::Bytes(bytes) if field.number == wanted => Some(bytes),
                _ => None,
            })
    };
    fields(resource)
        .filter_map(Result::ok)
        .filter(|field| field.number == 1)
        .filter_map(|field| match field.value {
            Value::Bytes(pair) if of_number(pair, 1) == Some(key.as_bytes()) => Some(pair),
            _ => None,
        })
        .last()
        .and_then(|pair| std::str::from_utf8(of_number(of_number(pair, 2)?, 1)?).ok())
}
