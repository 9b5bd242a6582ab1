//! Predicts hit ratio, stale share and resident keys at a time-to-live from earlier accesses. Called by `replay` and
//! `gains`.

use almanac_models::{
    Level,
    ttl::{
        Access, Bounds, DayCourse, KeyEvent, Lifetime, OnWrite, RatioEstimate, Tally, Window, WriteRates,
        expected_stale_hits, replay_blocks,
    },
};

use super::{Predicted, TtlCosts, trace::KeyTraces};

/// Number of blocks of time that a window is cut into for its interval.
pub(super) const BLOCKS: usize = 24;
/// Maximum number of windows that are replayed when the known span is longer than the predicted one.
const WINDOWS_MAX: usize = 6;

/// Predicts a cache that starts empty and runs for a given time, from the accesses of an earlier span.
#[derive(Debug)]
pub(super) struct Predictor<'a> {
    traces: &'a KeyTraces,
    known: Window,
    length_ms: i64,
    on_write: OnWrite,
    level: Level,
    /// Write rate of each key, in the order of the traces. None if copies are dropped by writes or deletions.
    rates: Option<WriteRates>,
    /// Write rate by time of day.
    course: DayCourse,
}

/// Predictions at one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prediction {
    pub(super) hit_ratio: Predicted,
    pub(super) stale_share: Predicted,
    pub(super) resident_keys_mean: Predicted,
}

impl Prediction {
    /// Returns the utility of the predicted values; see [`utility`].
    pub(super) fn utility(&self, costs: Option<TtlCosts>) -> f64 {
        let stale = self.stale_share.value.unwrap_or(self.stale_share.upper);
        utility(self.hit_ratio.value.unwrap_or(0.0), stale, costs)
    }
}

/// Returns the utility of a cache in units of hit ratio. Without costs it is the hit ratio; with costs it is the
/// negated cost of misses and stale hits per read, in misses.
pub(super) fn utility(hit: f64, stale: f64, costs: Option<TtlCosts>) -> f64 {
    costs.map_or(hit, |costs| {
        let miss = costs.miss.max(f64::MIN_POSITIVE);
        -((1.0 - hit) * costs.miss + hit * stale * costs.stale) / miss
    })
}

impl<'a> Predictor<'a> {
    /// Creates a predictor. `known`: span of `traces`; `length_ms`: how long the cache will run.
    pub(super) fn new(traces: &'a KeyTraces, known: Window, length_ms: i64, on_write: OnWrite, level: Level) -> Self {
        let counts: Vec<(f64, f64)> =
            traces.iter().map(|events| (count(events, Access::Get), count(events, Access::Write))).collect();
        // Deletions by the application make hits depend on writes, which the rate model does not cover.
        let dropped = traces.iter().any(|events| count(events, Access::Delete) > 0.0);
        let rates = WriteRates::fit(&counts, known.len_ms()).filter(|_| on_write == OnWrite::Keep && !dropped);
        Self { traces, known, length_ms: length_ms.max(0), on_write, level, rates, course: DayCourse::flat() }
    }

    /// Returns the predictor with a daily course of writes.
    pub(super) fn with_course(self, course: DayCourse) -> Self {
        Self { course, ..self }
    }

