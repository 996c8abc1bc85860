//! Generated from `wit/` by `wit-bindgen`, with what a curious guest may import besides.

// Not ours: the macros write `unsafe` for the component's boundary.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::all, clippy::indexing_slicing)]

use crate::Misdeeds;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package roost:misdeeds;
        world misdeeds {
            include roost:telemetry/minimal-provider@0.1.0;
            import wasi:cli/environment@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
        }
    ",
    world: "roost:misdeeds/misdeeds",
    generate_all,
});

export!(Misdeeds with_types_in self);
