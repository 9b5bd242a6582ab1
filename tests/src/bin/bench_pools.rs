//! `make bench-pools`: compares predicted waits for a connection with those that `datasets/pools/sweep.py` measured at real
//! pools, and prints the tables of `docs/measured/pools.md`.

use std::{collections::BTreeMap, error::Error, fs};

use almanac_models::{
    queue::{ErlangC, HoldBucket, HoldTimes, LoadStep, QueueOptions, WaitTally, rates_without_noise, simulate},
    stats::quantile,
};
use almanac_tests::document::{Table, number};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Simulated runs of the length of a measured one.
const RUNS: u64 = 60;
/// Waits below this say nothing, seconds.
const NOISE: f64 = 1e-3;

/// A measured run.
struct Run {
    pool: String,
    size: u32,
    p95: f64,
    interval: f64,
    arrivals: Vec<f64>,
    holds: HoldTimes,
    hold: f64,
}

/// A predicted wait: over all simulated runs, and the range of single runs.
struct Predicted {
    p95: f64,
    lower: f64,
    upper: f64,
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("bench-pools FILE: the output of datasets/pools/sweep.py")?;
    let runs = fs::read_to_string(&file)?.lines().map(read).collect::<Result<Vec<Run>, _>>()?;
    let mut pools: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in &runs {
        pools.entry(&run.pool).or_default().push(run);
    }
    for (pool, runs) in pools {
        println!("## {pool}\n\n{}", section(&runs)?);
    }
    Ok(())
}

fn read(line: &str) -> Result<Run, Box<dyn Error>> {
    let run: Value = serde_json::from_str(line)?;
    let numbers =
        |value: &Value| -> Vec<f64> { value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect() };
    let (bounds, counts) = (numbers(&run["hold"]["bounds"]), numbers(&run["hold"]["counts"]));
    let lower = std::iter::once(0.0).chain(bounds.iter().copied());
    let upper = bounds.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<HoldBucket> =
        lower.zip(upper).zip(counts).map(|((lower, upper), count)| HoldBucket { lower, upper, count }).collect();
    let missing = || format!("a field is missing in {line}");
    let hold = run["hold"]["mean"].as_f64().ok_or_else(missing)?;
    Ok(Run {
        pool: run["pool"].as_str().ok_or_else(missing)?.to_owned(),
        size: u32::try_from(run["size"].as_u64().ok_or_else(missing)?)?,
        p95: run["wait"]["p95"].as_f64().ok_or_else(missing)?,
        interval: run["interval"].as_f64().ok_or_else(missing)?,
        arrivals: numbers(&run["arrivals"]),
        holds: HoldTimes::from_buckets(&buckets, Some(hold))?,
        hold,
    })
}

/// Predicts the wait at `size` from the arrivals and hold times that a metrics endpoint shows of `from`.
fn predict(from: &Run, size: u32) -> Result<Predicted, Box<dyn Error>> {
    let rates: Vec<f64> = from.arrivals.iter().map(|count| count / from.interval).collect();
    let rates = rates_without_noise(&rates, &vec![1.0; rates.len()], from.interval);
    let step = |rate: f64| LoadStep { seconds: from.interval, rate, holds: 0, stretch: 1.0 };
    let steps: Vec<LoadStep> = rates.into_iter().map(step).collect();
    let servers = usize::try_from(size)?;
    let options = QueueOptions { servers, patience: 30.0, batch: 1.0, warmup: from.interval };
    let (mut all, mut single) = (WaitTally::new(servers), Vec::new());
    for seed in 0..RUNS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tally = simulate(&options, &steps, std::slice::from_ref(&from.holds), &mut rng)?;
        single.push(tally.quantile(0.95));
        all.add(&tally, 1.0);
    }
    let at = |p: f64| quantile(&single, p).unwrap_or(f64::NAN);
    Ok(Predicted { p95: all.quantile(0.95), lower: at(0.1), upper: at(0.9) })
}

fn section(runs: &[&Run]) -> Result<String, Box<dyn Error>> {
    let mut table = Table::new(&[
        "connections",
        "mean load",
        "measured p95, ms",
        "predicted from its own run",
        "a single run (80 %)",
        "error",
        "predicted from another size",
        "error",
        "Erlang C",
        "error",
    ]);
    let (mut own_errors, mut other_errors, mut erlang_errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut inside = 0_usize;
    for (idx, run) in runs.iter().enumerate() {
        let other = runs[(idx + 1) % runs.len()];
        let (own, from_other) = (predict(run, run.size)?, predict(other, run.size)?);
        let seconds = run.interval * run.arrivals.iter().map(|_| 1.0).sum::<f64>();
        let rate = run.arrivals.iter().sum::<f64>() / seconds;
        let erlang = ErlangC::try_new(run.size, rate, run.hold).map_or(f64::NAN, |queue| queue.quantile(0.95));
        let error = |predicted: f64| predicted / run.p95 - 1.0;
        if run.p95 > NOISE {
            own_errors.push(error(own.p95).abs());
            other_errors.push(error(from_other.p95).abs());
            erlang_errors.push(error(erlang).abs());
            inside += usize::from((own.lower..=own.upper).contains(&run.p95));
        }
        let signed = |predicted: f64| format!("{:+.0} %", 100.0 * error(predicted));
        table.row([
            run.size.to_string(),
            number(rate * run.hold, 2),
            number(1e3 * run.p95, 1),
            number(1e3 * own.p95, 1),
            format!("{} to {}", number(1e3 * own.lower, 1), number(1e3 * own.upper, 1)),
            signed(own.p95),
            number(1e3 * from_other.p95, 1),
            signed(from_other.p95),
            number(1e3 * erlang, 1),
            signed(erlang),
        ]);
    }
    let median = |errors: &[f64]| number(quantile(errors, 0.5).map(|error| 100.0 * error), 0);
    Ok(format!(
        "{table}\nMedian error of {} runs with more than 1 ms: {} % from the own run, {} % from another size, {} % by Erlang's formula. \
         {inside} measured waits are in the range of single runs.\n",
        own_errors.len(),
        median(&own_errors),
        median(&other_errors),
        median(&erlang_errors),
    ))
}
