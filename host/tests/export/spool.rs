//! Spans on disk: what is written there is sent, whatever happens in between.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roost::config::{BatchExportConfig, QueueFullPolicy, SpoolConfig};
use roost::export::{Origin, Pipeline, Protocol, SchemaUrls, Settlement, StartError};

use crate::encoded::{origin, spans};
use crate::fixture::{LONG, PROJECT, Resolver, project, span, until};
use crate::receiver::{Answer, Receiver, text};

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("roost-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config() -> BatchExportConfig {
    BatchExportConfig {
        on_queue_full: Some(QueueFullPolicy::Spool),
        export_timeout_millis: 200,
        schedule_delay_millis: 10,
        ..BatchExportConfig::default()
    }
}

fn start(config: &BatchExportConfig, folder: &Path, resolver: &Arc<Resolver>) -> Pipeline {
    let spool = SpoolConfig {
        folder: Some(folder.to_owned()),
        ..SpoolConfig::default()
    };
    Pipeline::start(config, &spool, Arc::clone(resolver) as _).unwrap()
}

fn wait(receipt: roost::export::Receipt) -> Settlement {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(receipt)
}

/// A backend that is away costs nothing but time, and its spans arrive once each, in order, as
/// they were.
#[test]
fn what_an_absent_backend_missed_is_sent_when_it_is_back() {
    let folder = Folder::new("away");
    let away = Receiver::away(Protocol::Grpc);
    let pipeline = start(&config(), &folder.0, &Resolver::to(&away));
    let acme = project("acme");
    let sender = origin(&[("host.name", "web-1")], "library");
    let urls = SchemaUrls {
        resource: "https://opentelemetry.io/schemas/1.26.0".to_owned(),
        spans: "https://opentelemetry.io/schemas/1.27.0".to_owned(),
    };
    let (resource, scope) = (sender.resource().clone(), sender.scope().clone());
    let sender = Arc::new(Origin::with_schema_urls(resource, scope, urls));
    let mut names = vec![];
    for n in 0..20 {
        let name = format!("{n:02}");
        let receipt = pipeline
            .ingest(spans(&acme, &sender, &[name.as_str()]))
            .unwrap();
        let settlement = wait(receipt);
        assert_eq!((settlement.spooled, settlement.dropped.total()), (1, 0));
        names.push(name);
    }
    let stats = acme.stats();
    assert_eq!((stats.created, stats.spooled, stats.queued), (20, 20, 0));

    let receiver = away.come(|_, _| Answer::Taken);
    until(&pipeline, |stats| stats.delivered == 20);
    let stats = acme.stats();
    assert_eq!(
        (stats.delivered, stats.spooled, stats.dropped.total()),
        (20, 0, 0)
    );
    let received = receiver.received();
    let arrived: Vec<_> = received
        .iter()
        .flat_map(|r| r.spans())
        .map(|s| s.name.clone())
        .collect();
    assert_eq!(arrived, names, "in order");
    let group = &received[0].request.resource_spans[0];
    let resource = &group.resource.as_ref().unwrap().attributes;
    assert_eq!(text(resource, "host.name").unwrap(), "web-1");
    assert_eq!(text(resource, PROJECT).unwrap(), "acme-search");
    assert_eq!(group.scope_spans[0].scope.as_ref().unwrap().name, "library");
    assert!(group.schema_url.ends_with("1.26.0"));
    assert!(group.scope_spans[0].schema_url.ends_with("1.27.0"));
    // What comes now goes its usual way, and nothing is left on disk.
    span(&pipeline, &acme, "after");
    until(&pipeline, |stats| stats.delivered == 21);
    drop(pipeline);
}

/// A backend is away for twenty times as long as a span is tried, which by default are ten minutes,
/// under load. All that ended meanwhile is on disk, is sent when it is back, and is accounted for all
/// the while.
#[test]
fn a_long_absence_under_load_loses_nothing() {
    let folder = Folder::new("long");
    let away = Receiver::away(Protocol::Grpc);
    let config = config();
    let absence = config.export_timeout() * 20;
    let pipeline = start(&config, &folder.0, &Resolver::to(&away));
    let projects = ["acme", "globex"].map(project);
    let mut expected = vec![];
    let since = Instant::now();
    while since.elapsed() < absence {
        for project in &projects {
            let name = format!("{} {}", project.tenant_id(), expected.len());
            span(&pipeline, project, &name);
            expected.push(name);
        }
        std::thread::sleep(Duration::from_millis(5));
        let stats = pipeline.stats();
        assert_eq!((stats.delivered, stats.dropped.total()), (0, 0));
        assert_eq!(stats.created, expected.len() as u64);
    }
    until(&pipeline, |stats| stats.spooled == stats.created);

    let receiver = away.come(|_, _| Answer::Taken);
    until(&pipeline, |stats| stats.delivered == stats.created);
    expected.sort();
    assert_eq!(receiver.names(), expected, "each once");
    let stats = pipeline.stats();
    assert_eq!(
        (stats.spooled, stats.queued, stats.dropped.total()),
        (0, 0, 0)
    );
}

