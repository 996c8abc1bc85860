//! Hearing what became of some spans, whichever way each of them took.

use std::fmt;

use super::account::{Account, Fate, SpanStats};

/// Held by every span of a group. When the last of them is settled it reports them all.
pub(super) struct Ticket {
    account: Account,
    report: Option<Box<dyn FnOnce(SpanStats) + Send + Sync>>,
}

impl Ticket {
    /// For so many spans.
    pub(super) fn new(spans: u64, report: impl FnOnce(SpanStats) + Send + Sync + 'static) -> Self {
        let account = Account::default();
        account.created(spans);
        Self {
            account,
            report: Some(Box::new(report)),
        }
    }

    pub(super) fn settled(&self, fate: Fate, spans: u64) {
        self.account.settled(fate, spans);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            report(self.account.stats());
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
