//! The secrets of a connection: the one place where they are held, and how they are read
//! again.
//!
//! Nothing here can be printed: the values are [`Secret`]s, and what is made of them are
//! header values that are marked as sensitive. They are read when a call first needs them,
//! again in the background when they are old, and at once when the backend answers `401`,
//! so that a credential can be replaced while requests go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{ExposeSecret, Secret, SecretSource};
use crate::contract::Credential;

/// How long a failure stands before a source is asked again, and how long after a `401` that
/// a new reading did not mend.
const PAUSE: Duration = Duration::from_secs(5);
/// As long as no time to live has to be.
const LONGEST_REFRESH: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Values by name.
pub(super) type Values = BTreeMap<String, Secret>;

/// The secrets of one connection, for all generations of its provider.
pub(crate) struct Secrets {
    connection: String,
    sources: BTreeMap<String, SecretSource>,
    refresh: Duration,
    state: Mutex<State>,
    /// Held by whoever reads the sources.
    reading: tokio::sync::Mutex<()>,
}

struct State {
    held: Option<Held>,
    /// Why the last reading failed, if it did.
    failure: Option<String>,
    /// When the last reading began.
    began: Option<Instant>,
    /// When the sources are to be read again.
    due: Instant,
    /// When a reading after a `401` found nothing new.
    in_vain: Option<Instant>,
}

/// Secrets as they were read at one time.
#[derive(Clone)]
pub(crate) struct Held {
    pub(super) values: Arc<Values>,
    /// Counts the readings that found something new.
    version: u64,
}

