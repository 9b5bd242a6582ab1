//! Chooses a time-to-live among predictions. Called by `replay` and for invalidation on write by `gains`.

use super::{TtlCosts, predict::Prediction};

/// Minimum gain of utility of a longer time-to-live, in hit ratio: it keeps more keys in memory.
pub(super) const MIN_GAIN: f64 = 0.001;

/// A chosen time-to-live in milliseconds, or the reason why none can be chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    Ttl(i64),
    Nothing { reason: String },
}

/// Chooses the time-to-live with the highest utility among those whose stale share stays within the limit by the upper
/// end of its interval. The shortest within the minimum gain of the best wins.
///
/// `candidates`: ascending in time-to-live.
pub(super) fn choose(candidates: &[(i64, Prediction)], stale_share_max: f64, costs: Option<TtlCosts>) -> Choice {
    let allowed: Vec<&(i64, Prediction)> =
        candidates.iter().filter(|(_, predicted)| predicted.stale_share.upper <= stale_share_max).collect();
    let utility = |predicted: &Prediction| predicted.utility(costs);
    let best = allowed.iter().map(|(_, predicted)| utility(predicted)).max_by(f64::total_cmp);
    let chosen = best.and_then(|best| allowed.iter().find(|(_, predicted)| utility(predicted) >= best - MIN_GAIN));
    match chosen {
        Some((ttl_ms, _)) => Choice::Ttl(*ttl_ms),
        None => Choice::Nothing { reason: no_choice(candidates, stale_share_max) },
    }
}

/// Returns why no time-to-live was chosen, with the figures of the shortest.
fn no_choice(candidates: &[(i64, Prediction)], stale_share_max: f64) -> String {
    let Some((ttl_ms, shortest)) = candidates.first() else { return "no time-to-live was given".to_owned() };
    let stale = shortest.stale_share;
    format!(
        "no time-to-live keeps the stale share within {stale_share_max}: at the shortest, {} s, it is {:.4} and may be {:.4}; \
         drop the copy when the origin changes, or add shorter times-to-live to the grid",
        seconds(*ttl_ms),
        stale.value.unwrap_or(stale.upper),
        stale.upper
    )
}

/// Returns the grid and the round times-to-live between its ends, milliseconds, ascending.
pub(super) fn candidates(grid_ms: &[i64]) -> Vec<i64> {
    // Few candidates beside the grid: whole seconds, minutes, hours and days in round counts.
    const UNITS_MS: [i64; 4] = [1_000, 60_000, 3_600_000, 86_400_000];
    const COUNTS: [i64; 23] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 20, 22, 25, 28, 30, 35, 40, 45, 50, 55];
    let (Some(&shortest), Some(&longest)) = (grid_ms.iter().min(), grid_ms.iter().max()) else { return Vec::new() };
    let mut all: Vec<i64> = grid_ms.to_vec();
    for unit_ms in UNITS_MS {
        all.extend(COUNTS.iter().map(|count| count * unit_ms).filter(|ttl| (shortest..=longest).contains(ttl)));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Converts milliseconds to seconds.
#[expect(clippy::cast_precision_loss, reason = "times-to-live are far below 2^53 ms")]
pub(super) fn seconds(ttl_ms: i64) -> f64 {
    ttl_ms as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::Predicted;
    use super::*;

    fn prediction(hit: f64, stale: f64, stale_upper: f64) -> Prediction {
        let exactly = |value: f64| Predicted { value: Some(value), lower: value, upper: value };
        Prediction {
            hit_ratio: exactly(hit),
            stale_share: Predicted { value: Some(stale), lower: 0.0, upper: stale_upper },
            resident_keys_mean: exactly(1.0),
        }
    }

    #[test]
    fn best_under_the_limit_with_margin() {
        let candidates = [
            (1_000, prediction(0.5, 0.001, 0.002)),
            (2_000, prediction(0.7, 0.005, 0.008)),
            (3_000, prediction(0.8, 0.009, 0.011)),
        ];
        assert_eq!(choose(&candidates, 0.01, None), Choice::Ttl(2_000));
        assert_eq!(choose(&candidates, 0.02, None), Choice::Ttl(3_000));
        // An expensive stale hit keeps the time-to-live short.
        let dear = Some(TtlCosts { miss: 1.0, stale: 1_000.0 });
        assert_eq!(choose(&candidates, 1.0, dear), Choice::Ttl(1_000));
        let Choice::Nothing { reason } = choose(&candidates, 0.001, None) else { panic!() };
        assert!(
            reason.starts_with("no time-to-live keeps the stale share within 0.001: at the shortest, 1 s"),
            "{reason}"
        );
    }

    #[test]
    fn a_longer_ttl_that_wins_nothing_is_not_taken() {
        let candidates = [(1_000, prediction(0.5, 0.0, 0.0)), (9_000, prediction(0.5005, 0.0, 0.0))];
        assert_eq!(choose(&candidates, 0.01, None), Choice::Ttl(1_000));
    }

    #[test]
    fn candidates_are_round_and_within_the_grid() {
        let all = candidates(&[10_000, 120_000]);
        assert_eq!(all.first(), Some(&10_000));
        assert_eq!(all.last(), Some(&120_000));
        assert!(all.contains(&45_000) && all.contains(&60_000) && all.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(candidates(&[]).is_empty());
    }
}
