//! Generated from `wit/` by `wit-bindgen`.

// Not ours: the macros write `unsafe` for the component's boundary.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::all, clippy::indexing_slicing)]

use crate::Echo;

wit_bindgen::generate!({
    path: "../../../wit",
    world: "minimal-provider",
    generate_all,
});

export!(Echo with_types_in self);
