//! LRU stack distances of a stream of reads, for caches with a limited number of keys.

/// Computes the LRU stack distance of each read: the number of other keys read since the key's last read. An LRU cache
/// of `n` keys still holds a key whose distance is below `n`.
///
/// Keys are numbered from 0. Time O(log keys) per read, amortised; memory O(keys).
///
/// ```
/// use almanac_models::ttl::StackDistances;
/// let mut stack = StackDistances::default();
/// let distances = [0, 1, 2, 1, 1, 0].map(|key| stack.read(key));
/// assert_eq!(distances, [None, None, None, Some(1), Some(0), Some(2)]);
/// ```
///
/// # Reference
/// Mattson, Gecsei, Slutz & Traiger (1970), "Evaluation techniques for storage hierarchies"; counted with a tree of
/// partial sums (Fenwick, 1994) as in Bennett & Kruskal (1975), "LRU stack processing".
#[derive(Debug, Clone, Default)]
pub struct StackDistances {
    /// Position of each key's last read, from 1; 0 for none.
    last: Vec<usize>,
    /// Fenwick tree over positions: 1 at each key's last read.
    sums: Vec<u32>,
    /// Number of positions in use.
    placed: usize,
    /// Number of different keys.
    keys: u32,
}

impl StackDistances {
    /// Adds a read of `key`. Returns the number of different other keys since its last read; `None` at its first read.
    pub fn read(&mut self, key: usize) -> Option<u32> {
        if key >= self.last.len() {
            self.last.resize(key + 1, 0);
        }
        if self.placed + 1 >= self.sums.len() {
            self.pack();
        }
        let before = self.last[key];
        let distance = (before > 0).then(|| self.keys - self.sum(before));
        if before > 0 {
            self.add(before, false);
        } else {
            self.keys += 1;
        }
        self.placed += 1;
        self.last[key] = self.placed;
        self.add(self.placed, true);
        distance
    }

    /// Returns the number of keys whose last read is at `position` or before.
    fn sum(&self, mut position: usize) -> u32 {
        let mut sum = 0;
        while position > 0 {
            sum += self.sums[position];
            position &= position - 1;
        }
        sum
    }

    /// Adds 1 at `position` if `one`, otherwise subtracts 1.
    fn add(&mut self, mut position: usize, one: bool) {
        while position < self.sums.len() {
            let sum = &mut self.sums[position];
            *sum = if one { *sum + 1 } else { *sum - 1 };
            position += position & position.wrapping_neg();
        }
    }

    /// Renumbers the last reads without gaps, so that memory grows with the keys and not with the reads.
    fn pack(&mut self) {
        let mut order: Vec<(usize, usize)> =
            self.last.iter().enumerate().filter(|(_, last)| **last > 0).map(|(key, last)| (*last, key)).collect();
        order.sort_unstable();
        // Twice the keys: a compaction of n keys occurs only after n more reads, so its cost is amortised.
        self.sums = vec![0; (2 * order.len()).max(1_024) + 2];
        self.placed = order.len();
        for (idx, (_, key)) in order.into_iter().enumerate() {
            self.last[key] = idx + 1;
            self.add(idx + 1, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    /// Reference implementation: keys by their last read, latest first.
    fn naive(stack: &mut Vec<usize>, key: usize) -> Option<u32> {
        let depth = stack.iter().position(|held| *held == key);
        if let Some(depth) = depth {
            stack.remove(depth);
        }
        stack.insert(0, key);
        depth.map(|depth| u32::try_from(depth).unwrap())
    }

    #[test]
    fn compaction_changes_nothing() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let (mut stack, mut list) = (StackDistances::default(), Vec::new());
        for read in 0..30_000 {
            let key = rng.random_range(0..3_000) / (1 + read % 7);
            assert_eq!(stack.read(key), naive(&mut list, key), "{read}");
        }
        assert!(stack.sums.len() <= 6_002, "{}", stack.sums.len());
    }

    #[test]
    fn distances_of_independent_uniform_reads_are_uniform() {
        // 100 keys read at random: the distance is uniform on 0 to 99.
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(6);
        let mut stack = StackDistances::default();
        let distances: Vec<u32> = (0..50_000).filter_map(|_| stack.read(rng.random_range(0..100))).collect();
        for bound in [10, 50, 90] {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let share = distances.iter().filter(|distance| **distance < bound).count() as f64 / distances.len() as f64;
            // Four binomial errors of 50,000 at a half: 0.009.
            assert!((share - f64::from(bound) / 100.0).abs() < 0.009, "{bound}: {share}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(keys in prop::collection::vec(0_usize..12, 0..200)) {
            let (mut stack, mut list) = (StackDistances::default(), Vec::new());
            for key in keys {
                prop_assert_eq!(stack.read(key), naive(&mut list, key));
            }
        }
    }
}
