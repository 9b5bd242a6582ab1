//! Checks that the facts of a pool agree with each other: enough of them, units, and Little's law. Called by `decide`.

use super::PoolFacts;
use crate::advise::{
    Need,
    pool::{PoolSpec, spec::seconds},
};

/// Least number of steps with checkouts and connections in use.
const MIN_STEPS: usize = 30;
/// Least number of checkouts of one instance.
const MIN_ARRIVALS: f64 = 1_000.0;
/// Factor by which connections in use may differ from arrivals × hold time.
const TOLERANCE: f64 = 2.0;
/// Share of the steps that may be above the pool's limit: the metric is read while the setting changes.
const ABOVE: f64 = 0.01;

/// The facts on both sides of Little's law, for one instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::advise::pool) struct Little {
    /// Mean connections in use.
    pub(in crate::advise::pool) in_use: f64,
    /// Mean of arrivals × hold time.
    pub(in crate::advise::pool) load: f64,
    /// Steps with all three.
    pub(in crate::advise::pool) steps: usize,
    /// Checkouts in the history.
    pub(in crate::advise::pool) arrivals: f64,
}

impl Little {
    /// Returns connections in use ÷ (arrivals × hold time).
    pub(in crate::advise::pool) fn ratio(&self) -> f64 {
        self.in_use / self.load
    }
}

/// Checks the facts and returns both sides of Little's law.
///
/// # Errors
/// What is missing or contradicts.
///
/// # Reference
/// Little (1961), "A proof for the queuing formula L = λW", Operations Research 9.
pub(in crate::advise::pool) fn check(spec: &PoolSpec, facts: &PoolFacts) -> Result<Little, Need> {
    let wrong = |missing: String, remedy: &str| Err(Need { missing, remedy: remedy.to_owned() });
    let known: Vec<f64> = facts.arrivals.iter().copied().filter(|value| value.is_finite()).collect();
    let (least, most) = (known.first().copied().unwrap_or(0.0), known.last().copied().unwrap_or(0.0));
    if known.len() >= MIN_STEPS && most > 2.0 * least + 1.0 && known.windows(2).all(|pair| pair[0] <= pair[1]) {
        return wrong(
            format!("`{}` only rises, from {least:.0} to {most:.0}, as a counter does", spec.arrivals),
            "give its rate, such as sum(rate(x_total[1m]))",
        );
    }
    let means = facts.hold_means();
    let step_s = seconds(spec.step_ms);
    let (mut in_use, mut load, mut arrivals, mut steps) = (0.0, 0.0, 0.0, 0_usize);
    for ((&rate, &used), &hold) in facts.arrivals.iter().zip(&facts.in_use).zip(&means) {
        arrivals += if rate.is_finite() { rate * step_s } else { 0.0 };
        // Nobody holds a connection without a checkout; a step without checkouts has no hold time.
        let hold = if rate <= 0.0 { 0.0 } else { hold };
        if rate.is_finite() && used.is_finite() && hold.is_finite() {
            in_use += used;
            load += rate * hold;
            steps += 1;
        }
    }
    if steps < MIN_STEPS || arrivals < MIN_ARRIVALS {
        return wrong(
            format!(
                "{arrivals:.0} checkouts of an instance in {steps} steps with arrivals, hold times and connections in use are known; \
                 {MIN_ARRIVALS:.0} in {MIN_STEPS} steps are needed"
            ),
            "wait, or send older samples",
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of steps")]
    let count = steps as f64;
    let little = Little { in_use: in_use / count, load: load / count, steps, arrivals };
    check_connections(spec, facts)?;
    check_law(&little, count)?;
    Ok(little)
}

/// Checks that no more connections are in use than the configuration allows.
fn check_connections(spec: &PoolSpec, facts: &PoolFacts) -> Result<(), Need> {
    let most = f64::from(facts.connections());
    let known = facts.in_use.iter().zip(&facts.instances).filter(|(used, _)| used.is_finite());
    // Half a connection: instances start and end between two samples of a sum.
    let above =
        known.clone().filter(|(used, instances)| **used > most + 0.5 / **instances && **used > 1.02 * most).count();
    #[expect(clippy::cast_precision_loss, reason = "counts of steps")]
    let share = above as f64 / known.clone().count().max(1) as f64;
    if share <= ABOVE {
        return Ok(());
    }
    let largest = known.map(|(used, _)| *used).fold(0.0, f64::max);
    Err(Need {
        missing: format!(
            "up to {largest:.1} connections of an instance are in use, more than size and overflow allow, which are {most:.0} together"
        ),
        remedy: format!(
            "correct size, overflow or instances of the pool {}, or write per_instance if the metrics are of one instance",
            spec.name
        ),
    })
}

/// Checks Little's law: connections in use are arrivals × hold time on average.
fn check_law(little: &Little, count: f64) -> Result<(), Need> {
    let Little { in_use, load, .. } = *little;
    let found =
        format!("{in_use:.3} connections of an instance are in use on average, but arrivals × hold time are {load:.3}");
    let wrong = |why: &str, remedy: &str| Err(Need { missing: format!("{found}{why}"), remedy: remedy.to_owned() });
    if !(load > 0.0) {
        return wrong("", "check that `hold` and `arrivals` are of this pool");
    }
    let ratio = in_use / load;
    // Few samples of a rarely used connection say little; a tenth of a connection is no contradiction.
    let noise = 4.0 * (load.max(in_use) / count).sqrt() + 0.05;
    if (1.0 / TOLERANCE..=TOLERANCE).contains(&ratio) || (in_use - load).abs() <= noise {
        return Ok(());
    }
    let near = |factor: f64| ratio > 0.0 && (ratio * factor).ln().abs() < 3.0_f64.ln();
    if near(1e3) {
        return wrong(", a thousand times as many: `hold` is in milliseconds", "divide it by 1000");
    }
    if near(1e6) {
        return wrong(", a million times as many: `hold` is in microseconds", "divide it by 1000000");
    }
    if near(60.0) {
        return wrong(", sixty times as many: `arrivals` are per minute", "use rate(), which is per second");
    }
    wrong(
        ", so that they cannot be of the same pool and unit",
        "check that `in_use`, `arrivals` and `hold` select the same pool and instances, arrivals per second and hold in seconds; jobs that run in \
         step with the scrapes are always or never seen by `in_use`, and need another interval",
    )
}
