//! A provider as a gateway tells of it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plugin::{Counted, GenerationActivity, Host, ProviderStatus, Quarantine};

/// A provider of a gateway that runs. Times are as RFC 3339 writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProviderReport {
    /// Its name.
    pub name: String,
    /// Which generation serves, if one does.
    pub serving: Option<u64>,
    /// Why the file as it is now does not serve, if it was refused.
    pub refusal: Option<String>,
    /// The connections in which it failed too often.
    pub quarantines: Vec<QuarantineReport>,
    /// Instances that wait for a call.
    pub idle_instances: usize,
    /// Calls that run.
    pub running_calls: usize,
    /// The last generations, the oldest first.
    pub generations: Vec<GenerationReport>,
}

/// A connection in which a provider is not called any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuarantineReport {
    /// The connection.
    pub connection: String,
    /// Since when.
    pub since: String,
    /// What failed how often.
    pub reason: String,
}

/// One content of a provider's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GenerationReport {
    /// Counts the contents since the gateway started, from 1.
    pub number: u64,
    /// The version it gave itself.
    pub version: String,
    /// SHA-256 of the file.
    pub digest: String,
    /// When it began to serve.
    pub since: String,
    /// When it ceased to; none while it serves.
    pub until: Option<String>,
    /// How many calls it was asked for.
    pub calls: u64,
    /// How many of them ended in an error.
    pub errors: u64,
    /// The calls by operation.
    pub operations: BTreeMap<String, Counted>,
    /// The HTTP requests.
    pub requests: Counted,
}

impl ProviderReport {
    /// All providers that have a file.
    pub(super) fn all(host: &Host) -> Vec<Self> {
        let mut active: BTreeMap<_, _> = host
            .activity()
            .into_iter()
            .map(|activity| (activity.name.clone(), activity))
            .collect();
        let providers = host.providers().into_iter();
        providers
            .map(|status| {
                let activity = active.remove(&status.name);
                let mut report = Self::of(status);
                if let Some(activity) = activity {
                    report.idle_instances = activity.idle_instances;
                    report.running_calls = activity.running_calls;
                    report.generations = activity.generations.into_iter().map(Into::into).collect();
                }
                report
            })
            .collect()
    }

    fn of(status: ProviderStatus) -> Self {
        Self {
            name: status.name,
            serving: status.generation.map(|generation| generation.number),
            refusal: status.refusal.map(|refusal| refusal.to_string()),
            quarantines: status.quarantines.into_iter().map(Into::into).collect(),
            idle_instances: 0,
            running_calls: 0,
            generations: Vec::new(),
        }
    }

    /// The generation that serves.
    #[must_use]
    pub fn serving(&self) -> Option<&GenerationReport> {
        let number = self.serving?;
        self.generations.iter().find(|one| one.number == number)
    }
}

impl From<Quarantine> for QuarantineReport {
    fn from(quarantine: Quarantine) -> Self {
        Self {
            connection: quarantine.connection,
            since: text(quarantine.since),
            reason: quarantine.reason,
        }
    }
}

impl From<GenerationActivity> for GenerationReport {
    fn from(activity: GenerationActivity) -> Self {
        Self {
            number: activity.number,
            version: activity.version,
            digest: activity.digest,
            since: text(activity.since),
            until: activity.until.map(text),
            calls: activity.calls,
            errors: activity.errors,
            operations: activity.operations,
            requests: activity.requests,
        }
    }
}

/// To the second, as a clock on the wall.
fn text(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}
