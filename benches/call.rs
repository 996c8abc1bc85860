//! A call that does next to nothing: what is left is the way into the guest and back.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use roost_tests::phoenix_provider;
use tokio::runtime::Runtime;
use wasmtime::component::Component;

use crate::bare::{self, Prepared};
use crate::report::{Comparison, Report, Target};
use crate::service::Service;

/// Nobody is asked for an address here.
pub(crate) const ENDPOINT: &str = "http://127.0.0.1:6006";
pub(crate) const SESSION: &str = "3f6c1b52-session";

pub(crate) fn compare(report: &mut Report, runtime: &Runtime) -> Result<()> {
    let service = runtime.block_on(Service::start(ENDPOINT, ""))?;
    let provider = service.provider()?;
    let project = service.project()?;

    let engine = bare::engine(service.cache_folder())?;
    let component = Component::new(&engine, fs::read(phoenix_provider()?)?)?;
    let prepared = Prepared::new(&engine, &component)?;
    let mut instance = runtime.block_on(async {
        let mut instance = prepared.instantiate().await?;
        instance.initialize(&config()).await?;
        anyhow::Ok(instance)
    })?;

    report.compare(
        Comparison {
            name: "a call on a warm instance",
            baseline: "wasmtime, the typed call",
            target: Target::More(Duration::from_micros(3)),
            turn: 200,
            samples: 100,
            time: Duration::from_secs(5),
        },
        |times| {
            runtime.block_on(async {
                let began = Instant::now();
                for _ in 0..times {
                    let found = provider.session_attributes(&project, SESSION).await;
                    black_box(found.unwrap());
                }
                began.elapsed()
            })
        },
        |times| {
            runtime.block_on(async {
                let began = Instant::now();
                for _ in 0..times {
                    let found = instance.session_attributes(&project, SESSION).await;
                    black_box(found.unwrap());
                }
                began.elapsed()
            })
        },
    );
    Ok(())
}

/// The configuration as Roost hands it to the guest.
pub(crate) fn config() -> String {
    format!(r#"{{"http_endpoint":"{ENDPOINT}"}}"#)
}
