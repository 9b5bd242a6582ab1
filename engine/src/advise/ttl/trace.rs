//! Accesses of a cache by key. Memory is bounded by sampling keys.

use std::hash::BuildHasher;

use almanac_models::ttl::{Access, KeyEvent};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Accesses of a cache by key, of all keys or of a sample selected by hash.
///
/// When more than `max_events` accesses are held, keys whose hash is in the upper half of the kept range are dropped.
/// Memory stays bounded, and each kept key keeps all its accesses.
///
/// # Reference
/// Waldspurger et al. (2015), "Efficient MRC construction with SHARDS", FAST (fixed size).
#[derive(Debug, Clone)]
pub struct KeyTraces {
    /// The fixed seed gives one iteration order, so that sums over the keys are reproducible to the last digit.
    traces: HashMap<u64, Vec<KeyEvent>, FixedState>,
    threshold: u64,
    held: usize,
    max_events: usize,
    gets: u64,
    writes: u64,
    deletes: u64,
}

impl KeyTraces {
    /// Creates empty traces that hold at most `max_events` accesses.
    #[must_use]
    pub fn new(max_events: usize) -> Self {
        let traces = HashMap::with_hasher(FixedState::with_seed(0));
        Self { traces, threshold: u64::MAX, held: 0, max_events, gets: 0, writes: 0, deletes: 0 }
    }

    /// Adds an access. Accesses must come in ascending time.
    pub fn observe(&mut self, key: &str, event: KeyEvent) {
        match event.access {
            Access::Get => self.gets += 1,
            Access::Write => self.writes += 1,
            Access::Delete => self.deletes += 1,
        }
        let hash = hash(key);
        if hash > self.threshold {
            return;
        }
        self.traces.entry(hash).or_default().push(event);
        self.held += 1;
        // A single key is never dropped, even if it alone exceeds the limit.
        while self.held > self.max_events && self.traces.len() > 1 {
            self.threshold /= 2;
            let threshold = self.threshold;
            self.traces.retain(|hash, _| *hash <= threshold);
            self.held = self.traces.values().map(Vec::len).sum();
        }
    }

    /// Returns the accesses of each kept key.
    pub fn iter(&self) -> impl Iterator<Item = &[KeyEvent]> {
        self.traces.values().map(Vec::as_slice)
    }

    /// Returns the accesses of each kept key with the hash of the key.
    pub(super) fn hashed(&self) -> impl Iterator<Item = (u64, &[KeyEvent])> {
        self.traces.iter().map(|(hash, events)| (*hash, events.as_slice()))
    }

    /// Returns whether the accesses of this key are kept.
    pub(super) fn keeps(&self, key: &str) -> bool {
        hash(key) <= self.threshold
    }

    /// Returns the number of kept keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.traces.len()
    }

    /// Returns whether no key is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }

    /// Returns the share of all keys that is kept: 1 until the sample shrinks.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    pub fn sampled_share(&self) -> f64 {
        self.threshold as f64 / u64::MAX as f64
    }

    /// Returns the number of reads seen, including those of dropped keys.
    #[must_use]
    pub fn gets(&self) -> u64 {
        self.gets
    }

    /// Returns the number of writes seen, including those of dropped keys.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }
}

/// Hashes a key. The hash is the same in every run, so that samples of several days contain the same keys.
pub(super) fn hash(key: &str) -> u64 {
    foldhash::quality::FixedState::with_seed(0).hash_one(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe_keys(traces: &mut KeyTraces, keys: u32, reads: u32) {
        for read in 0..reads {
            for key in 0..keys {
                traces.observe(&key.to_string(), KeyEvent { at_ms: i64::from(read), access: Access::Get });
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_kept_keys_are_whole() {
        let mut traces = KeyTraces::new(4_000);
        observe_keys(&mut traces, 10_000, 4);
        assert!(traces.held <= 4_000 && traces.gets() == 40_000);
        assert!(traces.iter().all(|events| events.len() == 4));
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let estimated = traces.len() as f64 / traces.sampled_share();
        assert!((estimated - 10_000.0).abs() < 1_500.0, "{estimated}");
    }

    #[test]
    fn nothing_is_dropped_below_the_limit() {
        let mut traces = KeyTraces::new(40);
        observe_keys(&mut traces, 10, 4);
        assert_eq!((traces.len(), traces.sampled_share()), (10, 1.0));
    }
}
