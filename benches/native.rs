//! Spans of Phoenix as a service reads them that speaks to it directly: a request for each
//! thousand, and serde from the answers' bytes into the contract's types.

use std::borrow::Cow;
use std::fmt;

use anyhow::Result;
use jiff::Timestamp;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use roost::contract::{Attribute, AttributeValue, Event, Span, StatusCode};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Reads the spans of one project.
pub(crate) struct Reader {
    client: reqwest::Client,
    url: String,
}

impl Reader {
    /// The requests are those that the provider sends.
    pub(crate) fn new(http_endpoint: &str, project: &str) -> Result<Self> {
        // The host asks for no compression either, of a server that is this near.
        let headers = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
        Ok(Self {
            client: reqwest::Client::builder()
                .no_proxy()
                .tcp_nodelay(true)
                .default_headers(HeaderMap::from_iter(headers))
                .build()?,
            url: format!(
                "{http_endpoint}/v1/projects/{project}/spans?start_time=1970-01-01T00:00:00Z\
                 &end_time=2262-04-11T23:47:16.854776Z&sort=id&order=desc&limit=1000"
            ),
        })
    }

    /// The newest thousand spans.
    pub(crate) async fn answer(&self) -> Result<Vec<u8>> {
        self.page(None).await
    }

    /// The newest spans, at least `count` of them if there are so many.
    pub(crate) async fn get_spans(&self, count: usize) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        let mut cursor = None;
        loop {
            let answer = self.page(cursor.as_deref()).await?;
            let page: Page<'_> = serde_json::from_slice(&answer)?;
            for record in page.data {
                spans.push(record.into_span()?);
            }
            cursor = page.next_cursor;
            if spans.len() >= count || cursor.is_none() {
                return Ok(spans);
            }
        }
    }

    async fn page(&self, cursor: Option<&str>) -> Result<Vec<u8>> {
        let mut url = self.url.clone();
        if let Some(cursor) = cursor {
            url.push_str("&cursor=");
            url.push_str(cursor);
        }
        let answer = self.client.get(&url).send().await?;
        Ok(answer.error_for_status()?.bytes().await?.into())
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<Record<'a>>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Record<'a> {
    context: Context,
    parent_id: Option<String>,
    name: String,
    span_kind: String,
    #[serde(borrow)]
    status_code: Cow<'a, str>,
    status_message: String,
    start_time: Timestamp,
    end_time: Timestamp,
    #[serde(borrow)]
    attributes: Attributes<'a>,
    #[serde(borrow)]
    events: Vec<EventRecord<'a>>,
}

#[derive(Deserialize)]
struct Context {
    trace_id: String,
    span_id: String,
}

#[derive(Deserialize)]
struct EventRecord<'a> {
    name: String,
    timestamp: Timestamp,
    #[serde(borrow)]
    attributes: Attributes<'a>,
}

impl Record<'_> {
    fn into_span(self) -> Result<Span> {
        let event = |event: EventRecord<'_>| {
            Ok(Event {
                name: event.name,
                time: event.timestamp.as_nanosecond().try_into()?,
                attributes: event.attributes.into_values()?,
            })
        };
        Ok(Span {
            trace_id: self.context.trace_id,
            span_id: self.context.span_id,
            parent_id: self.parent_id,
            name: self.name,
            kind: self.span_kind,
            status: match &*self.status_code {
                "OK" => StatusCode::Ok,
                "ERROR" => StatusCode::Error,
                _ => StatusCode::Unset,
            },
            status_message: self.status_message,
            start_time: self.start_time.as_nanosecond().try_into()?,
            end_time: self.end_time.as_nanosecond().try_into()?,
            attributes: self.attributes.into_values()?,
            events: self.events.into_iter().map(event).collect::<Result<_>>()?,
            links: Vec::new(),
            resource: Vec::new(),
        })
    }
}

/// Attributes as they are in the answer, in their order.
struct Attributes<'a>(Vec<(String, &'a RawValue)>);

impl Attributes<'_> {
    fn into_values(self) -> Result<Vec<Attribute>> {
        let attribute = |(key, json): (String, &RawValue)| {
            let json = json.get();
            let value = match json.as_bytes().first() {
                Some(b'"') => AttributeValue::Text(serde_json::from_str(json)?),
                Some(b't' | b'f') => AttributeValue::Boolean(serde_json::from_str(json)?),
                Some(b'[' | b'{') => AttributeValue::Json(json.to_owned()),
                _ => match json.parse() {
                    Ok(number) => AttributeValue::Integer(number),
                    Err(_) => AttributeValue::Number(json.parse()?),
                },
            };
            Ok(Attribute { key, value })
        };
        let known = self.0.into_iter().filter(|(_, json)| json.get() != "null");
        known.map(attribute).collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Attributes<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut attributes = Vec::new();
                while let Some(attribute) = map.next_entry()? {
                    attributes.push(attribute);
                }
                Ok(Attributes(attributes))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Attributes(Vec::new()))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
