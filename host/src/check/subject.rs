//! The provider that is checked, with what all rules share: its connection, the projects they
//! write to, and the spans they read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use super::corpus::{self, MILLI, Planned};
use super::error::CheckError;
use super::expect::wrong;
use super::rule::Outcome;
use super::trial::Trial;
use crate::TelemetryManager;
use crate::config::{
    BatchExportConfig, Config, SamplingConfig, SpoolConfig, TenantConfig, TenantId,
};
use crate::contract::{
    Capability, DatasetRef, Error, PageRequest, ProviderInfo, Span, SpanBatch, SpanQuery,
    TimeWindow, Timestamp,
};
use crate::plugin::Connection;
use crate::provider::Provider;

/// How long spans may take from the application to the answer of a question.
const SOON: Duration = Duration::from_secs(60);
/// How often it is looked for them.
const LOOK: Duration = Duration::from_millis(100);
/// How many characters of randomness a name has.
const RANDOM: u64 = 36_u64.pow(8);

/// The provider under check.
pub(super) struct Subject {
    telemetry: TelemetryManager,
    provider: Provider,
    info: ProviderInfo,
    capabilities: BTreeSet<Capability>,
    tenant: String,
    /// Every service that was written to.
    services: Mutex<BTreeSet<String>>,
    names: AtomicU64,
    corpus: OnceLock<Corpus>,
}

/// The spans that are there for all rules.
pub(super) struct Corpus {
    /// Of the first project, oldest first.
    pub(super) first: Vec<Span>,
    /// Of the second project.
    pub(super) second: Vec<Span>,
}

impl Subject {
    /// Start a host for the connection.
    pub(super) async fn prepare(config: Config, connection: &str) -> Result<Self, CheckError> {
        if config.connections.get(connection).is_none() {
            return Err(CheckError::UnknownConnection(connection.to_owned()));
        }
        let tenant = random_name("roost-check");
        let config = undisturbed(config, &tenant, connection);
        let telemetry = Box::pin(TelemetryManager::start(config)).await?;
        let provider = telemetry.connection_provider(connection)?.uncached();
        Ok(Self {
            info: provider.describe()?,
            capabilities: provider.capabilities()?,
            telemetry,
            provider,
            tenant,
            services: Mutex::default(),
            names: AtomicU64::new(0),
            corpus: OnceLock::new(),
        })
    }

    pub(super) fn info(&self) -> &ProviderInfo {
        &self.info
    }

    pub(super) fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// The stores as callers have them.
    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(super) fn connection(&self) -> &Connection {
        self.provider.connection()
    }

    /// The same configuration, in instances of its own; `change` is made to the settings first.
    pub(super) fn other_connection(
        &self,
        change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
    ) -> Option<Connection> {
        let mut spec = self.connection().spec().clone();
        change(&mut spec.provider_config);
        Some(self.telemetry.host()?.connect(spec))
    }

    /// SHA-256 of the provider's file.
    pub(super) fn digest(&self) -> String {
        let generation = self.connection().generation();
        generation.map_or_else(|_| String::new(), |it| it.component.digest.clone())
    }

    /// How many HTTP requests the provider has made.
    pub(super) fn requests(&self) -> u64 {
        let activity = self
            .telemetry
            .host()
            .map(crate::Host::activity)
            .unwrap_or_default();
        let own = activity.iter().filter(|it| it.name == self.provider.name());
        own.flat_map(|it| &it.generations)
            .map(|it| it.requests.count)
            .sum()
    }

