//! The contract of `wit/` in Rust: the generated types under plain names, and the
//! errors that calls across it end in.

mod bindings;