impl Secrets {
    pub(super) fn new(
        connection: &str,
        sources: BTreeMap<String, SecretSource>,
        refresh: Duration,
    ) -> Self {
        Self {
            connection: connection.to_owned(),
            sources,
            refresh: refresh.min(LONGEST_REFRESH),
            state: Mutex::new(State {
                held: None,
                failure: None,
                began: None,
                due: Instant::now(),
                in_vain: None,
            }),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The secrets; the error says which cannot be had, and why.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Held, String> {
        {
            let mut state = self.state();
            let now = Instant::now();
            let is_due = now >= state.due;
            match (&state.held, &state.failure) {
                (Some(held), _) => {
                    let held = held.clone();
                    if is_due && self.may_change() {
                        // Whoever comes meanwhile goes on with what there is.
                        state.due = now + self.refresh;
                        tokio::spawn(Arc::clone(self).read(now));
                    }
                    return Ok(held);
                }
                (None, Some(failure)) if !is_due => return Err(failure.clone()),
                (None, _) => {}
            }
        }
        self.read_now().await
    }

    /// The backend did not accept the secrets of this version. Whether there are others now.
    async fn renew(self: &Arc<Self>, version: u64) -> bool {
        {
            let state = self.state();
            if state
                .held
                .as_ref()
                .is_some_and(|held| held.version != version)
            {
                return true;
            }
            let in_vain = state.in_vain.is_some_and(|at| at.elapsed() < PAUSE);
            if in_vain || !self.may_change() {
                return false;
            }
        }
        let found = self
            .read_now()
            .await
            .is_ok_and(|held| held.version != version);
        if !found {
            self.state().in_vain = Some(Instant::now());
        }
        found
    }

    fn may_change(&self) -> bool {
        self.sources.values().any(SecretSource::may_change)
    }

    async fn read_now(self: &Arc<Self>) -> Result<Held, String> {
        // In a task of its own, which the sources' patience bounds: a caller that gives up
        // leaves it to the others.
        let read = tokio::spawn(Arc::clone(self).read(Instant::now())).await;
        read.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Read the sources, unless somebody began to after this was `asked` for.
    async fn read(self: Arc<Self>, asked: Instant) -> Result<Held, String> {
        let _reading = self.reading.lock().await;
        if self.state().began <= Some(asked) {
            let began = Instant::now();
            let read = self.values().await;
            self.settle(began, read);
        }
        let state = self.state();
        match (&state.held, &state.failure) {
            (Some(held), _) => Ok(held.clone()),
            (None, failure) => Err(failure.clone().unwrap_or_default()),
        }
    }

    async fn values(&self) -> Result<Values, String> {
        let mut values = Values::new();
        for (name, source) in &self.sources {
            let secret = source.resolve().await.map_err(|why| {
                let connection = &self.connection;
                format!("[connections.{connection}]: secrets.{name}: {why}")
            })?;
            values.insert(name.clone(), secret);
        }
        Ok(values)
    }

    fn settle(&self, began: Instant, read: Result<Values, String>) {
        let mut state = self.state();
        state.began = Some(began);
        match read {
            Ok(values) => {
                state.due = Instant::now() + self.refresh;
                state.failure = None;
                let before = state.held.take();
                state.held = Some(match before {
                    Some(held) if same(&held.values, &values) => held,
                    before => Held {
                        values: Arc::new(values),
                        version: before.map_or(1, |held| held.version + 1),
                    },
                });
            }
            Err(why) => {
                state.due = Instant::now() + self.refresh.min(PAUSE);
                if state.held.is_some() {
                    tracing::warn!("{why}; what was read before is used on");
                }
                state.failure = Some(why);
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same(left: &Values, right: &Values) -> bool {
    let pairs = || left.iter().zip(right);
    left.len() == right.len()
        && pairs().all(|((one, secret), (other, newer))| {
            one == other && secret.expose_secret() == newer.expose_secret()
        })
}

/// What the host adds to requests towards the endpoints of a connection.
#[derive(Clone)]
pub(crate) struct Credentials {
    secrets: Arc<Secrets>,
    /// Those that are written among the provider's configuration.
    inline: Arc<Values>,
    templates: Arc<[Credential]>,
}

impl Credentials {
    pub(super) fn new(secrets: Arc<Secrets>, inline: Values, templates: &[Credential]) -> Self {
        Self {
            secrets,
            inline: Arc::new(inline),
            templates: templates.into(),
        }
    }

    /// None at all.
    pub(super) fn none() -> Self {
        let secrets = Secrets::new("", BTreeMap::new(), LONGEST_REFRESH);
        Self::new(Arc::new(secrets), Values::new(), &[])
    }

    /// The headers, each marked as sensitive, and the version they are of.
    pub(super) async fn headers(&self) -> Result<(HeaderMap, u64), String> {
        let held = self.secrets.current().await?;
        Ok((self.headers_of(&held)?, held.version))
    }

    pub(super) fn headers_of(&self, held: &Held) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for credential in &*self.templates {
            let name = &credential.property;
            let Some(secret) = held.values.get(name).or_else(|| self.inline.get(name)) else {
                continue;
            };
            let invalid = || format!("secrets.{name}: it cannot be sent in a header");
            let text = presented(&credential.template, secret.expose_secret());
            let mut value = HeaderValue::try_from(text).map_err(|_| invalid())?;
            value.set_sensitive(true);
            let name = HeaderName::try_from(&credential.header).map_err(|_| invalid())?;
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The backend did not accept the headers of this version. Whether there are others now.
    pub(super) async fn renew(&self, version: u64) -> bool {
        self.secrets.renew(version).await
    }
}

/// A secret in its place in a template: as it is, or in base64. Once put there, it is not looked
/// at again.
fn presented(template: &str, secret: &str) -> String {
    if template.contains("{base64}") {
        template.replace("{base64}", &BASE64_STANDARD.encode(secret))
    } else {
        template.replace("{}", secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_presented_as_the_template_says() {
        for (template, secret, expected) in [
            ("Bearer {}", "key", "Bearer key"),
            ("Basic {base64}", "user:pass", "Basic dXNlcjpwYXNz"),
            ("{}", "{base64}", "{base64}"),
        ] {
            assert_eq!(presented(template, secret), expected);
        }
    }
}
