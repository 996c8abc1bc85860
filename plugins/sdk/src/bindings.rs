//! Generated from `wit/` by `wit-bindgen`: the types of the contract, and what a provider
//! may import. The modules in front of it (`http`, `time`) are the comfortable way to the
//! imports; this one is for what they leave out.

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
        package roost:provider;

        world sdk {
            include roost:telemetry/imports@0.1.0;
            import roost:telemetry/types@0.1.0;
        }
    ",
    world: "roost:provider/sdk",
    generate_all,
});
