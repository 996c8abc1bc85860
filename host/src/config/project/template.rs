//! The two templates of project names, and which of them can be told apart.

use crate::config::identifier::MARKS;

/// The most a template may be long, in bytes.
const MAX_LENGTH: usize = 256;

/// A template that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {template:?}: {fault}")]
pub struct InvalidTemplate {
    /// The key the template is set by, in `[telemetry]`.
    pub key: &'static str,
    /// The template.
    pub template: String,
    /// What is wrong with it.
    pub fault: TemplateFault,
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateFault {
    /// A brace opens and does not close, or the other way round.
    #[error("a `{{` without its `}}`, or the other way round")]
    Braces,
    /// A tenant template has other placeholders than its one.
    #[error("must hold `{{tenant_id}}` once, and no other placeholder")]
    TenantPlaceholders,
    /// A service template has other placeholders than its two.
    #[error("must hold `{{tenant_id}}` and `{{service}}` once each, and no other placeholder")]
    ServicePlaceholders,
    /// The text between the placeholders keeps no two pairs apart.
    #[error(
        "between `{{tenant_id}}` and `{{service}}` must be a single `-`, `_` or `.`, or a text with \
         a character that ids cannot have, such as `/`"
    )]
    Middle,
    /// A tenant's own project could have the name of a service's.
    #[error(
        "could give the name of a service's project; begin and end it as `tenant_service_template`, \
         or begin it with another text"
    )]
    Alike,
    /// It has a control character or is longer than 256 bytes.
    #[error("must be at most 256 bytes long and have no control character")]
    Text,
}

impl InvalidTemplate {
    fn tenant(template: &str, fault: TemplateFault) -> Self {
        Self {
            key: "tenant_project_template",
            template: template.to_owned(),
            fault,
        }
    }

    fn service(template: &str, fault: TemplateFault) -> Self {
        Self {
            key: "tenant_service_template",
            template: template.to_owned(),
            fault,
        }
    }

    pub(super) fn alike(tenant: &str) -> Self {
        Self::tenant(tenant, TemplateFault::Alike)
    }
}

/// The template of a tenant's own project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TenantTemplate {
    pub(super) prefix: String,
    pub(super) suffix: String,
}

/// Which placeholder comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    TenantFirst,
    ServiceFirst,
}

/// The template of a service's project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceTemplate {
    pub(super) prefix: String,
    pub(super) middle: String,
    pub(super) suffix: String,
    pub(super) order: Order,
    /// The middle, where it is a mark that ids may hold too.
    pub(super) mark: Option<char>,
}

impl TenantTemplate {
    pub(super) fn read(template: &str) -> Result<Self, InvalidTemplate> {
        let refuse = |fault| InvalidTemplate::tenant(template, fault);
        let (texts, placeholders) = pieces(template).map_err(refuse)?;
        match (placeholders.as_slice(), texts.as_slice()) {
            (["tenant_id"], [prefix, suffix]) => Ok(Self {
                prefix: (*prefix).to_owned(),
                suffix: (*suffix).to_owned(),
            }),
            _ => Err(refuse(TemplateFault::TenantPlaceholders)),
        }
    }

    /// Whether no tenant's name can be a service's: both stand between the same texts, so
    /// that what is between decides, or between texts no name can have both of.
    pub(super) fn is_apart_from(&self, service: &ServiceTemplate) -> bool {
        let begin_apart =
            !self.prefix.starts_with(&service.prefix) && !service.prefix.starts_with(&self.prefix);
        let end_apart =
            !self.suffix.ends_with(&service.suffix) && !service.suffix.ends_with(&self.suffix);
        self.is_around_as(service) || begin_apart || end_apart
    }

    /// Whether both templates have the same texts around what they hold.
    pub(super) fn is_around_as(&self, service: &ServiceTemplate) -> bool {
        self.prefix == service.prefix && self.suffix == service.suffix
    }
}

impl ServiceTemplate {
    pub(super) fn read(template: &str) -> Result<Self, InvalidTemplate> {
        let refuse = |fault| InvalidTemplate::service(template, fault);
        let (texts, placeholders) = pieces(template).map_err(refuse)?;
        let order = match placeholders.as_slice() {
            ["tenant_id", "service"] => Order::TenantFirst,
            ["service", "tenant_id"] => Order::ServiceFirst,
            _ => return Err(refuse(TemplateFault::ServicePlaceholders)),
        };
        let [prefix, middle, suffix] = texts.as_slice() else {
            return Err(refuse(TemplateFault::ServicePlaceholders));
        };
        let may_be_in_id = |c: char| c.is_ascii_alphanumeric() || MARKS.contains(&c);
        let mark = MARKS
            .into_iter()
            .find(|mark| middle.strip_prefix(*mark) == Some(""));
        if mark.is_none() && middle.chars().all(may_be_in_id) {
            return Err(refuse(TemplateFault::Middle));
        }
        Ok(Self {
            prefix: (*prefix).to_owned(),
            middle: (*middle).to_owned(),
            suffix: (*suffix).to_owned(),
            order,
            mark,
        })
    }
}

/// A template's texts and the placeholders between them: one text more.
fn pieces(template: &str) -> Result<(Vec<&str>, Vec<&str>), TemplateFault> {
    if template.len() > MAX_LENGTH || template.contains(char::is_control) {
        return Err(TemplateFault::Text);
    }
    let (mut texts, mut placeholders) = (Vec::new(), Vec::new());
    let mut rest = template;
    while let Some((text, opened)) = rest.split_once('{') {
        let (placeholder, after) = opened.split_once('}').ok_or(TemplateFault::Braces)?;
        texts.push(text);
        placeholders.push(placeholder);
        rest = after;
    }
    texts.push(rest);
    if texts.iter().any(|text| text.contains('}')) {
        return Err(TemplateFault::Braces);
    }
    Ok((texts, placeholders))
}
