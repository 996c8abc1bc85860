//! Generated from `wit/` by wasmtime's `bindgen!`. Each exported interface has a
//! `GuestIndices` that is looked up once a component and a `Guest` that is loaded
//! once an instance; since a provider exports only what its backend has, the whole
//! world is never instantiated at once.

// Not ours: the macro writes `unsafe` for function types it has checked itself, and
// wrappers without documentation.
#![allow(missing_docs, unreachable_pub, unsafe_code)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "provider",
    exports: { default: async },
    with: {
        "wasi:cli": wasmtime_wasi::p2::bindings::cli,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:http": wasmtime_wasi_http::p2::bindings::http,
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:random": wasmtime_wasi::p2::bindings::random,
    },
    additional_derives: [PartialEq, serde::Deserialize, serde::Serialize],
});