/// A queue that is full spills to disk instead of dropping; a shutdown leaves on disk what it
/// could not send; and the next process sends all of it, without the application.
#[test]
fn what_one_process_leaves_the_next_one_sends() {
    let folder = Folder::new("restart");
    let silent = Receiver::start(Protocol::Grpc, |_, _| Answer::Silence);
    let config = BatchExportConfig {
        max_queue_size: 64,
        max_export_batch_size: 16,
        export_timeout_millis: 30_000,
        ..config()
    };
    let pipeline = start(&config, &folder.0, &Resolver::to(&silent));
    let projects = ["acme", "globex"].map(project);
    let mut expected = vec![];
    for n in 0..500 {
        for project in &projects {
            let name = format!("{} {n:03}", project.tenant_id());
            span(&pipeline, project, &name);
            expected.push(name);
        }
    }
    let report = pipeline.shutdown_blocking(Duration::from_secs(4));
    assert_eq!((report.dropped, report.left), (0, 0), "{report:?}");
    let stats = pipeline.stats();
    assert_eq!(
        (stats.created, stats.spooled, stats.dropped.total()),
        (1_000, 1_000, 0)
    );
    drop(pipeline);

    let receiver = Receiver::willing(Protocol::HttpProtobuf);
    let config = BatchExportConfig::clone(&config);
    let pipeline = retry(|| {
        let spool = SpoolConfig {
            folder: Some(folder.0.clone()),
            ..SpoolConfig::default()
        };
        Pipeline::start(&config, &spool, Resolver::to(&receiver) as _)
    });
    until(&pipeline, |stats| stats.delivered == 1_000);
    expected.sort();
    assert_eq!(receiver.names(), expected, "each once");
    let stats = pipeline.project_stats().projects["globex-search"];
    assert_eq!(
        (stats.created, stats.delivered, stats.spooled),
        (500, 500, 0)
    );
}

