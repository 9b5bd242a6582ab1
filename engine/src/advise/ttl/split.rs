//! The events of one cache in time order, split into a part to learn from and a part to score on. Built by `replay`;
//! read by `findings` and `gains`.

use almanac_models::ttl::{Access, KeyEvent, Lifetime, OnWrite, Tally, Window, replay};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{
    Figure, KeyTraces, TtlOptions,
    predict::{Prediction, Predictor},
};

/// One access of a known cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedAccess<'a> {
    pub(super) key: &'a str,
    pub(super) event: KeyEvent,
    /// NaN if not reported. 32 bits, because there are many of these.
    pub(super) miss_cost_ms: f32,
}

/// Events of one cache, split by time into a part to learn from and a part to score on.
pub(super) struct TrainTestSplit<'a> {
    pub(super) options: &'a TtlOptions,
    /// First part, by time and by key.
    pub(super) train_events: &'a [TimedAccess<'a>],
    pub(super) traces: &'a KeyTraces,
    pub(super) train_window: Window,
    /// Second part, by time and by key.
    pub(super) test_events: &'a [TimedAccess<'a>],
    pub(super) test_accesses: &'a ScoredAccesses<'a>,
    pub(super) test_window: Window,
    /// Mean cost of a miss in the first part, milliseconds.
    pub(super) fetch_ms: Option<f64>,
}

impl<'a> TrainTestSplit<'a> {
    /// Returns the reads per day over both parts; infinite for an empty span.
    pub(super) fn reads_per_day(&self) -> f64 {
        (self.traces.gets() as f64 + self.test_accesses.gets()) / self.days()
    }

    /// Returns the length of both parts, days.
    pub(super) fn days(&self) -> f64 {
        (self.train_window.len_ms() + self.test_window.len_ms()) / 86_400_000.0
    }

    /// Returns the predictor of the second part, learned on the first.
    pub(super) fn predictor(&self, on_write: OnWrite) -> Predictor<'a> {
        let length_ms = self.test_window.end_ms - self.test_window.start_ms;
        Predictor::new(self.traces, self.train_window, length_ms, on_write, self.options.level)
    }
}

/// Accesses of the second part by key, without sampling.
pub(super) struct ScoredAccesses<'a> {
    keys: HashMap<&'a str, Vec<KeyEvent>, FixedState>,
    gets: f64,
}

impl<'a> ScoredAccesses<'a> {
    /// Groups accesses by key. The fixed seed makes the order of the keys, and so every sum, reproducible.
    pub(super) fn of(events: &[TimedAccess<'a>]) -> Self {
        let mut keys: HashMap<&str, Vec<KeyEvent>, _> = HashMap::with_hasher(FixedState::with_seed(0));
        for timed in events {
            keys.entry(timed.key).or_default().push(timed.event);
        }
        Self { keys, gets: events.iter().filter(|timed| timed.event.access == Access::Get).count() as f64 }
    }

    /// Returns the accesses of each key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &[KeyEvent])> {
        self.keys.iter().map(|(key, events)| (*key, events.as_slice()))
    }

    /// Number of reads.
    pub(super) fn gets(&self) -> f64 {
        self.gets
    }

    /// Returns hit ratio, stale share and mean number of resident keys, predicted and replayed.
    pub(super) fn figures(
        &self,
        ttl_ms: impl Lifetime,
        predicted: &Prediction,
        on_write: OnWrite,
        window: Window,
    ) -> [Figure; 3] {
        let mut tally = Tally::default();
        for events in self.keys.values() {
            tally.add(&replay(events, ttl_ms, on_write, window), 1.0);
        }
        let length_ms = window.len_ms();
        let resident = if length_ms > 0.0 { tally.resident_ms / length_ms } else { 0.0 };
        let held = (self.gets > 0.0).then_some(resident);
        [
            Figure { predicted: predicted.hit_ratio, replayed: tally.hit_ratio() },
            Figure { predicted: predicted.stale_share, replayed: tally.stale_share() },
            Figure { predicted: predicted.resident_keys_mean, replayed: held },
        ]
    }
}
