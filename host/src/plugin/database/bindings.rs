//! Generated from `wit/database.wit`: the one interface of the contract that the host offers
//! to providers itself.

// Not ours: the macro writes `unsafe` for function types it has checked itself, and
// wrappers without documentation.
#![allow(missing_docs, unreachable_pub, unsafe_code)]

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package roost:host;

        world database {
            import roost:telemetry/database@0.1.0;
        }
    ",
    world: "roost:host/database",
    imports: { default: async | trappable },
    with: {
        "roost:telemetry/database.connection": super::guest::Opened,
        "roost:telemetry/database.transaction": super::guest::Begun,
    },
    additional_derives: [PartialEq],
});

// A test of the documentation has the crate by that name, too.
pub use self::roost::telemetry::database::*;
