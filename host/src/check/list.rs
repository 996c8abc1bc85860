//! All rules. `docs/conformance.md` is made of this list.

use super::rule::Rule;
use super::{
    analytics, annotations, datasets, experiments, listing, predicates, projects, provider, runs,
    sessions, sink, traces,
};
use crate::contract::Capability::{
    AnalyticsStore, AnnotationStore, DatasetStore, ExperimentStore, ProjectStore, SessionStore,
    SpanSink, TraceStore,
};

/// The rule that fails where spans are written and cannot be read.
pub(super) const FIRST: &str = "traces.written";

/// Writes a rule a line: its id, the function that tries it, what it needs, whether it reads the
/// corpus, what a good provider does, and the sentence of the contract.
macro_rules! rules {
    ($($id:literal $module:ident::$function:ident [$($needs:ident)*] $reads:literal
        $title:literal $contract:literal)*) => {
        /// What the contract asks of a provider, in the order in which it is tried.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id,
            title: $title,
            contract: $contract,
            needs: &[$($needs),*],
            reads_spans: $reads,
            run: |trial| Box::pin($module::$function(trial)),
        }),*];
    };
}

rules! {
    "provider.name" provider::name [] false
        "has a name and a version in the form that the contract asks for"
        "The backend's short name in lower case, such as `phoenix`: letters, digits and hyphens."
    "provider.summary" provider::summary [] false
        "says in a sentence which backend it is for"
        "One sentence: which backend this is for and what it can do."
    "provider.describe" provider::describes_itself_alike [] false
        "describes itself alike each time, and reaches nothing for it"
        "It reaches nothing and gives the same answer always"
    "provider.settings" provider::settings [] false
        "says of each setting what it is for and of which type, with defaults that fit"
        "The host checks the operator's configuration against it, and shows the `title`, `description` and `default` of each property."
    "provider.secrets" provider::secrets [] false
        "says of each secret how it is presented"
        "How each secret of the schema is presented to the backend."
    "provider.health" provider::health [] false
        "says that its backend is reached and takes the credential"
        "Whether the backend accepts the configured credential (also true where it wants none)."
    "provider.away" provider::away [] false
        "says `unavailable` or `timeout` of a backend that is away"
        "`unavailable` or `timeout` when it cannot be reached."
    "provider.export" provider::span_export [] false
        "says where spans go, and can be taken at its word"
        "Where the spans of `project` go."
    "provider.session" provider::session_attributes [] false
        "says what makes a span part of a session, and reaches nothing for it"
        "What a span of `project` must carry to belong to the session `session-id`, such as `session.id`. It reaches nothing."
    "provider.trace-url" provider::trace_url [TraceStore] true
        "names the page of a trace, or none"
        "Where a person opens a trace of `project` in the backend's own pages; none if the backend has none."

    "traces.written" traces::written [TraceStore] true
        "returns each span that was written, with its ids, names, kinds, status and times"
        "The spans that answer `query`, one page of them."
    "traces.attributes" traces::attributes [TraceStore] true
        "returns attributes with their types, each key once, without the kind"
        "Its attributes, each key once, without the kind."
    "traces.large" traces::large [TraceStore] true
        "returns a text of 100,000 characters whole"
        "One span of a project, whole."
    "traces.events" traces::events [TraceStore] true
        "returns events in the order of time, if the backend keeps them"
        "Its events, in the order of time; empty where not asked for or not kept."
    "traces.window" listing::window [TraceStore] true
        "has the start of a window in it and the end not"
        "A stretch of time: `start` is in it, `end` is not."
    "traces.empty-window" listing::empty_window [TraceStore] true
        "answers an empty window with no spans and no error"
        "Spans that began inside this window. Applied exactly."
    "traces.pages" listing::pages [TraceStore] true
        "returns each span once, whatever the size of pages, and no page above its limit"
        "The most items to return; at least 1."
    "traces.pages-stand-still" listing::pages_stand_still [TraceStore] true
        "goes on with a listing while others write"
        "A span must not appear on two pages of one listing, nor be left out, because others are written meanwhile."
    "traces.cursor" listing::cursor_of_another_instance [TraceStore] true
        "understands a cursor that another instance has made"
        "A cursor must mean the same to every instance of the provider, also to one of a newer version"
    "traces.wrong-cursor" listing::foreign_cursor [TraceStore] true
        "refuses a cursor that is none"
        "`not-found` for a project that does not exist; `invalid-argument` for a cursor or a value that cannot be understood."
    "traces.order" listing::order [TraceStore] true
        "keeps the order that its pages claim to follow"
        "Whether the pages follow `span-query.order`."
    "traces.roots" listing::roots [TraceStore] true
        "returns roots alone when they are asked for"
        "Only spans without a parent id. Applied exactly."
    "traces.predicates" predicates::applied [TraceStore] true
        "applies what it claims to have applied, and leaves out nothing that fits"
        "The places (from 0) of those predicates that every returned span is known to fit and that no other span of the window fits, so that the host need not look again."
    "traces.projection" traces::projection [TraceStore] true
        "returns ids, name, kind, status and times also when few columns are asked for"
        "What of each span is wanted. Ids, name, kind, status and times always are."
    "traces.records" traces::arrow [TraceStore] true
        "returns records unless Arrow is accepted"
        "Whether `span-batch.arrow` may be returned."
    "traces.span" traces::one_span [TraceStore] true
        "finds a span by its ids, and says `not-found` of one that is not there"
        "`not-found` for a project or a span that does not exist;"
    "traces.trace" traces::one_trace [TraceStore] true
        "finds the spans of a trace, and says `not-found` of one without any"
        "`not-found` for a project that does not exist, and for a trace without a span in it."
    "traces.unknown-project" traces::unknown_project [TraceStore] true
        "says `not-found` of a project that does not exist"
        "What was asked for does not exist: names it."
    "traces.other-project" traces::other_project [TraceStore] true
        "stays in the project that is named"
        "what bears such an id and belongs to another project is treated as not there, for reading, writing and deleting alike."

    "sink.accepted" sink::counted [SpanSink TraceStore] false
        "accepts or rejects each span, and has what it accepted"
        "When it returns, the accepted spans are safe. Every span is either accepted or rejected."
    "sink.again" sink::again [SpanSink TraceStore] false
        "takes a span a second time without having it twice"
        "A span it already had counts: sending a batch again must be safe."

    "annotations.written" annotations::written [AnnotationStore TraceStore] true
        "returns an annotation as it was written, at once"
        "Write annotations. When it returns, they can be read."
    "annotations.replaced" annotations::replaced [AnnotationStore TraceStore] true
        "replaces what is written again"
        "Writing the same target, name and identifier again replaces what was there, so a repeated call makes no duplicate."
    "annotations.identifiers" annotations::identifiers [AnnotationStore TraceStore] true
        "keeps identifiers apart, and returns ids in the order of the list"
        "Returned are their ids, in the order of the list."
    "annotations.names" annotations::names [AnnotationStore TraceStore] true
        "returns those of the names that are asked for"
        "With `names`, only annotations of those names are wanted."
    "annotations.pages" annotations::pages [AnnotationStore TraceStore] true
        "returns each annotation once, whatever the size of pages"
        "The annotations of some targets, one page of them."
    "annotations.unknown" annotations::unknown_target [AnnotationStore TraceStore] true
        "says `not-found` when it cannot write, and reads nothing of what is not there"
        "a target without an annotation, or that does not exist, adds nothing."
    "annotations.partial" annotations::partial [AnnotationStore TraceStore] true
        "says which of a batch were written and which were not"
        "`not-found` for a target that does not exist, when none was written; `partial` when some were;"
    "annotations.deleted" annotations::deleted [AnnotationStore TraceStore] true
        "deletes what is named and nothing else, once or twice"
        "What is not there is no error, so that a repeated call ends the same."
    "annotations.targets" annotations::traces_and_sessions [AnnotationStore TraceStore] true
        "annotates traces and sessions, or says that it does not"
        "`unsupported` for a kind of target the backend cannot annotate."
    "annotations.other-project" annotations::other_project [AnnotationStore TraceStore] true
        "neither writes, reads nor deletes annotations of another project"
        "A call stays in the project it names."

    "datasets.created" datasets::created [DatasetStore] false
        "returns a dataset as it was created, by id and by name"
        "Create a dataset. When it returns, it can be read."
    "datasets.taken" datasets::taken_name [DatasetStore] false
        "refuses a name that is taken"
        "`conflict` when the project has a dataset of that name;"
    "datasets.pages" datasets::pages [DatasetStore] false
        "returns records in the order they were added, whatever the size of pages"
        "The records of a dataset in the order they were added, one page of them;"
    "datasets.appended" datasets::appended [DatasetStore] false
        "adds records behind those that are there"
        "Returned is the dataset with the version that was made, or with the newest where nothing was new."
    "datasets.versions" datasets::versions [DatasetStore] false
        "makes a version for what is added, and keeps those before"
        "Add records, which makes a new version;"
    "datasets.keys" datasets::keys [DatasetStore] false
        "replaces the record of a key"
        "Appending a record with a key that is there replaces that record."
    "datasets.large" datasets::large [DatasetStore] false
        "keeps a record of 80,000 bytes whole"
        "What the task is given: a JSON object."
    "datasets.listed" datasets::listed [DatasetStore] false
        "lists a project's datasets, newest first, each once"
        "The datasets of a project, newest first, one page of them."
    "datasets.unknown" datasets::unknown [DatasetStore] false
        "says `not-found` of a dataset that does not exist"
        "`not-found` for a dataset that does not exist."
    "datasets.deleted" datasets::deleted [DatasetStore] false
        "deletes a dataset, whose name is free then"
        "Delete a dataset with all its versions."
    "datasets.other-project" datasets::other_project [DatasetStore] false
        "keeps the datasets of projects apart, also those of one name"
        "Every dataset belongs to a project, and a project sees only its own, also where the backend has one name space for all"

    "experiments.created" experiments::created [ExperimentStore] false
        "returns an experiment as it was created, running"
        "Create an experiment; its status is `running`."
    "experiments.runs" runs::runs [ExperimentStore] false
        "returns runs as they were written, in that order"
        "The runs of an experiment in the order they were written, one page of them."
    "experiments.metrics" experiments::metrics [ExperimentStore] false
        "keeps every value of a metric, and lists the last"
        "The metrics of the experiment itself in the order they were written, so that the last one of a name counts. A listing holds only that one."
    "experiments.run-metrics" runs::metrics_of_runs [ExperimentStore] false
        "keeps the metrics of runs"
        "Write metrics of a run, or of the experiment itself when `run-id` is none."
    "experiments.evaluations" runs::evaluations [ExperimentStore] false
        "keeps the last evaluation of a name"
        "Write an evaluation of a run. The same name on the same run replaces what was there."
    "experiments.names" runs::names_are_one_thing [ExperimentStore] false
        "lets a name be a metric or an evaluation of a run, and not both"
        "`conflict` for the name of a metric of that run."
    "experiments.summary" runs::summary [ExperimentStore] false
        "counts and averages what the runs got"
        "What its runs got, by name."
    "experiments.finished" experiments::finished [ExperimentStore] false
        "keeps how an experiment ended"
        "Set how an experiment ended."
    "experiments.dataset" runs::over_a_dataset [ExperimentStore] false
        "runs over the records of a dataset, each repetition once"
        "`conflict` when that record and repetition has a run that ended well; `invalid-argument` for a repetition that the experiment does not have;"
    "experiments.failed-runs" runs::failed_runs_are_replaced [ExperimentStore] false
        "replaces a run that failed"
        "It replaces a run of the same record and repetition that ended with an error."
    "experiments.listed" experiments::listed [ExperimentStore] false
        "lists a project's experiments, newest first, each once"
        "The experiments of a project, newest first, one page of them;"
    "experiments.unknown" experiments::unknown [ExperimentStore] false
        "says `not-found` of an experiment that does not exist"
        "`not-found` for an experiment that does not exist."
    "experiments.other-project" experiments::other_project [ExperimentStore] false
        "keeps the experiments of projects apart"
        "Every experiment belongs to a project, as datasets do."
    "experiments.deleted" experiments::deleted [ExperimentStore] false
        "deletes an experiment with its runs"
        "Delete an experiment with its runs."

    "analytics.whole" analytics::whole [AnalyticsStore TraceStore] true
        "computes what the host would compute from its spans, or says `unsupported`"
        "What a provider does not answer the host computes from spans, so both must mean the same."
    "analytics.window" analytics::window [AnalyticsStore TraceStore] true
        "counts a span into a window by its start"
        "A span counts into a window by its start."
    "analytics.groups" analytics::buckets_and_groups [AnalyticsStore TraceStore] true
        "has a value for each bucket and group with spans, and no others"
        "The values, one for each metric, bucket and group that has spans."
    "analytics.nothing" analytics::nothing [AnalyticsStore TraceStore] true
        "has sums of 0 and no means where there are no spans"
        "counts and sums are 0 then, and the others none."
    "analytics.unknown-project" analytics::unknown_project [AnalyticsStore] false
        "says `not-found` of a project that does not exist"
        "`not-found` for a project that does not exist; `unsupported` for a metric, a bucket or a group the backend does not aggregate by itself"

    "projects.ensured" projects::ensured [ProjectStore] false
        "makes a project once, and returns it as it is"
        "The project of this name, created if it is not there. An existing one is returned as it is."
    "projects.listed" projects::listed [ProjectStore] false
        "lists each project once, whatever the size of pages"
        "The projects that the credential sees, one page of them."
    "projects.deleted" projects::deleted [ProjectStore] false
        "deletes a project, which is not found then"
        "Delete a project and everything in it."
    "projects.traces-deleted" projects::spans_by_trace [ProjectStore TraceStore] true
        "deletes the spans of some traces, and no others"
        "Those of the traces with these ids, at most `limits.max-batch-items`. A trace that is not there is no error."
    "projects.old-deleted" projects::spans_by_age [ProjectStore TraceStore] true
        "deletes the spans of traces that began before an instant"
        "Those of traces that began before this instant."
    "projects.other-project" projects::spans_of_others [ProjectStore TraceStore] true
        "deletes no spans of another project"
        "Delete spans of a project, with their annotations."

    "sessions.listed" sessions::listed [SessionStore TraceStore] true
        "lists sessions by the application's ids, latest start first"
        "The id that the application gave it."
    "sessions.window" sessions::window [SessionStore TraceStore] true
        "lists the sessions of which a trace began inside the window"
        "The sessions of a project of which some trace began inside the window, latest start first, one page of them."
    "sessions.traces" sessions::traces [SessionStore TraceStore] true
        "lists the traces of a session, oldest first"
        "The traces, oldest first."
    "sessions.unknown" sessions::unknown [SessionStore TraceStore] true
        "says `not-found` of a project or a session that does not exist"
        "`not-found` for a project or a session that does not exist."
    "sessions.other-project" sessions::other_project [SessionStore TraceStore] true
        "keeps sessions of one id in two projects apart"
        "Sessions of two projects must never meet"
}
