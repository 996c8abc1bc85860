//! Two ways to do the same, timed in turns, and the table of how they compare.
//!
//! Criterion times one benchmark after the other, and on a busy machine two minutes differ
//! more than two ways do. Here both ways run in every sample, one after the other in small
//! turns, so what disturbs one disturbs the other. Criterion plans the samples, and
//! remembers Roost's side of them from run to run; the ratios are worked out here.

use std::time::Duration;

use criterion::{Criterion, SamplingMode};

/// What is compared, and how closely.
pub(crate) struct Comparison {
    /// What is done, in a few words.
    pub(crate) name: &'static str,
    /// How it is done without Roost.
    pub(crate) baseline: &'static str,
    pub(crate) target: Target,
    /// How often one way runs before it is the other's turn: for short ways often, so that
    /// reading the clock does not count.
    pub(crate) turn: u64,
    /// How many samples are taken, at least 10.
    pub(crate) samples: usize,
    pub(crate) time: Duration,
}

/// What is aimed at.
pub(crate) enum Target {
    /// Nothing: the numbers are for the record.
    None,
    /// At most this much longer than the baseline.
    More(Duration),
    /// At most so many times the baseline.
    Times(f64),
}

/// The comparisons of this run.
pub(crate) struct Report {
    criterion: Criterion,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    baseline: &'static str,
    target: Target,
    samples: Vec<Sample>,
}

/// Nanoseconds a time, with Roost and without.
#[derive(Clone, Copy)]
struct Sample {
    roost: f64,
    baseline: f64,
}

impl Report {
    pub(crate) fn new(criterion: Criterion) -> Self {
        Self {
            criterion,
            rows: Vec::new(),
        }
    }

    /// Time two ways, each a function that does it so many times and says how long that
    /// took.
    pub(crate) fn compare(
        &mut self,
        comparison: Comparison,
        mut roost: impl FnMut(u64) -> Duration,
        mut baseline: impl FnMut(u64) -> Duration,
    ) {
        let mut samples = Vec::new();
        let mut roost_first = true;
        let mut group = self.criterion.benchmark_group("roost");
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(comparison.samples)
            .measurement_time(comparison.time)
            .warm_up_time(comparison.time / 10)
            .bench_function(comparison.name, |bencher| {
                bencher.iter_custom(|times| {
                    let (mut with, mut without) = (Duration::ZERO, Duration::ZERO);
                    let mut left = times;
                    while left > 0 {
                        let turn = left.min(comparison.turn);
                        // Whoever is second may find the caches warm.
                        if roost_first {
                            with += roost(turn);
                            without += baseline(turn);
                        } else {
                            without += baseline(turn);
                            with += roost(turn);
                        }
                        roost_first = !roost_first;
                        left -= turn;
                    }
                    samples.push(Sample {
                        roost: per_time(with, times),
                        baseline: per_time(without, times),
                    });
                    with
                });
            });
        group.finish();
        // What came before the last samples was warming up. There is nothing at all when
        // the command line asked for other benchmarks.
        let warming = samples.len().saturating_sub(comparison.samples);
        samples.drain(..warming);
        if !samples.is_empty() {
            let row = Row {
                name: comparison.name,
                baseline: comparison.baseline,
                target: comparison.target,
                samples,
            };
            // Now as well: a run may be cut short.
            println!("{}", row.line());
            self.rows.push(row);
        }
    }

    /// Print the table of `BENCHMARKS.md`.
    pub(crate) fn print(self) {
        self.criterion.final_summary();
        println!("\n| what | with Roost | without | | ratio | more | target |");
        println!("|---|--:|--:|---|--:|--:|---|");
        for row in &self.rows {
            println!("{}", row.line());
        }
    }
}

impl Row {
    fn line(&self) -> String {
        let roost = self.median(|sample| sample.roost);
        let baseline = self.median(|sample| sample.baseline);
        let ratio = self.median(|sample| sample.roost / sample.baseline);
        let more = self.median(|sample| sample.roost - sample.baseline);
        let (target, met) = match self.target {
            Target::None => (String::new(), None),
            Target::More(most) => (format!("{most:?} more"), Some(more <= nanoseconds(most))),
            Target::Times(most) => (format!("{most} times"), Some(ratio <= most)),
        };
        let verdict = match met {
            None => "",
            Some(true) => ": met",
            Some(false) => ": **not met**",
        };
        format!(
            "| {} | {} | {} | {} | {ratio:.2} | {} | {target}{verdict} |",
            self.name,
            time(roost),
            time(baseline),
            self.baseline,
            time(more),
        )
    }

    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        let mut values: Vec<f64> = self.samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn per_time(took: Duration, times: u64) -> f64 {
    nanoseconds(took) / times as f64
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// A time of so many nanoseconds, with three digits that count.
fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds.abs() {
        size if size < 1e3 => (nanoseconds, "ns"),
        size if size < 1e6 => (nanoseconds / 1e3, "µs"),
        size if size < 1e9 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    let decimals = match value.abs() {
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}