    /// A name that nobody else uses.
    pub(super) fn unique(&self, what: &str) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("{what}-{number}")
    }

    /// The project that holds the first part of the corpus.
    pub(super) fn project(&self) -> String {
        self.project_of("one")
    }

    /// The project that holds the second part.
    pub(super) fn other_project(&self) -> String {
        self.project_of("two")
    }

    /// A project that does not exist.
    pub(super) fn unknown_project(&self) -> String {
        let service = self.unique("never-made");
        self.telemetry
            .project_name(&self.tenant, Some(&service))
            .unwrap_or(service)
    }

    /// The project of a service, which is removed in the end.
    pub(super) fn project_of(&self, service: &str) -> String {
        let name = self.telemetry.project_name(&self.tenant, Some(service));
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.insert(service.to_owned());
        name.unwrap_or_else(|_| service.to_owned())
    }

    /// The corpus. Without one no rule runs that reads it.
    pub(super) fn corpus(&self) -> &Corpus {
        self.corpus.get_or_init(|| Corpus {
            first: Vec::new(),
            second: Vec::new(),
        })
    }

    /// Write the corpus; the finding says why it cannot be read.
    pub(super) async fn write_corpus(&self) -> Outcome {
        let trial = Trial::new(self);
        trial.configure_span_export(&self.project()).await?;
        let begin = moment(Duration::from_secs(1_200));
        let first = corpus::first(begin);
        let second = corpus::second(begin);
        let first = self.write("one", &first).await;
        let second = self.write("two", &second).await;
        let (first, second) = (first.map_err(wrong)?, second.map_err(wrong)?);
        let corpus = Corpus { first, second };
        let _ = self.corpus.set(corpus);
        Ok(())
    }

    /// Write spans to the project of a service, and wait until they can be read.
    pub(super) async fn write(&self, service: &str, plan: &[Planned]) -> Result<Vec<Span>, String> {
        let project = self.project_of(service);
        let written = corpus::write(&self.telemetry, &self.tenant, service, plan);
        let report = self.telemetry.force_flush(SOON).await;
        if !report.is_complete() {
            return Err(format!("the spans could not be delivered: {report:?}"));
        }
        if !self.has(Capability::TraceStore) {
            return Ok(written);
        }
        let trial = Trial::new(self);
        let began = Instant::now();
        loop {
            let found = self.ids(&trial, &project).await;
            let missing = match &found {
                Ok(found) => written.iter().find(|it| !found.contains(&it.span_id)),
                Err(error) if may_pass(error) => written.first(),
                Err(error) => return Err(format!("get-spans answered {error:?}")),
            };
            let Some(missing) = missing else {
                return Ok(written);
            };
            if began.elapsed() > SOON {
                let why = match found {
                    Ok(found) => format!("{} of {} are there", found.len(), written.len()),
                    Err(error) => format!("get-spans answered {error:?}"),
                };
                return Err(format!(
                    "span `{}` was delivered and cannot be read after {} s: {why}",
                    missing.name,
                    SOON.as_secs()
                ));
            }
            sleep(LOOK).await;
        }
    }

    /// The ids of all spans of a project.
    async fn ids(&self, trial: &Trial<'_>, project: &str) -> Result<BTreeSet<String>, Error> {
        let mut query = self.question(project);
        let mut ids = BTreeSet::new();
        loop {
            let page = trial.get_spans(&query).await?;
            let SpanBatch::Records(spans) = page.spans else {
                let why = "it answered Arrow, and accept-arrow was false";
                return Err(Error::Internal(why.to_owned()));
            };
            ids.extend(spans.into_iter().map(|span| span.span_id));
            if page.cursor.is_none() || page.cursor == query.page.cursor {
                return Ok(ids);
            }
            query.page.cursor = page.cursor;
        }
    }

    /// The most items of a page that the provider gives, or what is enough of it.
    pub(super) fn whole_page(&self) -> u32 {
        self.info.limits.max_page_size.min(1_000)
    }

    /// A question for everything of a project.
    pub(super) fn question(&self, project: &str) -> SpanQuery {
        SpanQuery {
            project: project.to_owned(),
            window: TimeWindow::all(),
            predicates: Vec::new(),
            projection: None,
            order: None,
            roots_only: false,
            accept_arrow: false,
            page: PageRequest {
                limit: self.whole_page(),
                cursor: None,
            },
        }
    }

    /// Remove what was written; returned is what stays.
    pub(super) async fn remove(&self) -> Vec<String> {
        let trial = Trial::new(self);
        let services = self
            .services
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut left = BTreeMap::new();
        let limit = self.whole_page();
        for service in services {
            let project = self.project_of(&service);
            if self.has(Capability::ExperimentStore) {
                for experiment in trial
                    .experiments(&project, None, limit)
                    .await
                    .unwrap_or_default()
                {
                    if trial
                        .delete_experiment(&project, &experiment.id)
                        .await
                        .is_err()
                    {
                        left.insert(project.clone(), "its experiments");
                    }
                }
            }
            if self.has(Capability::DatasetStore) {
                for dataset in trial.datasets(&project, limit).await.unwrap_or_default() {
                    let dataset = DatasetRef::Id(dataset.id);
                    if trial.delete_dataset(&project, &dataset).await.is_err() {
                        left.insert(project.clone(), "its datasets");
                    }
                }
            }
            if self.has(Capability::ProjectStore)
                && let Err(error) = trial.delete_project(&project).await
                && !matches!(error, Error::NotFound(_))
            {
                left.insert(project, "everything in it, since deleting it failed");
            }
        }
        self.telemetry.shutdown(Duration::from_secs(10)).await;
        let left = left.into_iter();
        let mut left: Vec<String> = left
            .map(|(project, what)| format!("of project {project}: {what}"))
            .collect();
        if !self.has(Capability::ProjectStore) {
            left.push(format!(
                "the projects of tenant {}, since the provider does not export project-store",
                self.tenant
            ));
        }
        left
    }
}

/// Whether a question for spans that are under way may fare better later.
fn may_pass(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound(_) | Error::Unavailable(_) | Error::Timeout(_) | Error::RateLimited(_)
    )
}

/// The configuration without what would disturb a check.
fn undisturbed(mut config: Config, tenant: &str, connection: &str) -> Config {
    let telemetry = &mut config.telemetry;
    telemetry.enabled = true;
    telemetry.otlp_enabled = true;
    telemetry.level = crate::config::TelemetryLevel::default();
    telemetry.sampling = SamplingConfig::default();
    telemetry.spool = SpoolConfig::default();
    telemetry.batch_config = BatchExportConfig {
        schedule_delay_millis: 20,
        ..BatchExportConfig::default()
    };
    config.cache.enabled = false;
    // A provider that fails is called again, and its next call is no worse for it.
    let plugins = &mut config.plugins;
    plugins.quarantine_after_starts = 1_000;
    plugins.quarantine_after_traps = 1_000_000;
    plugins.rollback_after_failures = 0;
    if let Ok(tenant) = TenantId::new(tenant) {
        let connection = connection.to_owned();
        let entry = TenantConfig {
            connection,
            sampling: None,
        };
        config.tenants.insert(tenant, entry);
    }
    config
}

/// So long ago, in whole milliseconds.
pub(super) fn moment(ago: Duration) -> Timestamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = now.saturating_sub(ago).as_nanos();
    let nanos = Timestamp::try_from(nanos).unwrap_or(0);
    nanos - nanos % MILLI
}

/// A name that is new: eight letters and digits behind what it is.
fn random_name(what: &str) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = rand::random_range(0..RANDOM);
    let mut name = format!("{what}-");
    for _ in 0..8 {
        let digit = usize::try_from(rest % 36)
            .ok()
            .and_then(|place| DIGITS.get(place));
        name.push(digit.map_or('0', |digit| char::from(*digit)));
        rest /= 36;
    }
    name
}
