//! What became of each project's spans, also after the project is forgotten elsewhere.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::account::{Account, SpanStats};
use super::project::Project;

/// How many projects are counted by themselves.
const MAX_PROJECTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// What became of the spans of each project, and of all others together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectStats {
    /// By the project's name, the ones that were last used.
    pub projects: BTreeMap<String, SpanStats>,
    /// All that are not counted by themselves any more.
    pub others: SpanStats,
}

/// The accounts by project name. A project that is made anew goes on with its account.
#[derive(Debug)]
pub(super) struct Ledger {
    accounts: Mutex<LruCache<String, Arc<Account>>>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            accounts: Mutex::new(LruCache::new(MAX_PROJECTS)),
        }
    }

    /// The account of a project, looked up the first time only.
    pub(super) fn account<'a>(&self, project: &'a Project) -> &'a Arc<Account> {
        project.account_or(|| self.named(project.name()))
    }

    /// The account of the project with this name.
    pub(super) fn named(&self, project: &str) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(accounts.get_or_insert_ref(project, Arc::default))
    }

    /// All accounts. What `total` has more than they have is the others'.
    pub(super) fn stats(&self, total: &Account) -> ProjectStats {
        let accounts: Vec<_> = {
            let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let entries = accounts.iter();
            entries
                .map(|(name, account)| (name.clone(), Arc::clone(account)))
                .collect()
        };
        let projects: BTreeMap<_, _> = accounts
            .into_iter()
            .map(|(name, account)| (name, account.stats()))
            .collect();
        let mut others = total.stats();
        for stats in projects.values() {
            others.subtract(stats);
        }
        ProjectStats { projects, others }
    }
}