    /// Returns the expected number of writes of the `nth` key between two instants, epoch milliseconds.
    pub(super) fn writes(&self, nth: usize) -> impl Fn(i64, i64) -> f64 + '_ {
        let per_ms = self.rates.as_ref().map_or(0.0, |rates| rates.per_ms(nth));
        move |from_ms, until_ms| per_ms * self.course.between(from_ms, until_ms)
    }

    /// Predicts by replaying windows of the predicted length, each from an empty cache, so that warm-up misses have
    /// their future weight. If the known span is shorter, its later half also represents the missing time.
    pub(super) fn predict(&self, ttl_ms: impl Lifetime) -> Prediction {
        let windows = self.windows();
        let n_windows = windows.len() as f64;
        let mut blocks = vec![Tally::default(); BLOCKS];
        let mut total = Tally::default();
        let mut keys = Vec::with_capacity(self.traces.len());
        let mut modelled = (0.0, 0.0);
        for (nth, events) in self.traces.iter().enumerate() {
            if self.rates.is_some() {
                for &window in &windows {
                    let (hits, stale) = expected_stale_hits(events, ttl_ms, self.writes(nth), window);
                    modelled = (modelled.0 + stale, modelled.1 + hits);
                }
            }
            let mut key_blocks = [Tally::default(); BLOCKS];
            for &window in &windows {
                replay_blocks(events, ttl_ms, self.on_write, window, &mut key_blocks);
            }
            let mut key = Tally::default();
            for (block, key_block) in blocks.iter_mut().zip(&key_blocks) {
                block.add(key_block, 1.0 / n_windows);
                key.add(key_block, 1.0 / n_windows);
            }
            // The later half of the blocks is past the warm-up.
            if self.missing_share() > 0.0 {
                for key_block in &key_blocks[BLOCKS / 2..] {
                    key.add(key_block, 2.0 * self.missing_share());
                }
            }
            total.add(&key, 1.0);
            keys.push(key);
        }
        self.prediction(&total, &keys, &blocks, modelled)
    }

    /// Combines tallies into predictions. `modelled`: expected stale hits and hits over the windows, by the write
    /// rates.
    fn prediction(&self, total: &Tally, keys: &[Tally], blocks: &[Tally], modelled: (f64, f64)) -> Prediction {
        let unknown = Predicted { value: None, lower: 0.0, upper: 1.0 };
        let estimated = |estimate: Option<RatioEstimate>, of: fn(&Tally) -> (f64, f64)| {
            Some(self.with_largest_error(estimate?, total, keys, blocks, of))
        };
        let interval =
            |estimate: RatioEstimate| clamp(estimate.value, estimate.interval(self.level, self.widening()), 1.0);
        let hit_ratio = estimated(total.hit_ratio_estimate(), |t| (t.hits, t.gets)).map_or(unknown, interval);
        let stale_share = match self.on_write {
            OnWrite::Keep => estimated(total.stale_share_estimate(), |t| (t.stale_hits, t.hits))
                .map(|estimate| shrunk_to_model(estimate, blocks, modelled))
                .map(interval),
            // A copy that every write drops is never stale.
            OnWrite::Drop => total.stale_share().map(|_| Predicted { value: Some(0.0), lower: 0.0, upper: 0.0 }),
        };
        // Without a hit no hit is stale; without reads nothing is known.
        let no_hits = if total.gets > 0.0 { Predicted { value: Some(0.0), lower: 0.0, upper: 1.0 } } else { unknown };
        Prediction {
            hit_ratio,
            stale_share: stale_share.unwrap_or(no_hits),
            resident_keys_mean: self.resident(total, keys, blocks),
        }
    }

    /// Returns the estimate with the largest of four errors: over lifetimes of copies, over blocks of time, over keys,
    /// and the Poisson error. The error over keys counts only as far as keys were not sampled, because the sampled keys
    /// recur.
    fn with_largest_error(
        &self,
        estimate: RatioEstimate,
        total: &Tally,
        keys: &[Tally],
        blocks: &[Tally],
        of: fn(&Tally) -> (f64, f64),
    ) -> RatioEstimate {
        let pairs = |tallies: &[Tally]| tallies.iter().map(of).collect::<Vec<_>>();
        let (events, all) = of(total);
        let by_time = RatioEstimate::from_blocks(&pairs(blocks)).unwrap_or(estimate);
        let by_key =
            RatioEstimate::from_clusters(&pairs(keys)).unwrap_or(estimate).widened(self.unsampled_share().sqrt());
        estimate.or_wider(by_time).or_wider(by_key).or_wider(poisson_error(events, all))
    }

    /// Returns the share of the keys that was not sampled.
    fn unsampled_share(&self) -> f64 {
        1.0 - self.traces.sampled_share()
    }

    /// Predicts the mean number of resident keys.
    fn resident(&self, total: &Tally, keys: &[Tally], blocks: &[Tally]) -> Predicted {
        let length_ms = self.length_ms as f64;
        if length_ms <= 0.0 {
            return Predicted { value: Some(0.0), lower: 0.0, upper: 0.0 };
        }
        let scale = 1.0 / self.traces.sampled_share();
        let value = scale * total.resident_ms / length_ms;
        // Resident time of keys adds up like a sum of independent terms; sampled keys recur.
        let by_key = keys.iter().map(|key| (key.resident_ms / length_ms).powi(2)).sum::<f64>().sqrt();
        let by_key = by_key * scale * self.unsampled_share().sqrt();
        let width = self.known.len_ms().min(length_ms) / BLOCKS as f64;
        let pairs: Vec<(f64, f64)> = blocks.iter().map(|block| (block.resident_ms, width)).collect();
        let by_time = RatioEstimate::from_blocks(&pairs).map_or(0.0, |ratio| scale * ratio.standard_error);
        let bounds = RatioEstimate { value, standard_error: by_key.max(by_time) }.interval(self.level, self.widening());
        clamp(value, bounds, f64::INFINITY)
    }

    /// Returns the factor by which intervals widen: the variances of the known and of the predicted span add up.
    fn widening(&self) -> f64 {
        let known = self.known.len_ms();
        let asked = (self.length_ms as f64).max(1.0);
        (1.0 + known / asked).sqrt().clamp(1.0, 10.0)
    }

    /// Returns the time that the cache runs beyond the known span, in units of the known span.
    fn missing_share(&self) -> f64 {
        (self.length_ms as f64 / self.known.len_ms().max(1.0) - 1.0).max(0.0)
    }

    /// Returns the windows of the predicted length that are replayed, or the known span if it is shorter.
    fn windows(&self) -> Vec<Window> {
        let Window { start_ms, end_ms } = self.known;
        let spare_ms = (end_ms - start_ms).saturating_sub(self.length_ms);
        if spare_ms <= 0 || self.length_ms == 0 {
            return vec![self.known];
        }
        // Windows overlap by half; the last one ends with the known span.
        let wanted = usize::try_from(2 * spare_ms / self.length_ms).unwrap_or(WINDOWS_MAX) + 1;
        let n_windows = if spare_ms * 10 < self.length_ms { 1 } else { wanted.clamp(2, WINDOWS_MAX) };
        (0..n_windows)
            .map(|idx| {
                let back_ms = spare_ms / n_windows.max(2).saturating_sub(1) as i64 * idx as i64;
                Window { start_ms: end_ms - back_ms - self.length_ms, end_ms: end_ms - back_ms }
            })
            .collect()
    }
}

