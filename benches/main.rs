//! What Roost costs, beside the same done without it: `make bench`.
//!
//! Each comparison is one step of the way from an application to its backend, so that a
//! loss can be traced to where it is made. All of them are in one binary, since linking
//! wasmtime takes longer than running them. `BENCHMARKS.md` tells how to read the table
//! that is printed at the end.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has to stop")]

mod bare;
mod call;
mod chat;
mod instance;
mod load;
mod native;
mod provoker;
mod reading;
mod record;
mod replay;
mod report;
mod service;
mod spans;
mod swap;
mod written;

use anyhow::Result;
use criterion::Criterion;

use report::Report;

fn main() -> Result<()> {
    let runtime = roost::plugin::runtime_builder().build()?;
    let mut report = Report::new(Criterion::default().configure_from_args());
    call::compare(&mut report, &runtime)?;
    instance::compare(&mut report, &runtime)?;
    load::compare(&mut report, &runtime)?;
    swap::compare(&mut report, &runtime)?;
    record::compare(&mut report)?;
    spans::compare(&mut report, &runtime)?;
    reading::compare(&mut report, &runtime)?;
    report.print();
    Ok(())
}
