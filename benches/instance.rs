//! The first call on a fresh instance: what a burst of calls costs that finds none warm.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use roost_tests::phoenix_provider;
use tokio::runtime::Runtime;
use wasmtime::component::Component;

use crate::bare::{self, Prepared};
use crate::call::{ENDPOINT, SESSION, config};
use crate::report::{Comparison, Report, Target};
use crate::service::Service;

pub(crate) fn compare(report: &mut Report, runtime: &Runtime) -> Result<()> {
    // Every call has an instance of its own.
    let service = runtime.block_on(Service::start(ENDPOINT, "[limits]\ncalls_per_instance = 1"))?;
    let provider = service.provider()?;
    let project = service.project()?;

    let engine = bare::engine(service.cache_folder())?;
    let component = Component::new(&engine, fs::read(phoenix_provider()?)?)?;
    let prepared = Prepared::new(&engine, &component)?;
    let config = config();

    let roost = |times| {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..times {
                let found = provider.session_attributes(&project, SESSION).await;
                black_box(found.unwrap());
            }
            began.elapsed()
        })
    };
    report.compare(
        Comparison {
            name: "a fresh instance: instantiate, initialize, a call, drop",
            baseline: "wasmtime, the same",
            target: Target::None,
            turn: 20,
            samples: 100,
            time: Duration::from_secs(5),
        },
        roost,
        |times| {
            runtime.block_on(async {
                let began = Instant::now();
                for _ in 0..times {
                    let mut instance = prepared.instantiate().await.unwrap();
                    instance.initialize(&config).await.unwrap();
                    let found = instance.session_attributes(&project, SESSION).await;
                    black_box(found.unwrap());
                }
                began.elapsed()
            })
        },
    );
    report.compare(
        Comparison {
            name: "the same, beside its beginning",
            baseline: "wasmtime, instantiate, drop",
            target: Target::None,
            turn: 20,
            samples: 100,
            time: Duration::from_secs(5),
        },
        roost,
        |times| {
            runtime.block_on(async {
                let began = Instant::now();
                for _ in 0..times {
                    black_box(prepared.instantiate().await.unwrap());
                }
                began.elapsed()
            })
        },
    );
    Ok(())
}
