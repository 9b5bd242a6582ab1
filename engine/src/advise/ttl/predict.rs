//! Predicts what a cache will do at a time-to-live from the accesses of an earlier time.

use almanac_models::{
    Level,
    ttl::{
        Access, Bounds, DayCourse, KeyEvent, Lifetime, OnWrite, RatioEstimate, Tally, Window, WriteRates,
        expected_stale_hits, replay_blocks,
    },
};

use super::{Predicted, TtlCosts, choose::utility, trace::KeyTraces};

/// Blocks of time a window is cut into for its interval.
pub(super) const BLOCKS: usize = 24;
/// Windows that are replayed when what is asked for is shorter than what is known.
const WINDOWS_MAX: usize = 6;

/// What a cache that starts empty and runs for a given time will do, foretold from the accesses of
/// an earlier time.
#[derive(Debug)]
pub(super) struct Predictor<'a> {
    traces: &'a KeyTraces,
    known: Window,
    length_ms: i64,
    on_write: OnWrite,
    level: Level,
    /// How often each key is written, in the order of the traces.
    rates: Option<WriteRates>,
    /// When on the day.
    course: DayCourse,
}

/// The three predictions at one time-to-live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prediction {
    pub(super) hit_ratio: Predicted,
    pub(super) stale_share: Predicted,
    pub(super) resident_keys_mean: Predicted,
}

impl Prediction {
    /// See [`utility`].
    pub(super) fn utility(&self, costs: Option<TtlCosts>) -> f64 {
        let stale = self.stale_share.value.unwrap_or(self.stale_share.upper);
        utility(self.hit_ratio.value.unwrap_or(0.0), stale, costs)
    }
}

impl<'a> Predictor<'a> {
    /// `known`: the span of `traces`; `length_ms`: for how long the cache will run.
    pub(super) fn new(traces: &'a KeyTraces, known: Window, length_ms: i64, on_write: OnWrite, level: Level) -> Self {
        let counts: Vec<(f64, f64)> =
            traces.iter().map(|events| (count(events, Access::Get), count(events, Access::Write))).collect();
        // Where copies are dropped as the application sees fit, writes and hits know of one another.
        let dropped = traces.iter().any(|events| count(events, Access::Delete) > 0.0);
        let rates = WriteRates::fit(&counts, known.len_ms()).filter(|_| on_write == OnWrite::Keep && !dropped);
        Self { traces, known, length_ms: length_ms.max(0), on_write, level, rates, course: DayCourse::flat() }
    }

    /// The same with writes that have a course of the day.
    pub(super) fn with_course(self, course: DayCourse) -> Self {
        Self { course, ..self }
    }

