//! The peer detector: clusters the values of all peers at each instant.

use std::ops::Range;

use augurs::outlier::{DbscanDetector, OutlierDetector};

use crate::stats::{mad, quantile};

/// Smallest number of peers with a value at an instant; of two, neither is the outlier.
const LEAST_PEERS: usize = 3;

/// Why peers cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Fewer than three peers: of two, neither is the outlier.
    #[error("got {peers} peers but need at least {needed}")]
    TooFew {
        /// Number of series given.
        peers: usize,
        /// Number of series needed.
        needed: usize,
    },
    /// Series of unequal length; peers are compared instant by instant.
    #[error("peer {peer} has {points} points but the first peer has {expected}")]
    Unequal {
        /// Index of the series.
        peer: usize,
        /// Number of its points.
        points: usize,
        /// Number of points of the first series.
        expected: usize,
    },
    /// Error of the clustering.
    #[error("cannot cluster the peers: {message}")]
    Base {
        /// Message of the clustering.
        message: String,
    },
}

/// Result for one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerScores {
    /// Distance from the cluster of the majority, in widths; above 1 the value is outside. 0 where a value is missing,
    /// or where there is no majority.
    pub scores: Vec<f64>,
    /// Index ranges in which the peer is outside, each at least as long as the shortest run that counts.
    pub outlying: Vec<Range<usize>>,
}

/// Finds peers that differ from the majority, by clustering the values of all peers at each instant.
///
/// Neighbours in a cluster are at most a width apart. The width is a multiple of the usual distance between peers, so
/// that it has no unit. Without a majority, as in a roll-out that changes every second instance, there is no outlier.
///
/// ```
/// use almanac_models::peers::PeerDetector;
/// let load = |offset: f64| -> Vec<f64> { (0..200).map(|t| 50.0 + f64::from(t * 7 % 10) * 0.1 + offset).collect() };
/// let mut odd = load(0.3);
/// odd[120..150].iter_mut().for_each(|v| *v += 20.0);
/// let (a, b, c) = (load(0.0), load(0.2), load(-0.3));
/// let scores = PeerDetector::default().detect(&[&a, &b, &odd, &c])?;
/// assert_eq!(scores[2].outlying, vec![120..150]);
/// assert!(scores[0].outlying.is_empty());
/// # Ok::<(), almanac_models::peers::PeerError>(())
/// ```
///
/// # Reference
/// Ester, Kriegel, Sander & Xu (1996), A density-based algorithm for discovering clusters, in one dimension, by
/// `augurs`. Deviates: the width comes from the peers' own spread; an instant without a majority has no outlier, where
/// the original calls all peers.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerDetector {
    width: f64,
    least_run: usize,
}

impl Default for PeerDetector {
    /// Four usual distances, for at least three steps. False alarms in simulation: `docs/tuning/anomaly.md`.
    fn default() -> Self {
        Self { width: 4.0, least_run: 3 }
    }
}

impl PeerDetector {
    /// Sets the width in usual distances (robust standard deviations between peers).
    #[must_use]
    pub fn with_width(mut self, width: f64) -> Self {
        if width.is_finite() && width > 0.0 {
            self.width = width;
        }
        self
    }

    /// Sets the smallest number of consecutive steps for which a peer is outlying.
    #[must_use]
    pub fn with_least_run(mut self, steps: usize) -> Self {
        self.least_run = steps.max(1);
        self
    }

    /// Compares at least three aligned series of equal length; NaN and infinite values are missing.
    ///
    /// Shapes: one result per peer, in their order, each with one score per instant.
    ///
    /// # Errors
    /// [`PeerError::TooFew`], [`PeerError::Unequal`].
    pub fn detect(&self, peers: &[&[f64]]) -> Result<Vec<PeerScores>, PeerError> {
        if peers.len() < LEAST_PEERS {
            return Err(PeerError::TooFew { peers: peers.len(), needed: LEAST_PEERS });
        }
        let n = peers[0].len();
        if let Some((peer, other)) = peers.iter().enumerate().find(|(_, p)| p.len() != n) {
            return Err(PeerError::Unequal { peer, points: other.len(), expected: n });
        }
        let clean: Vec<Vec<f64>> =
            peers.iter().map(|p| p.iter().map(|v| if v.is_finite() { *v } else { f64::NAN }).collect()).collect();
        let width = self.width * usual_distance(&clean);
        let rows: Vec<&[f64]> = clean.iter().map(Vec::as_slice).collect();
        let refused = |error: augurs::outlier::Error| PeerError::Base { message: error.to_string() };
        let detector = DbscanDetector::with_epsilon(width);
        let found = detector.preprocess(&rows).and_then(|data| detector.detect(&data)).map_err(refused)?;
        // The band ends half a width outside of the cluster; it is NaN without a majority.
        let edges = found.cluster_band.map(|band| (band.min, band.max)).unwrap_or_default();
        Ok(clean.iter().map(|peer| self.scores(peer, &edges, width)).collect())
    }

