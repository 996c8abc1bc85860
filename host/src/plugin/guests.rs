//! The functions of one instance, by interface.

use std::collections::BTreeSet;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::state::State;
use crate::contract::{Capability, guest};

/// The provider does not have an interface.
#[derive(Debug, thiserror::Error)]
#[error("the provider does not export {0}")]
pub(super) struct NotExported(Capability);

/// Writes both structs from one list of the optional interfaces: where their functions
/// are in a component (found once, before anything runs), and the functions of an
/// instance.
macro_rules! guests {
    ($($field:ident: $interface:ident, $capability:ident;)*) => {
        /// Where the functions of a component are.
        pub(super) struct GuestIndices {
            provider: guest::telemetry_provider::GuestIndices,
            $($field: Option<guest::$interface::GuestIndices>,)*
        }

        /// The functions of an instance.
        pub(crate) struct Guests {
            pub(crate) provider: guest::telemetry_provider::Guest,
            $($field: Option<guest::$interface::Guest>,)*
        }

        impl GuestIndices {
            pub(super) fn find(
                pre: &InstancePre<State>,
                capabilities: &BTreeSet<Capability>,
            ) -> wasmtime::Result<Self> {
                Ok(Self {
                    provider: guest::telemetry_provider::GuestIndices::new(pre)?,
                    $($field: capabilities
                        .contains(&Capability::$capability)
                        .then(|| guest::$interface::GuestIndices::new(pre))
                        .transpose()?,)*
                })
            }

            pub(super) fn load(
                &self,
                store: &mut Store<State>,
                instance: &Instance,
            ) -> wasmtime::Result<Guests> {
                Ok(Guests {
                    provider: self.provider.load(&mut *store, instance)?,
                    $($field: self
                        .$field
                        .as_ref()
                        .map(|indices| indices.load(&mut *store, instance))
                        .transpose()?,)*
                })
            }
        }

        impl Guests {
            $(pub(crate) fn $field(&self) -> wasmtime::Result<&guest::$interface::Guest> {
                self.$field
                    .as_ref()
                    .ok_or_else(|| NotExported(Capability::$capability).into())
            })*
        }
    };
}

guests! {
    traces: trace_store, TraceStore;
    annotations: annotation_store, AnnotationStore;
    datasets: dataset_store, DatasetStore;
    experiments: experiment_store, ExperimentStore;
    analytics: analytics_store, AnalyticsStore;
    projects: project_store, ProjectStore;
    sessions: session_store, SessionStore;
    sink: span_sink, SpanSink;
}
