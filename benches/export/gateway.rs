//! Gateways between applications and the receiver: what forwarding a span takes.

use std::fs::read_dir;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use roost::serve::Gateway;
use roost::{Config, TelemetryManager};

use crate::load::SPANS;
use crate::process::{Process, Usage, median};
use crate::receiver::Receiver;

const ROUNDS: usize = 3;
/// The longest that spans may be under way after the last request.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where `make bench-export` installs it.
const ROTEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/rotel/lib");

#[derive(Clone, Copy)]
enum Kind {
    Roost,
    /// With this compression towards the receiver.
    Rotel(&'static str),
}

struct Way {
    name: &'static str,
    kind: Kind,
    requests: usize,
}

struct Round {
    seconds: f64,
    usage: Usage,
    lost: f64,
    p99: f64,
    again: f64,
}

const WAYS: [Way; 3] = [
    Way {
        name: "Roost",
        kind: Kind::Roost,
        requests: 2_000,
    },
    Way {
        name: "rotel, without compression",
        kind: Kind::Rotel("none"),
        requests: 600,
    },
    Way {
        name: "rotel, as it comes: gzip",
        kind: Kind::Rotel("gzip"),
        requests: 600,
    },
];

/// `gateway <endpoint>`: Roost's, until its input ends.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [endpoint] = arguments else {
        anyhow::bail!("an endpoint");
    };
    let config = format!(
        "[telemetry]\n\
         otlp_endpoint = \"{endpoint}\"\n\
         [telemetry.batch_config]\n\
         max_queue_size = 16384\n\
         max_export_batch_size = 2048\n\
         [serve]\n\
         grpc_address = \"127.0.0.1:0\"\n\
         http_address = \"127.0.0.1:0\"\n\
         admin_address = \"127.0.0.1:0\"\n"
    );
    let telemetry = TelemetryManager::export_only(Config::from_toml(&config, "/roost.toml")?)?;
    let runtime = roost::plugin::runtime_builder().build()?;
    let gateway = runtime.block_on(Gateway::start(telemetry))?;
    println!("{}", gateway.addresses().http);
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

pub(crate) fn compare() -> Result<()> {
    let mut receiver = Receiver::start()?;
    let rotel = rotel()?;
    println!(
        "\n| gateway | tenants a request | spans/s | lost | CPU s per million | p99 ms | sent again | peak MiB | threads |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for tenants in [1, 100] {
        let mut rounds = WAYS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (way, rounds) in WAYS.iter().zip(&mut rounds) {
                rounds.push(way.run(&mut receiver, &rotel, tenants)?);
            }
        }
        for (way, rounds) in WAYS.iter().zip(&rounds) {
            let spans = (way.requests * SPANS) as f64;
            let of = |what: &dyn Fn(&Round) -> f64| median(rounds.iter().map(what).collect());
            println!(
                "| {} | {tenants} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
                way.name,
                of(&|round| spans / round.seconds),
                of(&|round| round.lost),
                of(&|round| round.usage.cpu_seconds / spans * 1e6),
                of(&|round| round.p99),
                of(&|round| round.again),
                of(&|round| round.usage.peak_mib),
                of(&|round| round.usage.threads as f64),
            );
        }
    }
    Ok(())
}

fn rotel() -> Result<PathBuf> {
    let missing = "no rotel in .venv/rotel: run `make setup`";
    let pythons = read_dir(ROTEL).context(missing)?.flatten();
    pythons
        .map(|python| python.path().join("site-packages/rotel/rotel-agent"))
        .find(|agent| agent.exists())
        .context(missing)
}

impl Way {
    fn run(&self, receiver: &mut Receiver, rotel: &Path, tenants: usize) -> Result<Round> {
        receiver.arrived()?;
        let (gateway, address) = self.start(receiver, rotel)?;
        let (tenants, requests) = (tenants.to_string(), self.requests.to_string());
        let mut load = Process::role("load", &[&address, &tenants, &requests])?;
        load.read()?;
        let before = gateway.usage()?;
        let began = Instant::now();
        load.ask("go")?;
        // What was acknowledged may be under way still.
        let sent = (self.requests * SPANS) as u64;
        let mut arrived = receiver.arrived()?.spans;
        while arrived < sent && began.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
            arrived += receiver.arrived()?.spans;
        }
        let seconds = began.elapsed().as_secs_f64();
        let after = gateway.usage()?;
        let said = load.ask("")?;
        let (p99, again) = said.split_once(' ').context("what the load says")?;
        Ok(Round {
            seconds,
            usage: Usage {
                cpu_seconds: after.cpu_seconds - before.cpu_seconds,
                ..after
            },
            lost: sent as f64 - arrived as f64,
            p99: p99.parse()?,
            again: again.parse()?,
        })
    }

    /// The gateway, and where it takes OTLP over HTTP.
    fn start(&self, receiver: &Receiver, rotel: &Path) -> Result<(Process, String)> {
        let Kind::Rotel(compression) = self.kind else {
            let mut gateway = Process::role("gateway", &[&receiver.endpoint()])?;
            let address = gateway.read()?;
            return Ok((gateway, address));
        };
        let (grpc, http) = (free_address()?, free_address()?);
        let mut command = Command::new(rotel);
        command
            .args(["start", "--exporter", "otlp"])
            .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            .args(["--otlp-exporter-endpoint", &receiver.endpoint()])
            .args(["--otlp-exporter-compression", compression])
            .args([
                "--otlp-receiver-metrics-disabled",
                "--otlp-receiver-logs-disabled",
            ])
            .stderr(std::process::Stdio::null());
        let gateway = Process::start(&mut command)?;
        let began = Instant::now();
        while std::net::TcpStream::connect(&http).is_err() {
            ensure!(began.elapsed() < PATIENCE, "rotel does not listen");
            sleep(Duration::from_millis(20));
        }
        Ok((gateway, http))
    }
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
