//! A service that makes its spans with Roost.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use roost::{Config, TelemetryManager};

use crate::attributes::{NAME, attributes, tenant};
use crate::process::{as_client, median};

const PATIENCE: Duration = Duration::from_secs(60);
/// How many spans are made at once to see what one costs, and how often.
const BURSTS: (usize, u32) = (500, 200);

/// `roost <endpoint> <tenants> <spans>`; or with 0 spans, what one costs the thread that makes
/// it.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [endpoint, tenants, spans] = arguments else {
        anyhow::bail!("an endpoint, tenants and spans");
    };
    let tenants: Vec<_> = (0..tenants.parse()?).map(tenant).collect();
    // As whoever has so many would set it: 100 are remembered else.
    let config = format!(
        "[telemetry]\n\
         max_cached_tenants = {}\n\
         otlp_endpoint = \"{endpoint}\"\n\
         service_name = \"video-search\"\n\
         [telemetry.batch_config]\n\
         max_queue_size = 16384\n\
         max_export_batch_size = 2048\n\
         on_queue_full = \"block\"\n",
        tenants.len()
    );
    let telemetry = TelemetryManager::export_only(Config::from_toml(&config, "/roost.toml")?)?;
    let spans: usize = spans.parse()?;
    if spans == 0 {
        return cost(&telemetry, &tenants);
    }
    as_client(|| {
        for tenant in tenants.iter().cycle().take(spans) {
            make(&telemetry, tenant);
        }
        let report = telemetry.force_flush_blocking(PATIENCE);
        ensure!(report.left == 0, "{report:?}");
        Ok(())
    })
}

fn make(telemetry: &TelemetryManager, tenant: &str) {
    telemetry
        .span(NAME, tenant)
        .attributes(attributes())
        .start()
        .end();
}

/// The time of a span on the thread that makes it, while the queue has room: the median of many
/// short bursts, of which most are not interrupted.
fn cost(telemetry: &TelemetryManager, tenants: &[String]) -> Result<()> {
    let (spans, times) = BURSTS;
    let mut costs = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        for tenant in tenants.iter().cycle().take(spans) {
            make(telemetry, tenant);
        }
        costs.push(began.elapsed().as_nanos() as f64 / spans as f64);
        ensure!(telemetry.force_flush_blocking(PATIENCE).is_complete());
    }
    println!("{}", median(costs));
    Ok(())
}
