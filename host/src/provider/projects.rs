//! Projects: listed, created, deleted and emptied.

use super::paging::Paging;
use super::{MAX_ITEMS, Provider};
use crate::contract::{Project, ProviderError, SpanSelection};

const LIST: &str = "list-projects";
const ENSURE: &str = "ensure-project";
const DELETE: &str = "delete-project";
const DELETE_SPANS: &str = "delete-spans";

/// Projects of a [`Provider`].
pub struct ProjectStore<'a> {
    provider: &'a Provider,
}

impl<'a> ProjectStore<'a> {
    pub(super) fn new(provider: &'a Provider) -> Self {
        Self { provider }
    }

    /// The projects in this handle's scope, by name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::contract::Error::InvalidArgument) for more than
    /// 100,000 projects.
    pub async fn list_projects(&self) -> Result<Vec<Project>, ProviderError> {
        let provider = self.provider;
        let mut projects = Vec::new();
        let mut paging = Paging::begin(provider, LIST, MAX_ITEMS)?;
        loop {
            let answer = provider
                .call(LIST, async |store, guests| {
                    guests
                        .projects()?
                        .call_list_projects(store, paging.request())
                        .await
                })
                .await?;
            let inside = |project: &Project| provider.scope.contains(&project.name);
            projects.extend(answer.projects.into_iter().filter(inside));
            if projects.len() > MAX_ITEMS {
                return Err(provider.too_many(LIST, "projects"));
            }
            if !paging.advance(answer.cursor)? {
                break;
            }
        }
        projects.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(projects)
    }

    /// The project of this name, created if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::contract::Error::InvalidArgument) for a name the
    /// backend cannot hold.
    pub async fn ensure_project(
        &self,
        name: &str,
        description: Option<&str>,
    ) -> Result<Project, ProviderError> {
        let provider = self.provider;
        provider.admit(ENSURE, name)?;
        provider
            .write(ENSURE, name, async |store, guests| {
                let guest = guests.projects()?;
                guest.call_ensure_project(store, name, description).await
            })
            .await
    }

    /// Delete a project and everything in it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for a project that does not
    /// exist; [`Error::PermissionDenied`](crate::contract::Error::PermissionDenied) for one
    /// the backend keeps always.
    pub async fn delete_project(&self, name: &str) -> Result<(), ProviderError> {
        let provider = self.provider;
        provider.admit(DELETE, name)?;
        provider
            .write(DELETE, name, async |store, guests| {
                guests.projects()?.call_delete_project(store, name).await
            })
            .await
    }

    /// Delete spans of a project, with their annotations.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::contract::Error::NotFound) for a project that does not
    /// exist.
    pub async fn delete_spans(
        &self,
        project: &str,
        selection: &SpanSelection,
    ) -> Result<(), ProviderError> {
        let provider = self.provider;
        provider.admit(DELETE_SPANS, project)?;
        let delete = async |part: &SpanSelection| {
            provider
                .write(DELETE_SPANS, project, async |store, guests| {
                    let guest = guests.projects()?;
                    guest.call_delete_spans(store, project, part).await
                })
                .await
        };
        let SpanSelection::Traces(ids) = selection else {
            return delete(selection).await;
        };
        for part in provider.batches(DELETE_SPANS, ids)? {
            delete(&SpanSelection::Traces(part.to_vec())).await?;
        }
        Ok(())
    }
}
