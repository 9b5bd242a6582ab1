//! Refreshing early (XFetch).

use almanac_models::ttl::{KeyEvent, RatioEstimate, RefreshEarly, RefreshTally, Window, replay_refresh};
use serde_json::{Value, json};

use crate::advise::ttl::{
    Figure, Predicted, figures::ttl_seconds, predict::BLOCKS, replay::TrainTestSplit, trace::hash,
};

/// The eagerness that is best where fetches take an exponential time (Vattani et al., theorem 3.3); its effect is flat about it.
const BETA: f64 = 1.0;
/// Reads that must wait without it, and the part of them that may be left with it, for it to be worth a word.
const WORTH_A_WORD: (f64, f64) = (0.01, 0.8);

/// What refreshing early (XFetch) would do at one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyRefresh {
    /// The time-to-live, milliseconds.
    pub ttl_ms: i64,
    /// How long a fetch takes: the mean cost of a miss in the first part, milliseconds.
    pub fetch_ms: f64,
    /// Share of reads that wait for the origin without and with it.
    pub waiting_share: (Figure, Figure),
    /// Fetches from the origin for each read without and with it; callers do not wait for one another.
    pub fetches_per_read: (Figure, Figure),
}

impl EarlyRefresh {
    pub(super) fn of(parts: &TrainTestSplit<'_>, ttl_ms: i64) -> Option<Self> {
        let fetch_ms = parts.fetch_ms?;
        let side = |beta: f64| {
            let early = |seed| RefreshEarly { fetch_ms, beta, seed };
            let run = |blocks: &mut [RefreshTally], seed: u64, events: &[KeyEvent], window: Window| {
                replay_refresh(events, ttl_ms, parts.options.on_write, window, early(seed), blocks);
            };
            let mut learned = [RefreshTally::default(); BLOCKS];
            for (seed, events) in parts.traces.hashed() {
                run(&mut learned, seed, events, parts.known);
            }
            let mut scored = [RefreshTally::default()];
            for (key, events) in parts.replayed.iter() {
                run(&mut scored, hash(key), events, parts.second);
            }
            let figure = |of: fn(&RefreshTally) -> f64| {
                let blocks: Vec<(f64, f64)> = learned.iter().map(|block| (of(block), block.gets)).collect();
                let estimate = RatioEstimate::from_blocks(&blocks)?;
                // The error of what is known and that of what will be seen.
                let bounds = estimate.interval(parts.options.level, std::f64::consts::SQRT_2);
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

    pub(super) fn words(&self) -> Option<String> {
        let (before, after) = (self.waiting_share.0.best_known()?, self.waiting_share.1.best_known()?);
        let (fetches, early) = (self.fetches_per_read.0.best_known()?, self.fetches_per_read.1.best_known()?);
        (before >= WORTH_A_WORD.0 && after <= WORTH_A_WORD.1 * before).then(|| {
            format!(
                "refreshing early (XFetch), {:.1} % of reads would wait for the origin and not {:.1} %, at {:.2} times the fetches",
                100.0 * after,
                100.0 * before,
                early / fetches
            )
        })
    }
}