/// Shrinks the stale share towards the rate model, which removes the chance of when writes occurred: one write of a
/// popular key makes the rest of its copy's life stale, and the next time it hits another key.
fn shrunk_to_model(estimate: RatioEstimate, blocks: &[Tally], (stale, hits): (f64, f64)) -> RatioEstimate {
    let counted = blocks.iter().fold((0.0, 0.0), |sum, block| (sum.0 + block.stale_hits, sum.1 + block.hits));
    if hits <= 0.0 || counted.1 <= 0.0 {
        return estimate;
    }
    // The difference over the replayed windows also applies to the time that they represent.
    let model = (estimate.value + stale / hits - counted.0 / counted.1).clamp(0.0, 1.0);
    estimate.shrunk_towards(model)
}

fn count(events: &[KeyEvent], access: Access) -> f64 {
    events.iter().filter(|event| event.access == access).count() as f64
}

/// Returns the Poisson error of a share of counted events: at least that of one event.
fn poisson_error(events: f64, of: f64) -> RatioEstimate {
    RatioEstimate { value: events / of, standard_error: events.max(1.0).sqrt().min(of) / of }
}

/// Returns the value with its interval, clamped to [0, `most`].
fn clamp(value: f64, bounds: Bounds, most: f64) -> Predicted {
    Predicted {
        value: Some(value),
        lower: bounds.lower.clamp(0.0, most).min(value),
        upper: bounds.upper.clamp(0.0, most).max(value),
    }
}
