//! Spans on their way out, beside others on the same way: `make bench-export`.
//!
//! Every client and every gateway is a process of its own, started anew for each round, so that
//! its CPU seconds, memory, threads and connections are its own; all of them send to one
//! receiver, a process too, that counts spans and keeps nothing. The parts are roles of this
//! binary: `export <role> ...`. `BENCHMARKS.md` tells how to read the tables.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has to stop")]

mod attributes;
mod gateway;
mod load;
mod pipeline;
mod process;
mod receiver;
mod roost_client;
mod sdk_client;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match role.as_str() {
        "receiver" => receiver::run(),
        "roost" => roost_client::run(&rest),
        "sdk" => sdk_client::run(&rest),
        "gateway" => gateway::run(&rest),
        "load" => load::run(&rest),
        // What cargo passes, or nothing.
        "" | "--bench" => {
            pipeline::compare()?;
            gateway::compare()
        }
        "pipeline" => pipeline::compare(),
        "gateways" => gateway::compare(),
        other => bail!("no such role: {other}"),
    }
}
