//! Generated from `wit/`: the interfaces this provider exports.

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
    path: "../../wit",
    inline: "
        package roost:langfuse;

        world langfuse {
            export roost:telemetry/telemetry-provider@0.1.0;
            export roost:telemetry/trace-store@0.1.0;
            export roost:telemetry/annotation-store@0.1.0;
            export roost:telemetry/dataset-store@0.1.0;
            export roost:telemetry/project-store@0.1.0;
            export roost:telemetry/session-store@0.1.0;
        }
    ",
    world: "roost:langfuse/langfuse",
    with: { "roost:telemetry/types@0.1.0": roost_provider::types },
});

pub(crate) use self::exports::roost::telemetry::{
    annotation_store, dataset_store, project_store, session_store, telemetry_provider, trace_store,
};

export!(Provider);

use crate::Provider;
