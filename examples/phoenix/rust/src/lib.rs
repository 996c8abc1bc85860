//! A provider for Arize Phoenix: spans in over OTLP, which the host speaks; spans out, and annotations
//! of spans. A file an interface: `provider`, `traces`, `annotations`.

mod annotations;
mod http;
mod provider;
mod service;
mod span;
mod times;
mod traces;

wit_bindgen::generate!({
    path: "wit",
    world: "provider",
    generate_all,
});

/// What exports the interfaces.
struct Provider;

export!(Provider);
