//! Project names: a tenant and a service to one name, and back.
//!
//! A backend keeps tenants apart by project alone, so two different owners must never get
//! one name. A template alone does not see to that: `acme` with `search-eu` and
//! `acme-search` with `eu` both read `cogniverse-acme-search-eu`. Keeping a list of the
//! names given would need state that all hosts share. Instead the text decides:
//!
//! * Each text has one canonical split: before `video-search` if it ends so, else at its
//!   last mark. The pair that is the canonical split has the plain name; every other pair
//!   has the mark doubled, which no id can hold: `cogniverse-acme--search-eu`.
//! * A tenant's own project is the pair without a service. It has the plain name where that
//!   is no pair's name, and ends in the doubled mark where it could be one:
//!   `cogniverse-acme`, but `cogniverse-acme-corp--`.
//! * Where the text between the placeholders holds a character that no id has, such as
//!   `/`, nothing is ambiguous and nothing is doubled.
//!
//! A template for which none of this holds is refused.

mod template;

pub use template::{InvalidTemplate, TemplateFault};

use super::TenantId;
use super::identifier::{self, IdFault};
use template::{Order, ServiceTemplate, TenantTemplate};

/// The well-known service that has a mark in its name. It is a constant, not
/// `service_name`: hosts that are configured differently must split alike.
const MARKED_SERVICE: &str = "video-search";

/// Makes project names, and reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectNames {
    tenant: TenantTemplate,
    service: ServiceTemplate,
}

/// A text that is no service's name. The rules are those of [`TenantId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no service name: {fault}")]
pub struct InvalidService {
    /// The text, shortened to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub fault: IdFault,
}

/// Why there is no project name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectNameError {
    /// The service's name breaks the rules.
    #[error(transparent)]
    Service(#[from] InvalidService),
    /// A template breaks the rules.
    #[error(transparent)]
    Template(#[from] InvalidTemplate),
}

impl Default for ProjectNames {
    /// The names of the default templates.
    fn default() -> Self {
        let prefix = "cogniverse-".to_owned();
        Self {
            tenant: TenantTemplate {
                prefix: prefix.clone(),
                suffix: String::new(),
            },
            service: ServiceTemplate {
                prefix,
                middle: "-".to_owned(),
                suffix: String::new(),
                order: Order::TenantFirst,
                mark: Some('-'),
            },
        }
    }
}

impl ProjectNames {
    /// Reads the templates of a tenant's own project and of its services' projects.
    ///
    /// # Errors
    /// A template breaks a rule, or both could give one name; see [`TemplateFault`].
    pub fn new(tenant: &str, service: &str) -> Result<Self, InvalidTemplate> {
        let names = Self {
            tenant: TenantTemplate::read(tenant)?,
            service: ServiceTemplate::read(service)?,
        };
        if names.tenant.is_apart_from(&names.service) {
            Ok(names)
        } else {
            Err(InvalidTemplate::alike(tenant))
        }
    }

    /// The project of a tenant as a whole.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> String {
        let TenantTemplate { prefix, suffix } = &self.tenant;
        match self.ambiguous_mark() {
            Some(mark) if tenant.as_str().contains(mark) => {
                format!("{prefix}{tenant}{mark}{mark}{suffix}")
            }
            _ => format!("{prefix}{tenant}{suffix}"),
        }
    }

    /// The project of a tenant's service.
    ///
    /// # Errors
    /// The service's name breaks the rules.
    pub fn service(&self, tenant: &TenantId, service: &str) -> Result<String, InvalidService> {
        check_service(service)?;
        Ok(self.service_name(tenant.as_str(), service))
    }

    /// The tenant and service whose project has this name; none where there is no such
    /// pair.
    #[must_use]
    pub fn parse_service(&self, name: &str) -> Option<(TenantId, String)> {
        let template = &self.service;
        let text = name
            .strip_prefix(template.prefix.as_str())?
            .strip_suffix(template.suffix.as_str())?;
        let (first, second) = match template.mark {
            Some(mark) => text
                .split_once(&doubled(mark))
                .or_else(|| canonical_split(text, mark))?,
            None => text.split_once(template.middle.as_str())?,
        };
        let (tenant, service) = match template.order {
            Order::TenantFirst => (first, second),
            Order::ServiceFirst => (second, first),
        };
        let tenant = TenantId::new(tenant).ok()?;
        // The way back settles what a split alone does not: a doubled mark where the plain
        // name would have done is nobody's name.
        (self.service(&tenant, service).ok()? == name).then(|| (tenant, service.to_owned()))
    }

    /// The tenant whose own project has this name; none where there is no such tenant.
    #[must_use]
    pub fn parse_tenant(&self, name: &str) -> Option<TenantId> {
        let text = name
            .strip_prefix(self.tenant.prefix.as_str())?
            .strip_suffix(self.tenant.suffix.as_str())?;
        let text = match self.service.mark {
            Some(mark) => text.strip_suffix(&doubled(mark)).unwrap_or(text),
            None => text,
        };
        let tenant = TenantId::new(text).ok()?;
        (self.tenant(&tenant) == name).then_some(tenant)
    }

    fn service_name(&self, tenant: &str, service: &str) -> String {
        let ServiceTemplate {
            prefix,
            middle,
            suffix,
            order,
            mark,
        } = &self.service;
        let (first, second) = match order {
            Order::TenantFirst => (tenant, service),
            Order::ServiceFirst => (service, tenant),
        };
        let text = format!("{first}{middle}{second}");
        match mark {
            Some(mark) if canonical_split(&text, *mark) != Some((first, second)) => {
                format!("{prefix}{first}{mark}{mark}{second}{suffix}")
            }
            _ => format!("{prefix}{text}{suffix}"),
        }
    }

    /// The mark between the placeholders, where a tenant's own project could have the name
    /// of a service's.
    fn ambiguous_mark(&self) -> Option<char> {
        self.service
            .mark
            .filter(|_| self.tenant.is_around_as(&self.service))
    }
}

/// Checks a service's name.
pub(super) fn check_service(service: &str) -> Result<(), InvalidService> {
    identifier::check(service).map_err(|fault| InvalidService {
        text: identifier::excerpt(service),
        fault,
    })
}

/// Where a plain text is cut in two.
fn canonical_split(text: &str, mark: char) -> Option<(&str, &str)> {
    text.strip_suffix(MARKED_SERVICE)
        .and_then(|rest| rest.strip_suffix(mark))
        .filter(|rest| !rest.is_empty())
        .map(|rest| (rest, MARKED_SERVICE))
        .or_else(|| text.rsplit_once(mark))
}

fn doubled(mark: char) -> String {
    [mark, mark].iter().collect()
}

#[cfg(test)]
mod tests;
