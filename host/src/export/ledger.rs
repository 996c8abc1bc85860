//! What became of each project's spans, also after the project is forgotten elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::account::{Account, SpanStats};
use super::project::Project;

/// How many projects are counted by themselves though nobody uses them.
const MAX_PROJECTS: usize = 16_384;

/// What became of the spans of each project, and of all others together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectStats {
    /// By the project's name: those that are in use or have spans on disk, and of the rest as
    /// many as there is room for.
    pub projects: BTreeMap<String, SpanStats>,
    /// All that are not counted by themselves any more.
    pub others: SpanStats,
}

/// The accounts by project name. A project that is made anew goes on with its account.
#[derive(Debug)]
pub(super) struct Ledger {
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    /// In the order in which they were last asked for.
    accounts: LruCache<String, Arc<Account>>,
    /// What the accounts that were closed had counted.
    others: Account,
    /// How many accounts there are before those of nobody are looked for.
    close_at: usize,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            books: Mutex::new(Books {
                accounts: LruCache::unbounded(),
                others: Account::default(),
                close_at: MAX_PROJECTS,
            }),
        }
    }

    /// The account of a project, looked up the first time only.
    pub(super) fn account<'a>(&self, project: &'a Project) -> &'a Arc<Account> {
        project.account_or(|| self.named(project.name()))
    }

    /// The account of the project with this name.
    pub(super) fn named(&self, project: &str) -> Arc<Account> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let account = Arc::clone(books.accounts.get_or_insert_ref(project, Arc::default));
        if books.accounts.len() > books.close_at {
            books.close_idle();
        }
        account
    }

    /// All accounts. No number of them ever goes down by an account's being closed.
    pub(super) fn stats(&self) -> ProjectStats {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let others = books.others.stats();
        let accounts: Vec<_> = books
            .accounts
            .iter()
            .map(|(name, account)| (name.clone(), Arc::clone(account)))
            .collect();
        drop(books);
        let projects = accounts
            .into_iter()
            .map(|(name, account)| (name, account.stats()))
            .collect();
        ProjectStats { projects, others }
    }
}

impl Books {
    /// Closes the accounts that were not asked for for longest, down to seven eighths of what
    /// there may be; but never one that somebody has, or that has spans on disk: it is counted
    /// on.
    fn close_idle(&mut self) {
        let surplus = self.accounts.len() - MAX_PROJECTS / 8 * 7;
        let is_idle = |account: &Arc<Account>| {
            Arc::strong_count(account) == 1 && account.stats().spooled == 0
        };
        let oldest_first = self.accounts.iter().rev();
        let idle: Vec<_> = oldest_first
            .filter(|(_, account)| is_idle(account))
            .take(surplus)
            .map(|(name, _)| name.clone())
            .collect();
        for name in idle {
            if let Some(account) = self.accounts.pop(&name) {
                self.others.absorb(&account.stats());
            }
        }
        // So that many in use are not looked through for each new one.
        self.close_at = MAX_PROJECTS.max(self.accounts.len() / 8 * 9);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::super::account::Fate;
    use super::*;

    /// However many projects come and go, an account that is in use, or has spans on disk, stays;
    /// and all of them add up.
    #[test]
    fn accounts_are_closed_only_when_nothing_is_open() {
        let ledger = Ledger::new();
        ledger.named("on disk").recovered(5);
        let held = Project::new("acme", "search", "held");
        ledger.account(&held).created(1);
        let mut created = 6;
        for n in 0..3 * MAX_PROJECTS {
            let account = ledger.named(&n.to_string());
            account.created(1);
            account.settled(Fate::Delivered, 1);
            created += 1;
            if n % 1_000 == 0 {
                let ProjectStats { projects, others } = ledger.stats();
                let sum: u64 = projects.values().map(|stats| stats.created).sum();
                assert_eq!(sum + others.created, created);
                let is_all = n < MAX_PROJECTS - 2;
                assert_eq!(is_all, others == SpanStats::default(), "{n}");
            }
        }
        ledger.named("on disk").unspooled(Fate::Delivered, 5);
        held.account().settled(Fate::Delivered, 1);
        let stats = ledger.stats();
        assert!(stats.projects.len() <= MAX_PROJECTS);
        let of = |name: &str| {
            let stats = stats.projects[name];
            (stats.created, stats.delivered, stats.spooled)
        };
        assert_eq!((of("on disk"), of("held")), ((5, 5, 0), (1, 1, 0)));
        assert_eq!(ledger.named("never").stats(), SpanStats::default());
        ledger.named("never").unspooled(Fate::Delivered, 1);
        assert_eq!(ledger.named("never").stats().spooled, 0);
    }
}
