//! Annotations: written, read and deleted.

use super::paging::Paging;
use super::traces::check_trace_id;
use super::{MAX_ITEMS, Provider};
use crate::contract::{
    Annotation, AnnotationSelection, AnnotatorKind, Error, NewAnnotation, PartialFailure,
    ProviderError, RejectedItem, SpanRef, Target,
};

pub(crate) const ADD: &str = "add-annotations";
const GET: &str = "get-annotations";
const DELETE: &str = "delete-annotations";

/// Annotations of a [`Provider`].
pub struct AnnotationStore<'a> {
    pub(crate) provider: &'a Provider,
}

impl<'a> AnnotationStore<'a> {
    pub(super) fn new(provider: &'a Provider) -> Self {
        Self { provider }
    }

    /// Write an annotation, which can be read when this returns. Returned is its id.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a target that does not exist; [`Error::InvalidArgument`] for
    /// an annotation without a name or a judgement, or with a score that is not finite.
    pub async fn add_annotation(
        &self,
        project: &str,
        annotation: NewAnnotation,
    ) -> Result<String, ProviderError> {
        let ids = self.add_annotations_batch(project, &[annotation]).await?;
        ids.into_iter().next().ok_or_else(|| {
            let why = "it answered no id for the annotation".to_owned();
            self.provider.error(ADD, Error::Internal(why))
        })
    }

    /// Write annotations, in as many calls as the backend's limits ask for. Returned are
    /// their ids, in the same order.
    ///
    /// # Errors
    ///
    /// [`Error::Partial`] when some were written and some not, with the places in
    /// `annotations` of those that were not; otherwise as
    /// [`add_annotation`](Self::add_annotation).
    pub async fn add_annotations_batch(
        &self,
        project: &str,
        annotations: &[NewAnnotation],
    ) -> Result<Vec<String>, ProviderError> {
        let provider = self.provider;
        provider.admit(ADD, project)?;
        for (place, annotation) in annotations.iter().enumerate() {
            annotation
                .check()
                .map_err(|why| provider.invalid(ADD, format!("annotation {place}: {why}")))?;
        }
        let mut ids = Vec::with_capacity(annotations.len());
        let mut rejected = Vec::new();
        let mut place = 0;
        for part in provider.batches(ADD, annotations)? {
            match self.add(project, part).await {
                Ok(added) => ids.extend(added),
                Err(error) if error.is_partial() => {
                    rejected.extend(rejections(&error, place, part.len()));
                }
                // While nothing was written, the error itself says more than a list would.
                Err(error) if place == 0 => return Err(error),
                Err(error) => {
                    // What follows would fare no better.
                    rejected.extend(rejections(&error, place, annotations.len() - place));
                    break;
                }
            }
            place += part.len();
        }
        if rejected.is_empty() {
            return Ok(ids);
        }
        let accepted = annotations.len().saturating_sub(rejected.len());
        let partial = PartialFailure {
            accepted: u32::try_from(accepted).unwrap_or(u32::MAX),
            rejected,
        };
        Err(provider.error(ADD, Error::Partial(partial)))
    }

    /// Write one part, which is one call.
    async fn add(
        &self,
        project: &str,
        part: &[NewAnnotation],
    ) -> Result<Vec<String>, ProviderError> {
        let provider = self.provider;
        let ids = provider
            .write(ADD, project, async |store, guests| {
                let guest = guests.annotations()?;
                guest.call_add_annotations(store, project, part).await
            })
            .await?;
        if ids.len() == part.len() {
            return Ok(ids);
        }
        let (answered, sent) = (ids.len(), part.len());
        let why = format!("it answered {answered} ids for {sent} annotations");
        Err(provider.error(ADD, Error::Internal(why)))
    }

    /// The annotations of some targets; with `names`, only those of these names. A target
    /// that does not exist adds nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a project that does not exist; [`Error::InvalidArgument`]
    /// for an id that is none and for more than 100,000 annotations.
    pub async fn get_annotations(
        &self,
        project: &str,
        targets: &[Target],
        names: Option<&[String]>,
    ) -> Result<Vec<Annotation>, ProviderError> {
        let provider = self.provider;
        provider.admit(GET, project)?;
        for target in targets {
            target.check().map_err(|why| provider.invalid(GET, why))?;
        }
        let names = names.map(<[String]>::to_vec);
        let mut annotations = Vec::new();
        for chunk in provider.batches(GET, targets)? {
            let mut paging = Paging::begin(provider, GET, MAX_ITEMS)?;
            loop {
                let question = (chunk, &names, paging.request());
                let answer = provider
                    .read(GET, project, question, async |store, guests| {
                        guests
                            .annotations()?
                            .call_get_annotations(
                                store,
                                project,
                                chunk,
                                names.as_deref(),
                                paging.request(),
                            )
                            .await
                    })
                    .await?;
                annotations.extend(answer.annotations);
                if annotations.len() > MAX_ITEMS {
                    return Err(provider.too_many(GET, "annotations on these targets"));
                }
                if !paging.advance(answer.cursor)? {
                    break;
                }
            }
        }
        Ok(annotations)
    }

