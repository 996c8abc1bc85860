//! Which traces are recorded.

use std::collections::HashMap;

use opentelemetry::trace::TraceId;

use crate::config::{Config, Sampler as Kind, SamplingConfig};

/// The sampler of all tenants, and those of the tenants that have their own.
#[derive(Debug)]
pub(super) struct Samplers {
    all: Sampler,
    tenants: HashMap<String, Sampler>,
}

impl Samplers {
    pub(super) fn new(config: &Config) -> Self {
        let own = config.tenants.iter().filter_map(|(tenant, entry)| {
            let sampler = Sampler::new(entry.sampling.as_ref()?);
            Some((tenant.as_str().to_owned(), sampler))
        });
        Self {
            all: Sampler::new(&config.telemetry.sampling),
            tenants: own.collect(),
        }
    }

    pub(super) fn of(&self, tenant: &str) -> Sampler {
        if self.tenants.is_empty() {
            return self.all;
        }
        self.tenants.get(tenant).copied().unwrap_or(self.all)
    }
}

/// Decides on spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    /// Whether a span that has one above it is decided on as that was.
    parent_based: bool,
    rule: Rule,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Always,
    Never,
    /// Traces whose number is below this one.
    Below(u64),
}

impl Sampler {
    pub(super) fn new(config: &SamplingConfig) -> Self {
        let rule = match config.sampler {
            Kind::AlwaysOn | Kind::ParentBasedAlwaysOn => Rule::Always,
            Kind::AlwaysOff | Kind::ParentBasedAlwaysOff => Rule::Never,
            Kind::TraceIdRatio | Kind::ParentBasedTraceIdRatio => Rule::ratio(config.ratio),
        };
        Self {
            parent_based: config.sampler.is_parent_based(),
            rule,
        }
    }

    /// Whether a span of this trace is recorded; `above` says whether the span above it is.
    pub(super) fn samples(self, above: Option<bool>, trace: TraceId) -> bool {
        match (above, self.rule) {
            (Some(sampled), _) if self.parent_based => sampled,
            (_, Rule::Always) => true,
            (_, Rule::Never) => false,
            (_, Rule::Below(bound)) => trace_number(trace) < bound,
        }
    }
}

impl Rule {
    fn ratio(ratio: f64) -> Self {
        if ratio >= 1.0 {
            return Self::Always;
        }
        // A cast from a float that is out of range gives the nearest number.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bound = (ratio.max(0.0) * (1_u64 << 63) as f64) as u64;
        Self::Below(bound)
    }
}

/// The number of a trace, of 63 bits. The SDKs of Go, Rust and Python decide by the same bits,
/// so that a trace is recorded in all of its processes or in none.
fn trace_number(trace: TraceId) -> u64 {
    let low = u128::from_be_bytes(trace.to_bytes()) & u128::from(u64::MAX);
    u64::try_from(low >> 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 6] = Kind::ALL;

    fn sampler(sampler: Kind, ratio: f64) -> Sampler {
        Sampler::new(&SamplingConfig { sampler, ratio })
    }

    #[test]
    fn a_parent_decides_where_the_sampler_says_so_and_the_rule_elsewhere() {
        let trace = TraceId::from(1 << 63);
        // Without a span above, above one that is recorded, above one that is not.
        let decisions = ALL.map(|kind| {
            [None, Some(true), Some(false)].map(|above| sampler(kind, 0.25).samples(above, trace))
        });
        assert_eq!(
            decisions,
            [
                [true, true, true],
                [false, false, false],
                [false, false, false],
                [true, true, false],
                [false, true, false],
                [false, true, false],
            ]
        );
    }

    /// The bound for 0.25 as the SDKs of Go, Rust and Python compute it: 0x4000_0000_0000_0000
    /// in the low 64 bits of the trace id.
    #[test]
    fn a_ratio_decides_by_the_bits_that_other_sdks_decide_by() {
        let quarter = sampler(Kind::TraceIdRatio, 0.25);
        let high = 0xffff_ffff_ffff_ffff_u128 << 64;
        for (low, sampled) in [
            (0, true),
            (0x3fff_ffff_ffff_ffff, true),
            (0x4000_0000_0000_0000, false),
            (0xffff_ffff_ffff_ffff, false),
        ] {
            for trace in [TraceId::from(low), TraceId::from(high | low)] {
                assert_eq!(quarter.samples(None, trace), sampled, "{trace}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_take_all_and_nothing() {
        for trace in [TraceId::from(1), TraceId::from(u128::MAX)] {
            assert!(sampler(Kind::TraceIdRatio, 1.0).samples(None, trace));
            assert!(!sampler(Kind::TraceIdRatio, 0.0).samples(None, trace));
        }
    }
}
