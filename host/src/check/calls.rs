//! The functions of the contract, each a call that is written down.

use serde_json::json;

use super::trial::Trial;
use crate::contract::guest::trace_store::TracePage;
use crate::contract::{
    Annotation, AnnotationPage, AnnotationSelection, Attribute, DataPoint, Dataset, DatasetPage,
    DatasetRef, Error, Experiment, ExperimentPage, ExperimentStatus, ExportOptions, ExportOutcome,
    Health, Metric, MetricsQuery, NewAnnotation, NewDataset, NewEvaluation, NewExperiment,
    NewRecord, NewRun, PageRequest, Project, ProjectPage, ProviderInfo, RecordPage, Run, RunPage,
    SessionPage, SessionTracePage, Span, SpanExport, SpanPage, SpanQuery, SpanRef, SpanSelection,
    Target, TimeWindow, VersionPage,
};
use crate::plugin::Class;

/// Writes a method for each function, named by both sides as the contract has it.
macro_rules! calls {
    ($($method:ident = $operation:literal $class:ident $guest:ident $call:ident
        ($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Trial<'_> {
            $(pub(super) async fn $method(&self, $($argument: $type),*) -> Result<$answer, Error> {
                let arguments = json!({ $(stringify!($argument): $argument),* });
                self.call($operation, Class::$class, arguments, async |store, guests| {
                    guests.$guest()?.$call(store, $($argument),*).await
                })
                .await
            })*
        }
    };
}

calls! {
    get_spans = "get-spans" Read traces call_get_spans(query: &SpanQuery) -> SpanPage;
    get_span = "get-span" Read traces call_get_span(project: &str, span: &SpanRef) -> Span;
    get_trace = "get-trace" Read traces call_get_trace(project: &str, trace_id: &str, near: Option<u64>, page: &PageRequest) -> TracePage;

    add_annotations = "add-annotations" Write annotations call_add_annotations(project: &str, annotations: &[NewAnnotation]) -> Vec<String>;
    get_annotations = "get-annotations" Read annotations call_get_annotations(project: &str, targets: &[Target], names: Option<&[String]>, page: &PageRequest) -> AnnotationPage;
    delete_annotations = "delete-annotations" Write annotations call_delete_annotations(project: &str, selection: &AnnotationSelection) -> ();

    create_dataset = "create-dataset" Write datasets call_create_dataset(project: &str, dataset: &NewDataset) -> Dataset;
    append_records = "append-records" Write datasets call_append_records(project: &str, dataset: &DatasetRef, records: &[NewRecord]) -> Dataset;
    get_dataset = "get-dataset" Read datasets call_get_dataset(project: &str, dataset: &DatasetRef, version: Option<&str>, page: &PageRequest) -> RecordPage;
    list_datasets = "list-datasets" Read datasets call_list_datasets(project: &str, page: &PageRequest) -> DatasetPage;
    list_versions = "list-versions" Read datasets call_list_versions(project: &str, dataset: &DatasetRef, page: &PageRequest) -> VersionPage;
    delete_dataset = "delete-dataset" Write datasets call_delete_dataset(project: &str, dataset: &DatasetRef) -> ();

    create_experiment = "create-experiment" Write experiments call_create_experiment(project: &str, experiment: &NewExperiment) -> Experiment;
    log_run = "log-run" Write experiments call_log_run(project: &str, experiment: &str, run: &NewRun) -> String;
    log_metrics = "log-metrics" Write experiments call_log_metrics(project: &str, experiment: &str, run: Option<&str>, metrics: &[Metric]) -> ();
    log_evaluation = "log-evaluation" Write experiments call_log_evaluation(project: &str, experiment: &str, run: &str, evaluation: &NewEvaluation) -> ();
    finish_experiment = "finish-experiment" Write experiments call_finish_experiment(project: &str, experiment: &str, status: ExperimentStatus) -> Experiment;
    get_experiment = "get-experiment" Read experiments call_get_experiment(project: &str, experiment: &str) -> Experiment;
    list_experiments = "list-experiments" Read experiments call_list_experiments(project: &str, dataset: Option<&str>, page: &PageRequest) -> ExperimentPage;
    list_runs = "list-runs" Read experiments call_list_runs(project: &str, experiment: &str, page: &PageRequest) -> RunPage;
    delete_experiment = "delete-experiment" Write experiments call_delete_experiment(project: &str, experiment: &str) -> ();

    get_metrics = "get-metrics" Read analytics call_get_metrics(query: &MetricsQuery) -> Vec<DataPoint>;

    list_projects = "list-projects" Read projects call_list_projects(page: &PageRequest) -> ProjectPage;
    ensure_project = "ensure-project" Write projects call_ensure_project(name: &str, description: Option<&str>) -> Project;
    delete_project = "delete-project" Write projects call_delete_project(name: &str) -> ();
    delete_spans = "delete-spans" Write projects call_delete_spans(project: &str, selection: &SpanSelection) -> ();

    list_sessions = "list-sessions" Read sessions call_list_sessions(project: &str, window: TimeWindow, page: &PageRequest) -> SessionPage;
    get_session_traces = "get-session-traces" Read sessions call_get_session_traces(project: &str, session_id: &str, page: &PageRequest) -> SessionTracePage;

    export_spans = "export" Write sink call_export(project: &str, resource_attributes: &[Attribute], spans: &[Span]) -> ExportOutcome;
}

/// What every provider exports.
impl Trial<'_> {
    pub(super) async fn describe(&self) -> Result<ProviderInfo, Error> {
        self.call("describe", Class::Read, (), async |store, guests| {
            guests.provider.call_describe(store).await.map(Ok)
        })
        .await
    }

    pub(super) async fn check_health(&self) -> Result<Health, Error> {
        self.call("check-health", Class::Health, (), async |store, guests| {
            guests.provider.call_check_health(store).await
        })
        .await
    }

    pub(super) async fn configure_span_export(&self, project: &str) -> Result<SpanExport, Error> {
        let options = ExportOptions {
            endpoint: None,
            batch: true,
        };
        let arguments = json!({ "project": project, "options": options });
        self.call(
            "configure-span-export",
            Class::Read,
            arguments,
            async |store, guests| {
                let guest = &guests.provider;
                guest
                    .call_configure_span_export(store, project, &options)
                    .await
            },
        )
        .await
    }

    pub(super) async fn session_attributes(
        &self,
        project: &str,
        session_id: &str,
    ) -> Result<Vec<Attribute>, Error> {
        let arguments = json!({ "project": project, "session_id": session_id });
        self.call(
            "session-attributes",
            Class::Read,
            arguments,
            async |store, guests| {
                let guest = &guests.provider;
                guest
                    .call_session_attributes(store, project, session_id)
                    .await
            },
        )
        .await
    }

    pub(super) async fn trace_url(
        &self,
        project: &str,
        trace_id: &str,
    ) -> Result<Option<String>, Error> {
        let arguments = json!({ "project": project, "trace_id": trace_id });
        self.call(
            "trace-url",
            Class::Read,
            arguments,
            async |store, guests| {
                guests
                    .provider
                    .call_trace_url(store, project, trace_id)
                    .await
            },
        )
        .await
    }
}

