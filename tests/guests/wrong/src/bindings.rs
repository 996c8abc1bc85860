//! Generated from `wit/`: the interfaces of `plugins/local`, exported by [`Wrong`](crate::Wrong).

// Not ours: the generator writes `unsafe` for the canonical ABI, and wrappers without
// documentation.
#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::restriction
)]

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package roost:wrong;

        world wrong {
            export roost:telemetry/telemetry-provider@0.1.0;
            export roost:telemetry/trace-store@0.1.0;
            export roost:telemetry/annotation-store@0.1.0;
            export roost:telemetry/analytics-store@0.1.0;
            export roost:telemetry/dataset-store@0.1.0;
            export roost:telemetry/experiment-store@0.1.0;
            export roost:telemetry/project-store@0.1.0;
            export roost:telemetry/session-store@0.1.0;
            export roost:telemetry/span-sink@0.1.0;
        }
    ",
    world: "roost:wrong/wrong",
    with: { "roost:telemetry/types@0.1.0": roost_provider::types },
});

pub(crate) use self::exports::roost::telemetry::{
    analytics_store, annotation_store, dataset_store, experiment_store, project_store,
    session_store, span_sink, telemetry_provider, trace_store,
};

export!(Wrong);

use crate::Wrong;
