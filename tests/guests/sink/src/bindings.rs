//! Generated from `wit/` by `wit-bindgen`.

// Not ours: the macros write `unsafe` for the component's boundary.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::all, clippy::indexing_slicing)]

use crate::Sink;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package roost:sink;

        world sink {
            include roost:telemetry/minimal-provider@0.1.0;
            export roost:telemetry/span-sink@0.1.0;
        }
    ",
    world: "roost:sink/sink",
    generate_all,
});

export!(Sink with_types_in self);
