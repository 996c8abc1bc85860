//! A Roost provider: it translates the contract in `wit/deps/roost-telemetry` to the HTTP of a
//! backend. This one is for the practice service of `roost`; `service` is what to change first.
//!
//! `provider` says what it is, `traces` reads spans and `sink` writes them: a file an interface.
//! Add an interface of the contract to `wit/world.wit`, and the compiler asks for its functions.

mod http;
mod provider;
mod service;
mod sink;
mod span;
mod traces;

wit_bindgen::generate!({
    path: "wit",
    world: "provider",
    generate_all,
});

/// What exports the interfaces.
struct Provider;

export!(Provider);
