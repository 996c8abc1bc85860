//! One client an endpoint, shared by every tenant whose spans go there.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::destination::Protocol;
use super::grpc::GrpcClient;
use super::http::HttpClient;
use super::outcome::Outcome;
use super::route::{Address, Endpoint};

pub(super) const USER_AGENT: &str = concat!("roost/", env!("CARGO_PKG_VERSION"));
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one attempt may take: what OTLP exporters wait by default.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many requests an endpoint has to answer at a time.
const REQUESTS_AT_A_TIME: usize = 4;
/// How many endpoints' clients are kept. One that is dropped from the list while in use lives
/// until it is done.
const MAX_CLIENTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// The clients, by endpoint.
pub(super) struct Clients {
    list: Mutex<LruCache<Endpoint, Arc<Client>>>,
}

struct Client {
    transport: Mutex<Transport>,
    turns: Semaphore,
}

#[derive(Clone)]
enum Transport {
    Grpc(GrpcClient),
    Http(HttpClient),
}

impl Clients {
    pub(super) fn new() -> Self {
        Self {
            list: Mutex::new(LruCache::new(MAX_CLIENTS)),
        }
    }

    /// One attempt to deliver a request, once it is its turn.
    pub(super) async fn send(&self, to: &Address, body: Bytes, deadline: Instant) -> Outcome {
        let client = match self.client(&to.endpoint) {
            Ok(client) => client,
            Err(why) => return Outcome::Rejected(why),
        };
        let Ok(_turn) = timeout_at(deadline, client.turns.acquire()).await else {
            return late("earlier requests are still waiting for an answer".to_owned());
        };
        let now = Instant::now();
        let until = deadline.min(now + ATTEMPT_TIMEOUT);
        let patience = until - now;
        let transport = lock(&client.transport).clone();
        let attempt = async {
            match &transport {
                Transport::Grpc(grpc) => grpc.send(to, body, patience).await,
                Transport::Http(http) => http.send(to, body, patience).await,
            }
        };
        let outcome = timeout_at(until, attempt)
            .await
            .unwrap_or_else(|_| late(format!("no answer within {patience:?}")));
        if matches!(
            outcome,
            Outcome::Retry {
                reconnect: true,
                ..
            }
        ) && let Ok(fresh) = Transport::new(&to.endpoint)
        {
            *lock(&client.transport) = fresh;
        }
        outcome
    }

    fn client(&self, endpoint: &Endpoint) -> Result<Arc<Client>, String> {
        let mut list = lock(&self.list);
        if let Some(client) = list.get(endpoint) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client {
            transport: Mutex::new(Transport::new(endpoint)?),
            turns: Semaphore::new(REQUESTS_AT_A_TIME),
        });
        list.put(endpoint.clone(), Arc::clone(&client));
        Ok(client)
    }
}

impl Transport {
    fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let failed = |error: &dyn std::error::Error| {
            format!("no client can be made for {}: {error}", endpoint.uri)
        };
        let names = endpoint.names.as_ref();
        match endpoint.protocol {
            Protocol::Grpc => GrpcClient::new(&endpoint.uri, names)
                .map(Self::Grpc)
                .map_err(|error| failed(&error)),
            Protocol::HttpProtobuf => HttpClient::new(names)
                .map(Self::Http)
                .map_err(|error| failed(&error)),
        }
    }
}

fn late(why: String) -> Outcome {
    Outcome::Retry {
        why,
        after: None,
        reconnect: true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
