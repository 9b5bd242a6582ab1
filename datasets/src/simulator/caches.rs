//! Simulated caches: Poisson reads and writes per key, with their events.

use almanac_engine::store::rows::{CacheEvent, CacheOp};
use almanac_models::Timestamp;
use rand::{Rng, distr::weighted::WeightedIndex};
use rand_distr::{Distribution, Exp1};
use serde::{Deserialize, Serialize};

use super::SimulatorOptions;

/// Cache whose keys are read and written as Poisson processes with Zipf-distributed rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheModel {
    /// Name of the cache.
    pub cache: String,
    /// Present time-to-live, seconds.
    pub ttl_seconds: f64,
    /// Number of keys.
    pub keys: usize,
    /// Reads per second over all keys.
    pub reads_per_second: f64,
    /// Zipf exponent of the reads; key 1 is the most read.
    pub read_exponent: f64,
    /// Writes per second over all keys.
    pub writes_per_second: f64,
    /// Zipf exponent of the writes; 0 spreads them evenly.
    pub write_exponent: f64,
    /// Size of a value, bytes.
    pub bytes: u64,
    /// Mean cost of a miss, milliseconds.
    pub miss_cost_ms: f64,
}

/// Returns the four caches of the application at their present times-to-live.
#[must_use]
pub fn cache_models() -> Vec<CacheModel> {
    let model = |cache: &str, ttl, keys, reads, writes, write_exponent, bytes, miss_cost_ms| CacheModel {
        cache: cache.into(),
        ttl_seconds: ttl,
        keys,
        reads_per_second: reads,
        read_exponent: 0.9,
        writes_per_second: writes,
        write_exponent,
        bytes,
        miss_cost_ms,
    };
    vec![
        model("user_profile", 3600.0, 400, 1.0, 0.002, 0.0, 1_200, 15.0),
        model("calendar_monthly", 1800.0, 600, 1.5, 0.020, 0.5, 6_400, 140.0),
        model("task_counters", 300.0, 300, 1.2, 0.010, 0.9, 200, 85.0),
        model("oauth_userinfo", 7200.0, 200, 0.3, 0.000_4, 0.0, 900, 110.0),
    ]
}

impl CacheModel {
    /// Returns reads and writes per second of each key, the most read first.
    #[must_use]
    pub fn rates(&self) -> Vec<(f64, f64)> {
        let reads = zipf(self.keys, self.read_exponent);
        let writes = zipf(self.keys, self.write_exponent);
        reads.iter().zip(&writes).map(|(r, w)| (r * self.reads_per_second, w * self.writes_per_second)).collect()
    }

    /// Generates reads and writes of all keys, sorted by time, from `options.start` for `options.cache_hours`. Nothing
    /// is deleted, so that copies become stale.
    pub(super) fn events(&self, options: &SimulatorOptions) -> Vec<CacheEvent> {
        let mut rng = options.stream(&format!("cache {}", self.cache));
        let end_ms = options.cache_hours * 3_600_000.0;
        let mut events = Vec::new();
        for (op, per_second, exponent) in [
            (CacheOp::Get, self.reads_per_second, self.read_exponent),
            (CacheOp::Write, self.writes_per_second, self.write_exponent),
        ] {
            let Ok(keys) = WeightedIndex::new(zipf(self.keys, exponent)) else { continue };
            let mut at_ms = 0.0;
            // Exponential gaps give one Poisson process over all keys; the key of each event is drawn by its weight.
            loop {
                let gap: f64 = Exp1.sample(&mut rng);
                at_ms += gap * 1000.0 / per_second;
                if at_ms >= end_ms {
                    break;
                }
                let read = op == CacheOp::Get;
                let cost: f64 = rng.random_range(0.5..1.5);
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds of some days")]
                events.push(CacheEvent {
                    timestamp: Timestamp::from_millis(options.start.millis() + at_ms as i64),
                    cache: self.cache.clone(),
                    key: format!("k{}", keys.sample(&mut rng) + 1),
                    op,
                    bytes: read.then_some(self.bytes),
                    miss_cost_ms: read.then_some((self.miss_cost_ms * cost).round()),
                });
            }
        }
        events.sort_by_key(|event| event.timestamp);
        events
    }
}

/// Returns Zipf weights of ranks 1 to `n` with a sum of 1.
fn zipf(n: usize, exponent: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=n).map(|rank| (rank as f64).powf(-exponent)).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_rates_that_the_model_states() {
        let options = SimulatorOptions { cache_hours: 12.0, ..Default::default() };
        for model in cache_models() {
            let events = model.events(&options);
            let seconds = options.cache_hours * 3600.0;
            for (op, rate) in [(CacheOp::Get, model.reads_per_second), (CacheOp::Write, model.writes_per_second)] {
                let n = events.iter().filter(|event| event.op == op).count() as f64;
                let expected = rate * seconds;
                assert!((n - expected).abs() < 5.0 * expected.sqrt(), "{} {op:?}: {n} of {expected}", model.cache);
            }
            let top = events.iter().filter(|event| event.op == CacheOp::Get && event.key == "k1").count() as f64;
            let expected = model.rates()[0].0 * seconds;
            assert!((top - expected).abs() < 5.0 * expected.sqrt(), "{}: {top} of {expected}", model.cache);
        }
    }

    #[test]
    fn analytic_ratios_match_a_replay_of_the_events() {
        // One cache, six runs of 48 hours, replayed key by key. The first hour does not count, since caches start
        // empty.
        let model = CacheModel { keys: 50, ..cache_models().remove(1) };
        let ttl_ms = 600_000;
        let (mut reads, mut hits, mut stale) = (0.0, 0.0, 0.0);
        for seed in 1..=6 {
            let options = SimulatorOptions { seed, cache_hours: 48.0, ..Default::default() };
            let (mut filled, mut written) = (std::collections::HashMap::new(), std::collections::HashMap::new());
            let events = model.events(&options);
            for event in &events {
                let at = event.timestamp.millis();
                if event.op == CacheOp::Write {
                    written.insert(&event.key, at);
                    continue;
                }
                let hit = filled.get(&event.key).is_some_and(|fill| at - fill < ttl_ms);
                if at > options.start.millis() + 3_600_000 {
                    let is_stale = hit && written.get(&event.key).is_some_and(|write| *write > filled[&event.key]);
                    reads += 1.0;
                    hits += f64::from(u8::from(hit));
                    stale += f64::from(u8::from(is_stale));
                }
                if !hit {
                    filled.insert(&event.key, at);
                }
            }
        }
        let truth = model.at_ttl(600.0);
        assert!((hits / reads - truth.hit_ratio).abs() < 0.005, "{} {}", hits / reads, truth.hit_ratio);
        assert!((stale / hits - truth.stale_share).abs() < 0.01, "{} {}", stale / hits, truth.stale_share);
    }
}
