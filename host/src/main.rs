//! roost
fn main() {}
