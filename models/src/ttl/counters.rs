//! Bounds on the hit ratio from counters alone, without the accesses of keys.

use super::Bounds;

/// Bounds on the hit ratio at another time-to-live when only counters of hits and misses are known.
///
/// `hits`, `misses`: counted at `ttl` (both ≥ 0, not both 0); `other_ttl`: the other time-to-live, in the
/// same unit as `ttl` (> 0). With x = hits/misses and r = other/ttl, x·r/(1+x·r) is an
/// upper bound for a longer time-to-live and a lower bound for a shorter one, because a cache is a
/// mixture of keys and the formula is concave in each key's rate. The other bound
/// is the measured ratio, because a longer time-to-live hits at least as often. Staleness cannot be
/// identified from such counters. Returns `None` for impossible counts.
///
/// ```
/// use almanac_models::ttl::hit_ratio_bounds;
/// let longer = hit_ratio_bounds(900.0, 100.0, 60.0, 120.0).unwrap();
/// assert_eq!(longer.lower, 0.9);
/// assert!((longer.upper - 18.0 / 19.0).abs() < 1e-12);
/// ```
///
/// # Reference
/// Jung, Berger & Balakrishnan (2003), "Modeling TTL-based Internet caches", INFOCOM, gives the
/// single-key formula H = λT/(1+λT); the bounds follow from Jensen's inequality.
#[must_use]
pub fn hit_ratio_bounds(hits: f64, misses: f64, ttl: f64, other_ttl: f64) -> Option<Bounds> {
    let total = hits + misses;
    let counted = hits >= 0.0 && misses >= 0.0 && total > 0.0 && total.is_finite();
    let possible = ttl > 0.0 && other_ttl > 0.0 && (other_ttl / ttl).is_finite();
    if !(counted && possible) {
        return None;
    }
    let measured = hits / total;
    let scaled = hits * (other_ttl / ttl);
    let formula = if scaled + misses > 0.0 { scaled / (scaled + misses) } else { measured };
    Some(if other_ttl >= ttl {
        Bounds { lower: measured, upper: formula.max(measured) }
    } else {
        Bounds { lower: formula.min(measured), upper: measured }
    })
}

#[cfg(test)]
mod tests {
    use super::super::PoissonKey;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn impossible_counts_have_no_bounds() {
        for (hits, misses, ttl, other) in [
            (0.0, 0.0, 60.0, 60.0),
            (-1.0, 2.0, 60.0, 60.0),
            (f64::NAN, 2.0, 60.0, 60.0),
            (1.0, 1.0, 0.0, 60.0),
            (1.0, 1.0, 60.0, f64::NAN),
        ] {
            assert_eq!(hit_ratio_bounds(hits, misses, ttl, other), None, "{hits} {misses} {ttl} {other}");
        }
    }

    #[test]
    fn nothing_changes_at_the_same_ttl() {
        let same = hit_ratio_bounds(3.0, 1.0, 60.0, 60.0).unwrap();
        assert_eq!((same.lower, same.upper), (0.75, 0.75));
    }

    proptest! {
        /// A mixture of Poisson keys whose rates differ always lies within the bounds.
        #[test]
        fn mixtures_of_keys_lie_within(
            keys in prop::collection::vec(1e-5_f64..10.0, 1..20), ttl in 1.0_f64..1e4, factor in 0.01_f64..100.0,
        ) {
            let total: f64 = keys.iter().sum();
            let mixture = |ttl: f64| {
                keys.iter().map(|&rate| rate * PoissonKey { reads_per_s: rate, writes_per_s: 0.0 }.hit_ratio(ttl)).sum::<f64>() / total
            };
            let hits = mixture(ttl);
            let bounds = hit_ratio_bounds(hits, 1.0 - hits, ttl, ttl * factor).unwrap();
            let truth = mixture(ttl * factor);
            prop_assert!(bounds.lower - 1e-9 <= truth && truth <= bounds.upper + 1e-9, "{bounds:?} {truth}");
        }
    }
}