/// A listing of the contract, read to its end.
macro_rules! listings {
    ($($method:ident = $items:ident: $item:ty, $page:ident($($argument:ident: $type:ty),*);)*) => {
        impl Trial<'_> {
            $(
                /// All items, by pages of so many.
                pub(super) async fn $method(
                    &self,
                    $($argument: $type,)*
                    limit: u32,
                ) -> super::rule::Outcome<Vec<$item>> {
                    let mut pages = super::pages::Pages::new(limit);
                    let mut all = Vec::new();
                    while let Some(request) = pages.next() {
                        let page = self.$page($($argument,)* &request).await?;
                        pages.advance(stringify!($page), page.$items.len(), page.cursor)?;
                        all.extend(page.$items);
                    }
                    Ok(all)
                }
            )*
        }
    };
}

listings! {
    trace = spans: Span, get_trace(project: &str, trace_id: &str, near: Option<u64>);
    annotations = annotations: Annotation, get_annotations(project: &str, targets: &[Target], names: Option<&[String]>);
    datasets = datasets: Dataset, list_datasets(project: &str);
    versions = versions: crate::contract::Version, list_versions(project: &str, dataset: &DatasetRef);
    records = records: crate::contract::DatasetRecord, get_dataset(project: &str, dataset: &DatasetRef, version: Option<&str>);
    experiments = experiments: Experiment, list_experiments(project: &str, dataset: Option<&str>);
    runs = runs: Run, list_runs(project: &str, experiment: &str);
    projects = projects: Project, list_projects();
    sessions = sessions: crate::contract::Session, list_sessions(project: &str, window: TimeWindow);
    session_traces = traces: crate::contract::SessionTrace, get_session_traces(project: &str, session_id: &str);
}