    /// Writes of the `nth` key of the traces that are expected between two moments.
    pub(super) fn writes(&self, nth: usize) -> impl Fn(i64, i64) -> f64 + '_ {
        let per_ms = self.rates.as_ref().map_or(0.0, |rates| rates.per_ms(nth));
        move |from_ms, until_ms| per_ms * self.course.between(from_ms, until_ms)
    }

    /// Replays windows as long as what is asked for, each from an empty cache, so that misses of the
    /// warm-up weigh as they will. Where less is known than asked for, the later half of what is known
    /// stands for the rest.
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
            if self.missing_share() > 0.0 {
                for key_block in &key_blocks[BLOCKS / 2..] {
                    key.add(key_block, 2.0 * self.missing_share());
                }
            }
            total.add(&key, 1.0);
            keys.push(key);
        }
        self.conclude(&total, &keys, &blocks, modelled)
    }

    /// `modelled`: hits expected to be stale and hits, over the windows, by the rates of writes.
    fn conclude(&self, total: &Tally, keys: &[Tally], blocks: &[Tally], modelled: (f64, f64)) -> Prediction {
        let unknown = Predicted { value: None, lower: 0.0, upper: 1.0 };
        let estimated = |estimate: Option<RatioEstimate>, of: fn(&Tally) -> (f64, f64)| {
            Some(self.with_other_errors(estimate?, total, keys, blocks, of))
        };
        let interval =
            |estimate: RatioEstimate| clamp(estimate.value, estimate.interval(self.level, self.widening()), 1.0);
        let hit_ratio = estimated(total.hit_ratio_estimate(), |t| (t.hits, t.gets)).map_or(unknown, interval);
        let stale_share = match self.on_write {
            OnWrite::Keep => estimated(total.stale_share_estimate(), |t| (t.stale_hits, t.hits))
                .map(|estimate| smoothed(estimate, blocks, modelled))
                .map(interval),
            // A copy that every write drops is never stale.
            OnWrite::Drop => total.stale_share().map(|_| Predicted { value: Some(0.0), lower: 0.0, upper: 0.0 }),
        };
        // Without a single hit there is no stale one either; without reads nothing is known.
        let no_hits = if total.gets > 0.0 { Predicted { value: Some(0.0), lower: 0.0, upper: 1.0 } } else { unknown };
        Prediction {
            hit_ratio,
            stale_share: stale_share.unwrap_or(no_hits),
            resident_keys_mean: self.resident(total, keys, blocks),
        }
    }

    /// The largest of the errors over lives of copies, over stretches of time, of a single counted
    /// event, and over keys; the last only as far as keys were left out, since the others come again.
    fn with_other_errors(
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
        let by_key = RatioEstimate::from_clusters(&pairs(keys)).unwrap_or(estimate).widened(self.left_out().sqrt());
        estimate.or_wider(by_time).or_wider(by_key).or_wider(counted(events, all))
    }

    /// Share of the keys that was not learned from.
    fn left_out(&self) -> f64 {
        1.0 - self.traces.sampled_share()
    }

    fn resident(&self, total: &Tally, keys: &[Tally], blocks: &[Tally]) -> Predicted {
        let length_ms = self.length_ms as f64;
        if length_ms <= 0.0 {
            return Predicted { value: Some(0.0), lower: 0.0, upper: 0.0 };
        }
        let scale = 1.0 / self.traces.sampled_share();
        let value = scale * total.resident_ms / length_ms;
        let by_key = keys.iter().map(|key| (key.resident_ms / length_ms).powi(2)).sum::<f64>().sqrt();
        let by_key = by_key * scale * self.left_out().sqrt();
        let width = self.known.len_ms().min(length_ms) / BLOCKS as f64;
        let pairs: Vec<(f64, f64)> = blocks.iter().map(|block| (block.resident_ms, width)).collect();
        let by_time = RatioEstimate::from_blocks(&pairs).map_or(0.0, |ratio| scale * ratio.standard_error);
        let bounds = RatioEstimate { value, standard_error: by_key.max(by_time) }.interval(self.level, self.widening());
        clamp(value, bounds, f64::INFINITY)
    }

    /// The error of what is known and that of what will be seen add up.
    fn widening(&self) -> f64 {
        let known = self.known.len_ms();
        let asked = (self.length_ms as f64).max(1.0);
        (1.0 + known / asked).sqrt().clamp(1.0, 10.0)
    }

    /// How much longer the cache runs than is known, in units of what is known.
    fn missing_share(&self) -> f64 {
        (self.length_ms as f64 / self.known.len_ms().max(1.0) - 1.0).max(0.0)
    }

    fn windows(&self) -> Vec<Window> {
        let Window { start_ms, end_ms } = self.known;
        let spare_ms = (end_ms - start_ms).saturating_sub(self.length_ms);
        if spare_ms <= 0 || self.length_ms == 0 {
            return vec![self.known];
        }
        // Overlapping by half, the last one ends where knowledge ends.
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

/// The share with what chance made of the moments of the writes taken out: when a key that is read much is written once, all
/// that follows in its copy's life is stale, and the next time it is another key.
fn smoothed(estimate: RatioEstimate, blocks: &[Tally], (stale, hits): (f64, f64)) -> RatioEstimate {
    let counted = blocks.iter().fold((0.0, 0.0), |sum, block| (sum.0 + block.stale_hits, sum.1 + block.hits));
    if hits <= 0.0 || counted.1 <= 0.0 {
        return estimate;
    }
    // The difference over the windows replayed holds for what stands for the rest as well.
    let model = (estimate.value + stale / hits - counted.0 / counted.1).clamp(0.0, 1.0);
    estimate.shrunk_towards(model)
}

fn count(events: &[KeyEvent], access: Access) -> f64 {
    events.iter().filter(|event| event.access == access).count() as f64
}

/// The least error that a share of counted events has: that of a single event where none was seen.
fn counted(events: f64, of: f64) -> RatioEstimate {
    RatioEstimate { value: events / of, standard_error: events.max(1.0).sqrt().min(of) / of }
}

fn clamp(value: f64, bounds: Bounds, most: f64) -> Predicted {
    Predicted {
        value: Some(value),
        lower: bounds.lower.clamp(0.0, most).min(value),
        upper: bounds.upper.clamp(0.0, most).max(value),
    }
}
