//! A question for spans.

use std::fmt::Debug;
use std::sync::Arc;

use crate::contract::{self, Field, Order, PageRequest, Predicate, Projection, Span, TimeWindow};

/// How many spans are returned when nobody says.
const DEFAULT_LIMIT: usize = 1000;

/// What must hold of a span beyond predicates. Rooms above this one know richer languages;
/// the host applies what they say to every page.
pub trait SpanFilter: Debug + Send + Sync {
    /// Whether each of these spans fits, in their order.
    ///
    /// # Errors
    ///
    /// A sentence that says which filter cannot be applied, and why.
    fn fits(&self, spans: &[Span]) -> Result<Vec<bool>, String>;

    /// Add what the filter reads to what is wanted of each span.
    fn widen(&self, wanted: &mut Projection);
}

/// A filter equals itself alone.
impl PartialEq for dyn SpanFilter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

/// A question for spans of one project.
///
/// ```
/// use std::time::Duration;
/// use roost::contract::TimeWindow;
/// use roost::provider::SpanQuery;
///
/// let slow_roots = SpanQuery::new("cogniverse-acme-search", TimeWindow::last(Duration::from_secs(3600)))
///     .roots_only()
///     .limit(100);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SpanQuery {
    pub(crate) project: String,
    pub(crate) window: TimeWindow,
    pub(super) limit: usize,
    pub(super) predicates: Vec<Predicate>,
    pub(super) filters: Vec<Arc<dyn SpanFilter>>,
    pub(crate) projection: Option<Projection>,
    pub(super) order: Option<Order>,
    pub(super) roots_only: bool,
}

impl SpanQuery {
    /// The spans of `project` that began inside `window`: at most 1,000 of them, whole, in
    /// no certain order.
    pub fn new(project: impl Into<String>, window: TimeWindow) -> Self {
        Self {
            project: project.into(),
            window,
            limit: DEFAULT_LIMIT,
            predicates: Vec::new(),
            filters: Vec::new(),
            projection: None,
            order: None,
            roots_only: false,
        }
    }

    /// At most this many spans.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Only spans that fit this comparison, and all that were asked for before.
    #[must_use]
    pub fn filter(mut self, predicate: Predicate) -> Self {
        self.predicates.push(predicate);
        self
    }

    /// Only spans that fit this filter as well. It is applied to what a page's predicates
    /// leave, so what it says of a span that a predicate can say belongs there.
    #[must_use]
    pub fn filter_with(mut self, filter: Arc<dyn SpanFilter>) -> Self {
        self.filters.push(filter);
        self
    }

    /// Only what is named of each span.
    #[must_use]
    pub fn project_to(mut self, projection: Projection) -> Self {
        self.projection = Some(projection);
        self
    }

    /// In this order. The limit applies after sorting.
    #[must_use]
    pub fn order_by(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// Only spans without a parent.
    #[must_use]
    pub fn roots_only(mut self) -> Self {
        self.roots_only = true;
        self
    }

    /// What is wanted of each span, and what filters look at: the host applies them again.
    fn with_filtered(&self, wanted: &Projection) -> Projection {
        let mut wanted = wanted.clone();
        if let Some(attributes) = &mut wanted.attributes {
            for predicate in &self.predicates {
                if let Field::Attribute(key) = &predicate.field
                    && !attributes.contains(key)
                {
                    attributes.push(key.clone());
                }
            }
        }
        for filter in &self.filters {
            filter.widen(&mut wanted);
        }
        wanted
    }

    /// The question as the contract asks it, page by page.
    pub(super) fn to_contract(&self, page: PageRequest, accept_arrow: bool) -> contract::SpanQuery {
        contract::SpanQuery {
            project: self.project.clone(),
            window: self.window,
            predicates: self.predicates.clone(),
            projection: self
                .projection
                .as_ref()
                .map(|wanted| self.with_filtered(wanted)),
            order: self.order,
            roots_only: self.roots_only,
            accept_arrow,
            page,
        }
    }
}