    /// Delete annotations. What is not there is no error.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a project that does not exist; [`Error::Unsupported`] for a
    /// way of naming annotations that the backend does not have.
    pub async fn delete_annotation(
        &self,
        project: &str,
        selection: &AnnotationSelection,
    ) -> Result<(), ProviderError> {
        let provider = self.provider;
        provider.admit(DELETE, project)?;
        if let AnnotationSelection::Key(key) = selection {
            key.target
                .check()
                .map_err(|why| provider.invalid(DELETE, why))?;
        }
        let delete = async |part: &AnnotationSelection| {
            provider
                .write(DELETE, project, async |store, guests| {
                    let guest = guests.annotations()?;
                    guest.call_delete_annotations(store, project, part).await
                })
                .await
        };
        let AnnotationSelection::Ids(ids) = selection else {
            return delete(selection).await;
        };
        for part in provider.batches(DELETE, ids)? {
            delete(&AnnotationSelection::Ids(part.to_vec())).await?;
        }
        Ok(())
    }
}

/// The items of a part that was not, or not wholly, written; `first` is the place of the
/// part's first item.
fn rejections(error: &ProviderError, first: usize, count: usize) -> Vec<RejectedItem> {
    let place = |index: usize| u32::try_from(first + index).unwrap_or(u32::MAX);
    match error.kind() {
        Error::Partial(partial) => partial
            .rejected
            .iter()
            .map(|item| RejectedItem {
                index: place(usize::try_from(item.index).unwrap_or(usize::MAX)),
                reason: item.reason.clone(),
            })
            .collect(),
        _ => (0..count)
            .map(|index| RejectedItem {
                index: place(index),
                reason: error.to_string(),
            })
            .collect(),
    }
}

impl NewAnnotation {
    /// An annotation by a person, to be given a label, a score or an explanation.
    pub fn new(target: Target, name: impl Into<String>) -> Self {
        Self {
            target,
            name: name.into(),
            annotator: AnnotatorKind::Human,
            label: None,
            score: None,
            explanation: None,
            metadata: None,
            identifier: String::new(),
        }
    }

    /// Judged by somebody else than a person.
    #[must_use]
    pub fn by(mut self, annotator: AnnotatorKind) -> Self {
        self.annotator = annotator;
        self
    }

    /// The judgement as a word.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The judgement as a number; finite.
    #[must_use]
    pub fn score(mut self, score: f64) -> Self {
        self.score = Some(score);
        self
    }

    /// Why.
    #[must_use]
    pub fn explanation(mut self, explanation: impl Into<String>) -> Self {
        self.explanation = Some(explanation.into());
        self
    }

    /// Anything more.
    #[must_use]
    pub fn metadata(mut self, metadata: &serde_json::Map<String, serde_json::Value>) -> Self {
        self.metadata = serde_json::to_string(metadata).ok();
        self
    }

    /// Tells annotations of one name on one target apart.
    #[must_use]
    pub fn identifier(mut self, identifier: impl Into<String>) -> Self {
        self.identifier = identifier.into();
        self
    }

    fn check(&self) -> Result<(), String> {
        self.target.check()?;
        if self.name.trim().is_empty() {
            return Err("it has no name".to_owned());
        }
        if self.label.is_none() && self.score.is_none() && self.explanation.is_none() {
            return Err("it has neither label, score nor explanation".to_owned());
        }
        match self.score {
            Some(score) if !score.is_finite() => Err(format!("the score {score} is not finite")),
            _ => Ok(()),
        }
    }
}

impl Target {
    /// A span by its id alone.
    pub fn span(span_id: impl Into<String>) -> Self {
        Self::Span(SpanRef::by_id(span_id))
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Span(span) => span.check(),
            Self::Trace(id) => check_trace_id(id),
            Self::Session(id) if id.is_empty() => Err("the session id is empty".to_owned()),
            Self::Session(_) => Ok(()),
        }
    }
}
