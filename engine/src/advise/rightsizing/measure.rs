//! Measures the effect of an applied request: its idle share, and whether usage exceeded it for longer than promised.
//! Called by `advisor` for the ledger.

use almanac_models::Timestamp;

use super::{
    ContainerResource, ContainerSpec, Held, RightsizingError, held::HELD_DAYS, shape::percent, step_costs,
    terms::RequestTerms,
};
use crate::{
    advise::kit::{Interval, judge_mean, one_history},
    ledger::Measured,
    store::Store,
};

/// Tolerance of the share of time above a request, whatever was promised.
const ABOVE_TOLERANCE: f64 = 0.005;

/// Measures the idle share of the applied request since `applied_at`, with an 80 % interval from the variance between
/// blocks of time. Returns none before [`HELD_DAYS`] have passed. Usage above the request for longer than promised
/// breaks the promise.
///
/// `promises_cost`: whether the recommendation is of an older release, which promised a cost.
///
/// # Errors
/// [`RightsizingError`] when the usage cannot be read.
pub(super) fn measure(
    store: &Store,
    (spec, resource): (&ContainerSpec, ContainerResource),
    (request, terms, promises_cost): (f64, RequestTerms, bool),
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, RightsizingError> {
    let expr = spec.usage(resource).ok_or(RightsizingError::NoUsage)?;
    let since_ms = now.millis() - applied_at.millis();
    if since_ms < HELD_DAYS * spec.day_ms {
        return Ok(None);
    }
    let history_ms = spec.history_ms.min(since_ms);
    let Some(usage) = one_history(store, expr, spec.step_ms, history_ms, now)? else { return Ok(None) };
    let known = usage.values().iter().zip(usage.observed()).filter(|(_, observed)| **observed);
    let known: Vec<f64> = known.map(|(&used, _)| used).collect();
    if promises_cost {
        let above_cost = terms.above_cost.unwrap_or_else(|| spec.options(resource, None).above_cost);
        let cost = judge_mean(&step_costs(&known, request, above_cost));
        let measured = |cost: Interval| Measured {
            value: cost.value,
            lower: cost.lower.max(0.0),
            upper: cost.upper,
            broken: None,
        };
        return Ok(cost.map(measured));
    }
    Ok(judge(&known, request, terms.above_share_max))
}

/// Measures the usage since a request was applied. None for few steps.
fn judge(known: &[f64], request: f64, above_max: Option<f64>) -> Option<Measured> {
    let idle: Vec<f64> = known.iter().map(|used| Held::of(&[*used], request).idle_share).collect();
    let above: Vec<f64> = known.iter().map(|used| f64::from(u8::from(*used > request))).collect();
    let (idle, above) = judge_mean(&idle).zip(judge_mean(&above))?;
    let broken = above_max.filter(|most| above.lower > most + ABOVE_TOLERANCE).map(|most| {
        format!(
            "usage exceeded the request {} of the time, at most {} was promised",
            percent(above.value),
            percent(most)
        )
    });
    Some(Measured { value: idle.value, lower: idle.lower.max(0.0), upper: idle.upper.min(1.0), broken })
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn usage_above_the_request_breaks_the_promise() {
        let usage: Vec<f64> = (0..864).map(|step| if step % 2 == 0 { 0.4 } else { 0.8 }).collect();
        let kept = judge(&usage, 1.0, Some(0.01)).unwrap();
        assert!((kept.value - 0.4).abs() < 1e-9 && kept.broken.is_none(), "{kept:?}");
        let broken = judge(&usage, 0.6, Some(0.01)).unwrap().broken.unwrap();
        assert_eq!(broken, "usage exceeded the request 50 % of the time, at most 1.0 % was promised");
        assert!(judge(&usage, 0.6, None).unwrap().broken.is_none());
        assert_eq!(judge(&usage[..50], 1.0, None), None);
    }
}
