//! Destinations as the sender wants them, and the memory of those that were asked for.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};
use lru::LruCache;
use opentelemetry::KeyValue;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::destination::{
    Destination, DestinationResolver, OtlpDestination, Protocol, RequestLimits, ResolveError,
    Routing,
};
use super::encode::{encode_attributes, put_string};
use super::names::Names;
use super::origin::{Origin, SchemaUrls};
use super::project::{Project, ProjectId, merge};
use super::sink::Sink;

/// How long an answer of the resolver holds.
const TIME_TO_LIVE: Duration = Duration::from_secs(60);
/// How many projects' answers are kept.
const MAX_PROJECTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);
/// Of how many endpoints, credentials and limits it is known that projects share them. Where there
/// are more, requests carry fewer projects.
const MAX_LANES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);
/// The most bytes of a sender's resource that are remembered for each project.
const MAX_REMEMBERED_RESOURCE: usize = 4 * 1_024;
/// How many sessions' answers are kept.
const MAX_SESSIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8_191);

/// An endpoint, for which there is one client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    pub(super) protocol: Protocol,
    pub(super) uri: Uri,
    pub(super) names: Option<Names>,
}

/// Spans of equal lanes may share a request.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) target: Target,
    pub(super) limits: RequestLimits,
    /// The only project of the lane, where requests are of one project each.
    project: Option<ProjectId>,
}

/// Who takes requests.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Otlp(Address),
    Sink(Sink),
}

/// Whom to send to over OTLP, and as whom.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) endpoint: Endpoint,
    /// Sorted by name; every value is marked as sensitive, so that none is ever shown.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Otlp(address) => address.endpoint.uri.fmt(f),
            Self::Sink(sink) => f.write_str(sink.name()),
        }
    }
}

/// Where a project's spans go, encoded as far as it can be.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) lane: Arc<Lane>,
    /// Above the spans that are made here.
    pub(super) head: Arc<Head>,
    /// The attributes of its resource, which no other origin's replace.
    resource: Vec<KeyValue>,
    /// Attributes to append to each OTLP `Span` message.
    pub(super) span_attributes: Vec<u8>,
    /// The origin that was last asked for, and what stands above its spans: a project mostly has
    /// one.
    last: Mutex<Option<(Arc<Origin>, Arc<Head>)>>,
}

/// What stands above spans in a request.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Head {
    /// An OTLP `Resource` message.
    pub(super) resource: Vec<u8>,
    /// An OTLP `InstrumentationScope` message.
    pub(super) scope: Bytes,
    pub(super) schema_urls: SchemaUrls,
}

/// The scope of the spans that are made here.
pub(super) static SCOPE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut scope = Vec::new();
    put_string(1, env!("CARGO_PKG_NAME"), &mut scope);
    put_string(2, env!("CARGO_PKG_VERSION"), &mut scope);
    scope.into()
});

impl Route {
    /// What stands above spans of this origin: its resource, but for the attributes that are the
    /// project's and the destination's to say.
    pub(super) fn head_of(&self, origin: &Arc<Origin>) -> Arc<Head> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, head)) = &*last
            && known == origin
        {
            return Arc::clone(head);
        }
        let head = Arc::new(Head {
            resource: origin.resource_under(&self.resource, &self.head.resource),
            scope: origin.scope().clone(),
            schema_urls: origin.schema_urls().clone(),
        });
        if head.resource.len() <= MAX_REMEMBERED_RESOURCE {
            *last = Some((Arc::clone(origin), Arc::clone(&head)));
        }
        head
    }

    fn new(project: &Project, destination: Destination) -> Result<Self, ResolveError> {
        match destination {
            Destination::Otlp(otlp) => Self::over_otlp(project, otlp),
            Destination::Sink { sink, limits } => {
                let lane = Lane {
                    target: Target::Sink(Sink(sink)),
                    limits,
                    project: Some(project.id()),
                };
                let resource = project.resource();
                Ok(Self::through(lane, resource, Vec::new()))
            }
        }
    }

    fn over_otlp(project: &Project, destination: OtlpDestination) -> Result<Self, ResolveError> {
        let refused = ResolveError::Refused;
        let uri: Uri = destination.endpoint.parse().map_err(|error| {
            let endpoint = &destination.endpoint;
            refused(format!("the endpoint `{endpoint}` is no address: {error}"))
        })?;
        if uri
            .authority()
            .is_some_and(|part| part.as_str().contains('@'))
        {
            let host = uri.host().unwrap_or_default();
            return Err(refused(format!(
                "the endpoint at `{host}` has a credential in it: put it into a header"
            )));
        }
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(refused(format!(
                "the endpoint `{uri}` has to begin with http:// or https://"
            )));
        }

        let mut resource = project.resource();
        merge(&mut resource, destination.resource_attributes);
        let mut mixed = destination.limits.mixed_projects;
        match &destination.routing {
            Routing::ResourceAttribute(key) => {
                let name = KeyValue::new(key.clone(), project.name().to_owned());
                merge(&mut resource, [name]);
            }
            Routing::Headers => mixed = false,
        }

        let mut headers: Vec<_> = destination
            .headers
            .iter()
            .map(|(name, value)| {
                let mut value = value.clone();
                value.set_sensitive(true);
                (name.clone(), value)
            })
            .collect();
        headers.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        let lane = Lane {
            target: Target::Otlp(Address {
                endpoint: Endpoint {
                    protocol: destination.protocol,
                    uri,
                    names: destination.names.clone(),
                },
                headers,
            }),
            limits: destination.limits,
            project: (!mixed).then_some(project.id()),
        };
        let span_attributes = encode_attributes(9, &destination.span_attributes);
        Ok(Self::through(lane, resource, span_attributes))
    }

    fn through(lane: Lane, resource: Vec<KeyValue>, span_attributes: Vec<u8>) -> Self {
        Self {
            lane: Arc::new(lane),
            head: Arc::new(Head {
                resource: encode_attributes(1, &resource),
                scope: SCOPE.clone(),
                schema_urls: SchemaUrls::default(),
            }),
            resource,
            span_attributes,
            last: Mutex::default(),
        }
    }
}

