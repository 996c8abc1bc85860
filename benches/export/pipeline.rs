//! Spans that a service makes: how many a second arrive, and what that takes.

use std::process::Command;

use anyhow::Result;

use crate::process::{Process, Usage, median};
use crate::receiver::Receiver;

const ROUNDS: usize = 3;

/// A way to make and send spans.
struct Way {
    name: &'static str,
    kind: Kind,
    tenants: usize,
    spans: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Roost,
    Rust,
    Python,
}

/// What one round came to.
#[derive(Clone, Copy)]
struct Round {
    seconds: f64,
    usage: Usage,
    arrived: u64,
    connections: u64,
    requests: u64,
}

const WAYS: [Way; 6] = [
    Way {
        name: "Roost, 1 tenant",
        kind: Kind::Roost,
        tenants: 1,
        spans: 1_000_000,
    },
    Way {
        name: "Roost, 100 tenants",
        kind: Kind::Roost,
        tenants: 100,
        spans: 1_000_000,
    },
    Way {
        name: "Roost, 1,000 tenants",
        kind: Kind::Roost,
        tenants: 1_000,
        spans: 1_000_000,
    },
    Way {
        name: "opentelemetry-rust, 1 provider",
        kind: Kind::Rust,
        tenants: 1,
        spans: 400_000,
    },
    Way {
        name: "opentelemetry-rust, 100 providers",
        kind: Kind::Rust,
        tenants: 100,
        spans: 400_000,
    },
    Way {
        name: "Python SDK, 100 providers",
        kind: Kind::Python,
        tenants: 100,
        spans: 20_000,
    },
];

pub(crate) fn compare() -> Result<()> {
    let mut receiver = Receiver::start()?;
    let mut rounds: Vec<Vec<Round>> = WAYS.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (way, rounds) in WAYS.iter().zip(&mut rounds) {
            rounds.push(way.run(&mut receiver)?);
        }
    }
    println!(
        "\n| who sends | spans/s | lost | CPU s per million | peak MiB | threads | connections | spans a request |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (way, rounds) in WAYS.iter().zip(&rounds) {
        let of = |what: &dyn Fn(&Round) -> f64| median(rounds.iter().map(what).collect());
        println!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
            way.name,
            of(&|round| way.spans as f64 / round.seconds),
            of(&|round| (way.spans - round.arrived) as f64),
            of(&|round| round.usage.cpu_seconds / way.spans as f64 * 1e6),
            of(&|round| round.usage.peak_mib),
            of(&|round| round.usage.threads as f64),
            of(&|round| round.connections as f64),
            of(&|round| round.arrived as f64 / round.requests as f64),
        );
    }
    println!("\n| what a span costs the thread that makes it | ns |");
    println!("|---|--:|");
    for way in WAYS.iter().filter(|way| way.kind != Kind::Python) {
        let costs = (0..ROUNDS).map(|_| way.cost(&receiver));
        println!(
            "| {} | {:.0} |",
            way.name,
            median(costs.collect::<Result<_>>()?)
        );
    }
    Ok(())
}

impl Way {
    fn start(&self, receiver: &Receiver, spans: u64) -> Result<Process> {
        let (endpoint, tenants, spans) = (
            receiver.endpoint(),
            self.tenants.to_string(),
            spans.to_string(),
        );
        let arguments = [endpoint.as_str(), tenants.as_str(), spans.as_str()];
        match self.kind {
            Kind::Roost => Process::role("roost", &arguments),
            Kind::Rust => Process::role("sdk", &arguments),
            Kind::Python => {
                let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
                let mut python = Command::new(format!("{root}/.venv/client/bin/python"));
                python.arg(format!("{root}/benches/export/export_spans.py"));
                Process::start(python.args(arguments))
            }
        }
    }

    fn run(&self, receiver: &mut Receiver) -> Result<Round> {
        receiver.arrived()?;
        let mut client = self.start(receiver, self.spans)?;
        client.read()?;
        let before = client.usage()?;
        let (seconds, threads) = client.ask_watched("go")?;
        let after = client.usage()?;
        let arrived = receiver.arrived()?;
        Ok(Round {
            seconds: seconds.parse()?,
            usage: Usage {
                cpu_seconds: after.cpu_seconds - before.cpu_seconds,
                threads,
                ..after
            },
            arrived: arrived.spans,
            connections: arrived.connections,
            requests: arrived.requests,
        })
    }

    fn cost(&self, receiver: &Receiver) -> Result<f64> {
        Ok(self.start(receiver, 0)?.read()?.parse()?)
    }
}