/// The lock is free a moment after the last handle of a pipeline is gone.
fn retry(start: impl Fn() -> Result<Pipeline, StartError>) -> Pipeline {
    let since = Instant::now();
    loop {
        match start() {
            Ok(pipeline) => return pipeline,
            Err(error) if since.elapsed() > LONG => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// A spool that is full drops what is new, says so, and keeps what it has.
#[test]
fn a_full_spool_drops_and_counts() {
    let folder = Folder::new("full");
    let away = Receiver::away(Protocol::Grpc);
    let spool = SpoolConfig {
        folder: Some(folder.0.clone()),
        max_bytes: 1 << 20,
        ..SpoolConfig::default()
    };
    let pipeline = Pipeline::start(&config(), &spool, Resolver::to(&away) as _).unwrap();
    let acme = project("acme");
    let sender = origin(&[], "");
    let long = "x".repeat(10_000);
    let mut settled = (0, 0);
    for _ in 0..20 {
        let receipt = pipeline
            .ingest(spans(&acme, &sender, &[long.as_str(); 10]))
            .unwrap();
        let settlement = wait(receipt);
        settled.0 += settlement.spooled;
        settled.1 += settlement.dropped.spool_full;
    }
    assert_eq!(settled.0 + settled.1, 200);
    assert!(settled.0 >= 60 && settled.1 >= 80, "{settled:?}");
    let stats = pipeline.stats();
    assert_eq!((stats.spooled, stats.dropped.spool_full), settled);

    let receiver = away.come(|_, _| Answer::Taken);
    until(&pipeline, |stats| stats.delivered == settled.0);
    assert_eq!(receiver.names().len() as u64, settled.0);
    // And there is room again.
    span(&pipeline, &acme, "after");
    until(&pipeline, |stats| stats.delivered == settled.0 + 1);
}

/// A tenant that floods while its backend is away leaves room on disk for others, and keeps what
/// it has there.
#[test]
fn a_flood_leaves_room_on_disk_for_others() {
    let folder = Folder::new("share");
    let away = Receiver::away(Protocol::Grpc);
    let spool = SpoolConfig {
        folder: Some(folder.0.clone()),
        max_bytes: 1 << 20,
        ..SpoolConfig::default()
    };
    let pipeline = Pipeline::start(&config(), &spool, Resolver::to(&away) as _).unwrap();
    let sender = origin(&[], "");
    let long = "x".repeat(10_000);
    let spooled = |tenant: &str, spans_of_it: usize| {
        let names = vec![long.as_str(); spans_of_it];
        let sent = spans(&project(tenant), &sender, &names);
        let Settlement {
            spooled, dropped, ..
        } = wait(pipeline.ingest(sent).unwrap());
        assert_eq!(spooled + dropped.spool_full, names.len() as u64);
        spooled
    };
    let flood: u64 = (0..20).map(|_| spooled("flood", 10)).sum();
    let share = flood * 10_000;
    assert!((500_000..786_432).contains(&share), "{share} bytes");
    for n in 0..5 {
        assert_eq!(spooled(&format!("quiet {n}"), 2), 2);
    }
    assert!(pipeline.spool_is_good(), "it is full for one tenant only");

    let _receiver = away.come(|_, _| Answer::Taken);
    until(&pipeline, |stats| stats.delivered == flood + 10);
}

/// A backend that does not want a span on disk is not offered it for ever.
#[test]
fn what_is_rejected_leaves_the_disk() {
    let folder = Folder::new("rejected");
    let away = Receiver::away(Protocol::Grpc);
    let pipeline = start(&config(), &folder.0, &Resolver::to(&away));
    let sent = spans(&project("acme"), &origin(&[], ""), &["good", "bad", "fine"]);
    assert_eq!(wait(pipeline.ingest(sent).unwrap()).spooled, 3);
    let receiver = away.come(|received, _| {
        if received.has_span("bad") {
            Answer::Grpc(tonic::Code::InvalidArgument, vec![])
        } else {
            Answer::Taken
        }
    });
    until(&pipeline, |stats| stats.spooled == 0);
    let stats = pipeline.stats();
    assert_eq!((stats.delivered, stats.dropped.rejected), (2, 1));
    assert!(receiver.names().contains(&"good".to_owned()));
}

/// Two processes never share a spool: the second says so and does not start.
#[test]
fn a_spool_that_is_in_use_is_refused() {
    let folder = Folder::new("shared");
    let receiver = Receiver::willing(Protocol::Grpc);
    let _first = start(&config(), &folder.0, &Resolver::to(&receiver));
    let spool = SpoolConfig {
        folder: Some(folder.0.clone()),
        ..SpoolConfig::default()
    };
    let second = Pipeline::start(&config(), &spool, Resolver::to(&receiver) as _);
    let error = second.unwrap_err().to_string();
    assert!(error.contains("another process uses the spool"), "{error}");
}

/// The variable that makes a process of this test one that is killed.
const VICTIM: &str = "ROOST_TEST_SPOOL";

/// Takes spans in until it is killed, and says which are safe.
#[test]
#[ignore = "it is the process that the next test kills"]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else {
        return;
    };
    let nobody = Receiver::away(Protocol::Grpc);
    let config = BatchExportConfig {
        export_timeout_millis: 20,
        schedule_delay_millis: 1,
        ..config()
    };
    let pipeline = start(&config, Path::new(&folder), &Resolver::to(&nobody));
    let acme = project("acme");
    let sender = origin(&[("host.name", "victim")], "");
    for n in 0_u64.. {
        let names: Vec<_> = (0..3)
            .map(|m| format!("{}-{n}-{m}", std::process::id()))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let settlement = wait(pipeline.ingest(spans(&acme, &sender, &names)).unwrap());
        assert_eq!(settlement.spooled, 3, "{settlement:?}");
        println!("\nsafe {}", names.join(" "));
    }
}

/// A process that is killed at any moment loses nothing that it said was safe.
#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new("killed");
    let mut safe: HashSet<String> = HashSet::new();
    for round in 0..20 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "spool::victim"])
            .env(VICTIM, &folder.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut killed = false;
        let moment = rand::random_range(0..12);
        let mut seen = 0;
        // What it wrote before it died counts as said.
        for line in lines.map_while(Result::ok) {
            let Some(names) = line.strip_prefix("safe ") else {
                continue;
            };
            safe.extend(names.split(' ').map(str::to_owned));
            seen += 1;
            if seen > moment && !killed {
                std::thread::sleep(Duration::from_micros(rand::random_range(0..3_000)));
                victim.kill().unwrap();
                killed = true;
            }
        }
        victim.wait().unwrap();
        assert!(killed, "round {round}: the process ended by itself");
    }
    assert!(safe.len() >= 60, "{} spans", safe.len());

    let receiver = Receiver::willing(Protocol::Grpc);
    let pipeline = start(&config(), &folder.0, &Resolver::to(&receiver));
    until(&pipeline, |stats| {
        stats.created >= safe.len() as u64 && stats.spooled == 0
    });
    assert_eq!(pipeline.stats().dropped.total(), 0);
    let mut ids: HashMap<String, HashSet<Vec<u8>>> = HashMap::new();
    for request in receiver.received() {
        for span in request.spans() {
            ids.entry(span.name.clone())
                .or_default()
                .insert(span.span_id.clone());
        }
    }
    let lost: Vec<_> = safe
        .iter()
        .filter(|name| !ids.contains_key(*name))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(
        ids.values().all(|ids| ids.len() == 1),
        "a span that comes twice has one id"
    );
}
