use almanac_models::Timestamp;
use serde_json::Value;

use crate::{
    advise::scaling::{Interval, ScalingError, WorkloadSpec, fetch, largest_demand},
    ledger::Measured,
    store::{Store, rows::RecommendationRow},
};

/// Steps since a recommendation was applied that a judgement needs: a day at least, and so many.
const LEAST_STEPS: usize = 100;
/// Normal quantile of an 80 % interval.
const Z_80: f64 = 1.2816;
/// Stretches that the time since is cut into for the interval.
const BLOCKS: usize = 12;

/// The share of time since `applied_at` in which demand exceeded what the ready replicas serve, with an 80 % interval
/// from how stretches of time differ; none while less than a day has passed or the replicas are not known.
///
/// # Errors
/// Those of [`fetch`] and [`largest_demand`].
pub fn measure(
    store: &Store,
    spec: &WorkloadSpec,
    row: &RecommendationRow,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, ScalingError> {
    let capacity = row.proposed.get("capacity_per_replica").and_then(Value::as_f64);
    let (Some(capacity), true) = (capacity, now.millis() - applied_at.millis() >= spec.day_ms) else { return Ok(None) };
    let since = WorkloadSpec { history_ms: spec.history_ms.min(now.millis() - applied_at.millis()), ..spec.clone() };
    let history = fetch(store, &since, now)?;
    let Some(replicas) = &history.replicas else { return Ok(None) };
    let (demand, _) = largest_demand(&history, spec, capacity)?;
    let demand = demand.values().iter().zip(demand.observed());
    let short: Vec<f64> = demand
        .zip(replicas)
        .filter(|((_, observed), replicas)| **observed && replicas.is_finite())
        .map(|((demand, _), replicas)| f64::from(u8::from(*demand > replicas * capacity)))
        .collect();
    Ok(judge_mean(&short).map(|share| Measured {
        value: share.value,
        lower: share.lower.max(0.0),
        upper: share.upper.min(1.0),
        higher_is_better: false,
        broken: None,
    }))
}

/// The mean of what steps were measured to be, with an 80 % interval from how stretches of time differ; none of few steps.
pub(in crate::advise) fn judge_mean(steps: &[f64]) -> Option<Interval> {
    if steps.len() < LEAST_STEPS {
        return None;
    }
    let mean = |values: &[f64]| {
        let n = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
        values.iter().sum::<f64>() / n
    };
    let value = mean(steps);
    let shares: Vec<f64> = steps.chunks_exact(steps.len() / BLOCKS).map(mean).collect();
    let n = f64::from(u32::try_from(shares.len()).unwrap_or(u32::MAX));
    let spread = shares.iter().map(|share| (share - value).powi(2)).sum::<f64>() / (n - 1.0);
    let margin = Z_80 * (spread / n).sqrt();
    Some(Interval { value, lower: value - margin, upper: value + margin })
}

#[cfg(test)]
mod tests {
    use super::judge_mean;

    #[test]
    fn few_steps_say_nothing() {
        assert_eq!(judge_mean(&[0.0; 99]), None);
    }

    #[test]
    fn the_interval_holds_the_share() {
        let short: Vec<f64> = (0..600).map(|i| f64::from(u8::from(i % 10 == 0 && i < 300))).collect();
        let measured = judge_mean(&short).unwrap();
        assert!((measured.value - 0.05).abs() < 1e-12);
        assert!(measured.lower < 0.05 && measured.upper > 0.05);
        let never = judge_mean(&[0.0; 200]).unwrap();
        assert!(never.value.abs() < 1e-12 && never.upper.abs() < 1e-12);
    }
}