    fn scores(&self, peer: &[f64], (low, high): &(Vec<f64>, Vec<f64>), width: f64) -> PeerScores {
        let scores: Vec<f64> = peer
            .iter()
            .enumerate()
            .map(|(t, v)| match (low.get(t), high.get(t)) {
                (Some(low), Some(high)) => {
                    let (low, high) = (low + 0.5 * width, high - 0.5 * width);
                    let outside = (low - v).max(v - high);
                    if outside.is_nan() { 0.0 } else { (outside / width).clamp(0.0, 1e6) }
                }
                _ => 0.0,
            })
            .collect();
        let outlying = runs(&scores, self.least_run);
        PeerScores { scores, outlying }
    }
}

/// Returns the usual distance between peers: the upper quartile over time of their robust deviation at an instant, and
/// at least the rounding error of their largest value.
fn usual_distance(peers: &[Vec<f64>]) -> f64 {
    let n = peers.first().map_or(0, Vec::len);
    let (mut spreads, mut largest) = (Vec::with_capacity(n), 0.0_f64);
    let mut column = Vec::with_capacity(peers.len());
    for t in 0..n {
        column.clear();
        column.extend(peers.iter().map(|p| p[t]).filter(|v| v.is_finite()));
        if column.len() >= LEAST_PEERS {
            spreads.extend(mad(&column));
            largest = column.iter().fold(largest, |a, v| a.max(v.abs()));
        }
    }
    let usual = quantile(&spreads, 0.75).unwrap_or(0.0);
    usual.max(1e-9 * largest).max(f64::MIN_POSITIVE)
}

/// Returns the runs of at least `least` scores above 1.
fn runs(scores: &[f64], least: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = None;
    for t in 0..=scores.len() {
        let odd = scores.get(t).is_some_and(|s| *s > 1.0);
        match (start, odd) {
            (None, true) => start = Some(t),
            (Some(from), false) => {
                if t - from >= least {
                    out.push(from..t);
                }
                start = None;
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    /// Ten instances behind one balancer: a common daily wave, with independent noise.
    fn fleet(seed: u64) -> Vec<Vec<f64>> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..10)
            .map(|_| {
                (0..1_000)
                    .map(|t| {
                        let course = 100.0 + 50.0 * (f64::from(t) / 288.0 * std::f64::consts::TAU).sin();
                        course + 2.0 * rng.sample::<f64, _>(StandardNormal)
                    })
                    .collect()
            })
            .collect()
    }

    fn detect(fleet: &[Vec<f64>]) -> Vec<PeerScores> {
        let rows: Vec<&[f64]> = fleet.iter().map(Vec::as_slice).collect();
        PeerDetector::default().detect(&rows).unwrap()
    }

    #[test]
    fn the_outlier_is_found_and_no_other_peer() {
        for seed in 0..5 {
            let mut fleet = fleet(seed);
            assert!(detect(&fleet).iter().all(|p| p.outlying.is_empty()), "seed {seed}");
            fleet[4][600..660].iter_mut().for_each(|v| *v *= 0.7);
            fleet[2][100] = f64::NAN;
            let found = detect(&fleet);
            assert_eq!(found[4].outlying.len(), 1, "seed {seed}: {:?}", found[4].outlying);
            let span = &found[4].outlying[0];
            assert!(span.start <= 602 && span.end >= 658, "seed {seed}: {span:?}");
            assert!(found.iter().enumerate().all(|(i, p)| i == 4 || p.outlying.is_empty()), "seed {seed}");
            assert_eq!(found[2].scores[100].to_bits(), 0.0_f64.to_bits());
        }
    }

    #[test]
    fn without_a_majority_there_is_no_outlier() {
        let mut fleet = fleet(9);
        // Every instance has another level.
        for (i, peer) in fleet.iter_mut().enumerate() {
            peer[500..600].iter_mut().for_each(|v| *v += 100.0 * i as f64);
        }
        assert!(detect(&fleet).iter().all(|p| p.scores[500..600].iter().all(|s| *s <= 1.0)));
    }

    #[test]
    fn shift_and_scale_change_no_score() {
        let fleet = fleet(3);
        let moved: Vec<Vec<f64>> = fleet.iter().map(|p| p.iter().map(|v| 1e6 + 1e3 * v).collect()).collect();
        for (a, b) in detect(&fleet).iter().zip(&detect(&moved)) {
            assert!(a.scores.iter().zip(&b.scores).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn invalid_input_is_an_error_or_has_no_outlier() {
        let detector = PeerDetector::default();
        assert_eq!(detector.detect(&[&[1.0], &[1.0]]), Err(PeerError::TooFew { peers: 2, needed: 3 }));
        let unequal = detector.detect(&[&[1.0], &[1.0], &[]]);
        assert_eq!(unequal, Err(PeerError::Unequal { peer: 2, points: 0, expected: 1 }));
        for value in [f64::NAN, f64::INFINITY, 0.0, 1e12, 1e-12, f64::MAX] {
            let row = vec![value; 20];
            let scores = detector.detect(&[&row, &row, &row]).unwrap();
            assert!(scores.iter().all(|p| p.outlying.is_empty()), "{value}");
        }
        assert!(detector.detect(&[&[], &[], &[]]).unwrap().iter().all(|p| p.scores.is_empty()));
    }
}
