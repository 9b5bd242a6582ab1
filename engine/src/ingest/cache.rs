//! Cache from the bytes of a series' labels, as a sender writes them, to the series number; skips parsing of known
//! labels.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use hashbrown::HashMap;
use parking_lot::RwLock;
use rand::Rng;
use siphasher::sip128::SipHasher13;

use super::remote_write::{Request, Version};
use crate::series::SeriesId;

/// Number of shards, each with a lock; a power of two.
const SHARDS: usize = 64;

/// Hash of 128 bits that identifies a series as a sender writes it.
///
/// The hash has a random key, so that a sender cannot construct collisions. At 128 bits accidental collisions are
/// negligible, and the labels are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeriesKey(u64, u64);

impl Hash for SeriesKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.1);
    }
}

/// Hasher for [`SeriesKey`], which is uniform already: returns the second half of the key.
#[derive(Debug, Default)]
struct PassThroughHasher(u64);

impl Hasher for PassThroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not called for `SeriesKey`; correct for other keys.
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

type Shard = RwLock<HashMap<SeriesKey, SeriesId, BuildHasherDefault<PassThroughHasher>>>;

/// Cache of series numbers by the hash of the sender's bytes, per version of remote write and for text.
pub(crate) struct SeriesCache {
    shards: Vec<Shard>,
    shard_limit: usize,
    v1: SipHasher13,
    v2: SipHasher13,
    symbol: SipHasher13,
}

impl SeriesCache {
    /// Creates a cache for about `series` series.
    pub(crate) fn new(series: usize) -> Self {
        let mut rng = rand::rng();
        let mut hasher = || SipHasher13::new_with_keys(rng.random(), rng.random());
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            // Four entries per series: one series can be written in several ways (1.0, 2.0, order of labels).
            shard_limit: (series.saturating_mul(4) / SHARDS).max(1024),
            v1: hasher(),
            v2: hasher(),
            symbol: hasher(),
        }
    }

    /// Computes the key of each entry of a request.
    pub(crate) fn keys(&self, request: &Request, out: &mut Vec<SeriesKey>) {
        let hasher = match request.version() {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        };
        out.clear();
        out.reserve(request.entries().len());
        request.keys(
            |symbol| u128::from(self.symbol.hash(symbol)).to_le_bytes(),
            |bytes| {
                let hash = hasher.hash(bytes);
                out.push(SeriesKey(hash.h1, hash.h2));
            },
        );
    }

    /// Returns the key of a series written as text. `scope` separates sources whose equal texts are different series.
    pub(crate) fn text_key(&self, scope: u64, text: &[u8]) -> SeriesKey {
        let mut hasher = self.symbol;
        hasher.write_u64(scope);
        hasher.write(text);
        let hash = siphasher::sip128::Hasher128::finish128(&hasher);
        SeriesKey(hash.h1, hash.h2)
    }

    #[inline]
    pub(crate) fn get(&self, key: SeriesKey) -> Option<SeriesId> {
        self.shard(key).read().get(&key).copied()
    }

    pub(crate) fn insert(&self, key: SeriesKey, id: SeriesId) {
        let mut shard = self.shard(key).write();
        // Bounds memory when a sender writes the same series in ever different ways.
        if shard.len() >= self.shard_limit {
            shard.clear();
        }
        shard.insert(key, id);
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "masked to the number of shards")]
    fn shard(&self, key: SeriesKey) -> &Shard {
        &self.shards[key.0 as usize & (SHARDS - 1)]
    }
}
