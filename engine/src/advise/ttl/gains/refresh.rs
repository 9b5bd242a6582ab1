//! Gain of refreshing copies before they expire (XFetch).

use almanac_models::ttl::{KeyEvent, RatioEstimate, RefreshEarly, RefreshTally, Window, replay_refresh};
use serde_json::{Value, json};

use crate::advise::ttl::{
    Figure, Predicted, figures::ttl_seconds, predict::BLOCKS, split::TrainTestSplit, trace::hash,
};

/// Optimal eagerness for exponential fetch times (Vattani et al. 2015, theorem 3.3). The effect varies little around
/// it.
const BETA: f64 = 1.0;
/// Minimum share of waiting reads without early refresh, and maximum remaining part of it, for a clause in the
/// sentence.
const CLAUSE_LIMITS: (f64, f64) = (0.01, 0.8);

/// Figures of early refresh (XFetch) at one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyRefresh {
    /// Time-to-live, milliseconds.
    pub ttl_ms: i64,
    /// Duration of a fetch, milliseconds: the mean cost of a miss in the first part.
    pub fetch_ms: f64,
    /// Share of reads that wait for the origin, without and with early refresh.
    pub waiting_share: (Figure, Figure),
    /// Fetches from the origin per read, without and with early refresh. Concurrent misses of a key each fetch.
    pub fetches_per_read: (Figure, Figure),
}

impl EarlyRefresh {
    /// Replays both parts without and with early refresh. None if the cost of a miss is unknown.
    pub(super) fn of(split: &TrainTestSplit<'_>, ttl_ms: i64) -> Option<Self> {
        let fetch_ms = split.fetch_ms?;
        let side = |beta: f64| {
            let early = |seed| RefreshEarly { fetch_ms, beta, seed };
            let run = |blocks: &mut [RefreshTally], seed: u64, events: &[KeyEvent], window: Window| {
                replay_refresh(events, ttl_ms, split.options.on_write, window, early(seed), blocks);
            };
            // Seeds come from key hashes, so that a replay is repeatable.
            let mut learned = [RefreshTally::default(); BLOCKS];
            for (seed, events) in split.traces.hashed() {
                run(&mut learned, seed, events, split.train_window);
            }
            let mut scored = [RefreshTally::default()];
            for (key, events) in split.test_accesses.iter() {
                run(&mut scored, hash(key), events, split.test_window);
            }
            let figure = |of: fn(&RefreshTally) -> f64| {
                let blocks: Vec<(f64, f64)> = learned.iter().map(|block| (of(block), block.gets)).collect();
                let estimate = RatioEstimate::from_blocks(&blocks)?;
                // The variances of the known and of the future part add up.
                let bounds = estimate.interval(split.options.level, std::f64::consts::SQRT_2);
                let (lower, upper) = (bounds.lower.max(0.0), bounds.upper);
                let replayed = (scored[0].gets > 0.0).then(|| of(&scored[0]) / scored[0].gets);
                Some(Figure { predicted: Predicted { value: Some(estimate.value), lower, upper }, replayed })
            };
            Some((figure(|tally| tally.waits)?, figure(|tally| tally.fetches)?))
        };
        let ((waits, fetches), (waits_early, fetches_early)) = (side(0.0)?, side(BETA)?);
        Some(Self { ttl_ms, fetch_ms, waiting_share: (waits, waits_early), fetches_per_read: (fetches, fetches_early) })
    }

    pub(super) fn to_json(self) -> Value {
        let pair = |(before, after): (Figure, Figure)| json!({"before": before.to_json(), "after": after.to_json()});
        json!({
            "ttl_seconds": ttl_seconds(self.ttl_ms),
            "beta": BETA,
            "fetch_ms": self.fetch_ms,
            "waiting_share": pair(self.waiting_share),
            "fetches_per_read": pair(self.fetches_per_read),
        })
    }

    /// Returns the clause if waiting is frequent and early refresh avoids enough of it.
    pub(super) fn describe(&self) -> Option<String> {
        let (before, after) = (self.waiting_share.0.best_known()?, self.waiting_share.1.best_known()?);
        let (fetches, early) = (self.fetches_per_read.0.best_known()?, self.fetches_per_read.1.best_known()?);
        (before >= CLAUSE_LIMITS.0 && after <= CLAUSE_LIMITS.1 * before).then(|| {
            format!(
                "with early refresh (XFetch), {:.1} % of reads would wait for the origin instead of {:.1} %, at {:.2} times the fetches",
                100.0 * after,
                100.0 * before,
                early / fetches
            )
        })
    }
}