/// Where spans go, and what those of their session carry besides.
pub(super) type Way = (Arc<Route>, Option<Arc<[u8]>>);

/// Asks the resolver, and remembers what it said.
pub(super) struct Routes {
    resolver: Arc<dyn DestinationResolver>,
    /// Equal ones are one, so that spans find each other by its address.
    lanes: Mutex<LruCache<Arc<Lane>, ()>>,
    projects: Memory<ProjectId, Arc<Route>>,
    sessions: Memory<(ProjectId, Arc<str>), Arc<[u8]>>,
}

impl Routes {
    pub(super) fn new(resolver: Arc<dyn DestinationResolver>) -> Self {
        Self {
            resolver,
            lanes: Mutex::new(LruCache::new(MAX_LANES)),
            projects: Memory::new(MAX_PROJECTS),
            sessions: Memory::new(MAX_SESSIONS),
        }
    }

    /// Where spans go, and what those of a session carry, if that is known already.
    pub(super) fn known(
        &self,
        project: &Project,
        session: Option<&Arc<str>>,
        now: Instant,
    ) -> Option<Way> {
        let route = self.projects.known(&project.id(), now)?;
        let session = match session {
            Some(session) => Some(
                self.sessions
                    .known(&(project.id(), Arc::clone(session)), now)?,
            ),
            None => None,
        };
        Some((route, session))
    }

    pub(super) async fn route(&self, project: &Project) -> Result<Arc<Route>, ResolveError> {
        let ask = async {
            let destination = self.resolver.destination(project).await?;
            let mut route = Route::new(project, destination)?;
            route.lane = self.the_one(route.lane);
            Ok(Arc::new(route))
        };
        self.projects.get_or_ask(project.id(), ask).await
    }

    /// The lane that is equal to this one.
    fn the_one(&self, lane: Arc<Lane>) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, ())) = lanes.get_key_value(&lane) {
            return Arc::clone(known);
        }
        lanes.put(Arc::clone(&lane), ());
        lane
    }

    pub(super) fn delivered(&self, project: &Project) {
        self.resolver.delivered(project);
    }

    /// The attributes of a session, to append to an OTLP `Span` message.
    pub(super) async fn session(
        &self,
        project: &Project,
        session: &Arc<str>,
    ) -> Result<Arc<[u8]>, ResolveError> {
        let ask = async {
            let answer = self.resolver.session_attributes(project, session).await;
            let attributes = answer.or_else(|error| match error {
                ResolveError::Refused(why) => {
                    let project = project.name();
                    tracing::debug!(project, why, "spans are sent without their session");
                    Ok(Vec::new())
                }
                unavailable @ ResolveError::Unavailable(_) => Err(unavailable),
            })?;
            Ok(encode_attributes(9, &attributes).into())
        };
        let key = (project.id(), Arc::clone(session));
        self.sessions.get_or_ask(key, ask).await
    }
}

/// Answers by key: bounded, kept for a while, asked for once however many want them.
struct Memory<K: Hash + Eq, V> {
    entries: Mutex<LruCache<K, Arc<Entry<V>>>>,
}

struct Entry<V> {
    since: Instant,
    answer: OnceCell<V>,
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    fn new(bound: NonZeroUsize) -> Self {
        Self {
            entries: Mutex::new(LruCache::new(bound)),
        }
    }

    /// The answer that is known, or a new one. An error is not remembered.
    async fn get_or_ask<E>(&self, key: K, ask: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let entry = self.entry(key);
        entry.answer.get_or_try_init(|| ask).await.cloned()
    }

    fn known(&self, key: &K, now: Instant) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // Its place among the others is that of when it was asked for: to move it each time costs
        // more than all else here, and it is asked for again soon.
        let entry = entries.peek(key)?;
        let is_fresh = now.saturating_duration_since(entry.since) < TIME_TO_LIVE;
        entry.answer.get().filter(|_| is_fresh).cloned()
    }

    fn entry(&self, key: K) -> Arc<Entry<V>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&key)
            && entry.since.elapsed() < TIME_TO_LIVE
        {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry {
            since: Instant::now(),
            answer: OnceCell::new(),
        });
        entries.put(key, Arc::clone(&entry));
        entry
    }
}
