//! More tenants than the manager remembers.

use std::collections::{BTreeMap, BTreeSet};

use roost::export::Protocol;
use roost::manager::ProjectOverrides;

use crate::fixture::Application;
use crate::receiver::{Receiver, text};

const TENANTS: usize = 300;
const THREADS: usize = 4;
const ROUNDS: usize = 5;

/// Each span is made for a tenant that was forgotten since its last one, and arrives all the same,
/// once, with the others of its project.
#[test]
fn tenants_that_are_forgotten_all_the_time_lose_nothing() {
    let application = Application::start(
        "max_cached_tenants = 10\n\
         batch_config.max_queue_size = 10_000\n",
    );
    let telemetry = &application.telemetry;
    let tenants: Vec<_> = (0..TENANTS).map(|n| format!("tenant-{n}")).collect();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for tenant in (0..ROUNDS).flat_map(|_| &tenants) {
                    telemetry.span("work", tenant).in_scope(|_| ());
                }
            });
        }
    });
    let of_each = (ROUNDS * THREADS) as u64;
    let all = of_each * TENANTS as u64;
    let mut arrived = BTreeMap::<_, u64>::new();
    let mut ids = BTreeSet::new();
    for seen in application.spans() {
        *arrived.entry(seen.project).or_default() += 1;
        ids.insert(seen.span.span_id);
    }
    assert_eq!((arrived.len(), ids.len() as u64), (TENANTS, all));
    assert!(
        arrived.values().all(|spans| *spans == of_each),
        "{arrived:?}"
    );

    let stats = telemetry.get_stats();
    assert_eq!((stats.spans.created, stats.spans.delivered), (all, all));
    assert_eq!(stats.cached_tenants, 10);
    assert_eq!(stats.cache_hits + stats.cache_misses, all);
    assert!(stats.cache_misses >= TENANTS as u64);
    assert_eq!(stats.projects.len(), TENANTS);
    assert!(stats.projects.values().all(|of| of.delivered == of_each));
    for received in application.requests() {
        let groups = received.request.resource_spans;
        let projects = groups.iter().map(|group| {
            let resource = group.resource.as_ref().unwrap();
            text(&resource.attributes, "openinference.project.name")
        });
        let projects: BTreeSet<_> = projects.collect();
        assert_eq!(groups.len(), projects.len(), "a project is in one place");
    }
}

/// What is known of a project outlives its being forgotten, but not its being given another
/// endpoint.
#[test]
fn a_project_that_is_registered_goes_another_way_at_once() {
    let application = Application::start("");
    let telemetry = &application.telemetry;
    let other = Receiver::willing(Protocol::Grpc);
    telemetry.span("before", "acme").in_scope(|_| ());
    assert_eq!(application.names(), ["before"]);
    let service = telemetry.config().telemetry.service_name.clone();
    let overrides = ProjectOverrides {
        otlp_endpoint: Some(other.endpoint()),
        ..ProjectOverrides::default()
    };
    telemetry
        .register_project("acme", &service, overrides)
        .unwrap();
    telemetry.span("after", "acme").in_scope(|_| ());
    telemetry.span("elsewhere", "globex").in_scope(|_| ());
    assert_eq!(application.names(), ["before", "elsewhere"]);
    assert_eq!(other.names(), ["after"]);
}
