//! Replays the accesses of one key through a cache without eviction, and counts hits, stale hits and residency.

use super::{Lifetime, RatioEstimate};

/// Kind of an access to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A read: a hit, or a miss that fills the cache.
    Get,
    /// The value at the origin changes.
    Write,
    /// The cached copy is dropped.
    Delete,
}

/// One access of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEvent {
    /// Time in milliseconds from any origin.
    pub at_ms: i64,
    /// Kind of the access.
    pub access: Access,
}

/// Effect of a write at the origin on the cached copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnWrite {
    /// None: later hits are stale until the copy expires.
    Keep,
    /// The write drops the copy (invalidation on write).
    Drop,
}

/// A span of time in milliseconds. Residency is counted within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First moment.
    pub start_ms: i64,
    /// End.
    pub end_ms: i64,
}

impl Window {
    /// Length in milliseconds, not negative.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    pub fn len_ms(self) -> f64 {
        self.end_ms.saturating_sub(self.start_ms).max(0) as f64
    }

    /// Returns the index, from 0, of the part that contains a moment, of `n_parts` equal parts; the last one for
    /// moments after the window.
    #[must_use]
    pub fn part_of(self, at_ms: i64, n_parts: usize) -> usize {
        let length = self.len_ms();
        let last = n_parts.saturating_sub(1);
        if length <= 0.0 {
            return last;
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of parts")]
        let position = offset_ms(self, at_ms) / length * n_parts as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 0, cut at the last part")]
        let index = position.max(0.0) as usize;
        index.min(last)
    }
}

/// Counts of a replay. Tallies of several keys, windows or blocks can be added.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// Reads.
    pub gets: f64,
    /// Reads served by a copy.
    pub hits: f64,
    /// Hits on a copy whose key was written after its fill.
    pub stale_hits: f64,
    /// Time with a live copy, in milliseconds.
    pub resident_ms: f64,
    /// Part of it with copies that ended without a hit, in milliseconds.
    pub unread_ms: f64,
    /// Second moments over the lives of copies, for the standard errors of the shares.
    pub lives: LifeMoments,
}

/// Sums over the lives of copies, each from its fill to its end.
///
/// A copy's life is a renewal cycle: different lives are independent, while hits within one life are
/// correlated.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LifeMoments {
    /// Number of lives, one per fill.
    pub lives: f64,
    /// Sum of squared hits.
    pub hits_squared: f64,
    /// Sum of squared stale hits.
    pub stale_squared: f64,
    /// Sum of hits times stale hits.
    pub hits_by_stale: f64,
}

impl Tally {
    /// Share of reads that hit; `None` without reads.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.gets > 0.0).then(|| self.hits / self.gets)
    }

    /// Share of hits that are stale: 0 without hits, `None` without reads.
    #[must_use]
    pub fn stale_share(&self) -> Option<f64> {
        (self.gets > 0.0).then(|| if self.hits > 0.0 { self.stale_hits / self.hits } else { 0.0 })
    }

    /// Adds another tally, multiplied by `weight`.
    pub fn add(&mut self, other: &Self, weight: f64) {
        self.gets += weight * other.gets;
        self.hits += weight * other.hits;
        self.stale_hits += weight * other.stale_hits;
        self.resident_ms += weight * other.resident_ms;
        self.unread_ms += weight * other.unread_ms;
        self.lives.lives += weight * other.lives.lives;
        self.lives.hits_squared += weight * other.lives.hits_squared;
        self.lives.stale_squared += weight * other.lives.stale_squared;
        self.lives.hits_by_stale += weight * other.lives.hits_by_stale;
    }

    /// Hit ratio with its standard error over the lives of copies; `None` without reads.
    #[must_use]
    pub fn hit_ratio_estimate(&self) -> Option<RatioEstimate> {
        let LifeMoments { lives, hits_squared, .. } = self.lives;
        // A life with h hits has h + 1 reads: Σh(h + 1) and Σ(h + 1)².
        let cross = hits_squared + self.hits;
        let reads_squared = hits_squared + 2.0 * self.hits + lives;
        RatioEstimate::from_moments((self.hits, self.gets), (hits_squared, cross, reads_squared))
    }

    /// Stale share with its standard error over the lives of copies; `None` without hits.
    #[must_use]
    pub fn stale_share_estimate(&self) -> Option<RatioEstimate> {
        let LifeMoments { hits_squared, stale_squared, hits_by_stale, .. } = self.lives;
        RatioEstimate::from_moments((self.stale_hits, self.hits), (stale_squared, hits_by_stale, hits_squared))
    }
}

/// Replays one key through a cache that starts empty and evicts nothing.
///
/// `events`: of one key, ascending in time, ties in order of occurrence; those outside `window` are
/// ignored (its end is included). A copy's age counts from its fill. A copy of age ≥ `ttl_ms`, fixed or
/// by the moment of the fill, is expired. Only a read fills the cache. A deletion drops the copy in
/// either mode.
///
/// ```
/// use almanac_models::ttl::{Access, KeyEvent, OnWrite, Window, replay};
/// let at = |at_ms, access| KeyEvent { at_ms, access };
/// let events = [at(0, Access::Get), at(4, Access::Write), at(9, Access::Get), at(10, Access::Get)];
/// let tally = replay(&events, 10, OnWrite::Keep, Window { start_ms: 0, end_ms: 20 });
/// assert_eq!((tally.gets, tally.hits, tally.stale_hits, tally.resident_ms), (3.0, 1.0, 1.0, 20.0));
/// ```
#[must_use]
pub fn replay(events: &[KeyEvent], ttl_ms: impl Lifetime, on_write: OnWrite, window: Window) -> Tally {
    let mut whole = [Tally::default()];
    replay_blocks(events, ttl_ms, on_write, window, &mut whole);
    whole[0]
}

/// As [`replay`], with separate counts for equal parts of `window`, which are added to `blocks` (not empty).
///
/// A read counts in the block of its moment, residency in all blocks that the copy's life touches.
pub fn replay_blocks(
    events: &[KeyEvent],
    ttl_ms: impl Lifetime,
    on_write: OnWrite,
    window: Window,
    blocks: &mut [Tally],
) {
    let mut blocks = BlockTallies { window, tallies: blocks };
    let mut copy: Option<CachedCopy> = None;
    let inside = |event: &&KeyEvent| event.at_ms >= window.start_ms && event.at_ms <= window.end_ms;
    for event in events.iter().filter(inside) {
        match event.access {
            Access::Get => {
                let live = copy.filter(|held| event.at_ms.saturating_sub(held.filled_ms) < held.ttl_ms);
                blocks.get(event.at_ms, live);
                copy = Some(if let Some(held) = live {
                    let stale_hits = held.stale_hits + u32::from(held.written_since);
                    CachedCopy { hits: held.hits + 1, stale_hits, ..held }
                } else {
                    // The expired copy is still held: count its life before it is replaced.
                    if let Some(expired) = copy {
                        blocks.retire(expired, event.at_ms);
                    }
                    let ttl_ms = ttl_ms.ttl_ms(event.at_ms);
                    CachedCopy { filled_ms: event.at_ms, ttl_ms, written_since: false, hits: 0, stale_hits: 0 }
                });
            }
            Access::Write if on_write == OnWrite::Keep => {
                if let Some(held) = &mut copy {
                    held.written_since = true;
                }
            }
            Access::Write | Access::Delete => {
                if let Some(dropped) = copy.take() {
                    blocks.retire(dropped, event.at_ms);
                }
            }
        }
    }
    if let Some(left) = copy {
        blocks.retire(left, window.end_ms);
    }
}

/// The tallies of the parts of a window.
struct BlockTallies<'a> {
    window: Window,
    tallies: &'a mut [Tally],
}

impl BlockTallies<'_> {
    /// Counts a read, which is a hit if there is a live copy.
    fn get(&mut self, at_ms: i64, live: Option<CachedCopy>) {
        let block = self.index(at_ms);
        let Some(tally) = self.tallies.get_mut(block) else { return };
        tally.gets += 1.0;
        if let Some(held) = live {
            tally.hits += 1.0;
            tally.stale_hits += f64::from(u8::from(held.written_since));
        }
    }

    /// Counts the life of a copy that ended at `now_ms` or, if earlier, at its expiry.
    fn retire(&mut self, copy: CachedCopy, now_ms: i64) {
        let expires_ms = copy.filled_ms.saturating_add(copy.ttl_ms);
        let gone_ms = now_ms.min(expires_ms).min(self.window.end_ms);
        // A copy that outlives the window may still be read later.
        let unread = copy.hits == 0 && expires_ms.min(now_ms) < self.window.end_ms;
        let from = offset_ms(self.window, copy.filled_ms);
        let to = offset_ms(self.window, gone_ms);
        #[expect(clippy::cast_precision_loss, reason = "a handful of blocks")]
        let width = self.window.len_ms() / self.tallies.len() as f64;
        let (hits, stale_hits) = (f64::from(copy.hits), f64::from(copy.stale_hits));
        let filled_in = self.index(copy.filled_ms);
        if let Some(Tally { lives, .. }) = self.tallies.get_mut(filled_in) {
            lives.lives += 1.0;
            lives.hits_squared += hits * hits;
            lives.stale_squared += stale_hits * stale_hits;
            lives.hits_by_stale += hits * stale_hits;
        }
        for block in filled_in..=self.index(gone_ms) {
            let Some(tally) = self.tallies.get_mut(block) else { return };
            #[expect(clippy::cast_precision_loss, reason = "a handful of blocks")]
            let begin = block as f64 * width;
            let lived_ms = (to.min(begin + width) - from.max(begin)).max(0.0);
            tally.resident_ms += lived_ms;
            tally.unread_ms += if unread { lived_ms } else { 0.0 };
        }
    }

    fn index(&self, at_ms: i64) -> usize {
        self.window.part_of(at_ms, self.tallies.len())
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn offset_ms(window: Window, at_ms: i64) -> f64 {
    at_ms.saturating_sub(window.start_ms) as f64
}

/// The cached copy and the hits on it so far.
#[derive(Clone, Copy)]
struct CachedCopy {
    filled_ms: i64,
    ttl_ms: i64,
    written_since: bool,
    hits: u32,
    stale_hits: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(at_ms: i64, access: Access) -> KeyEvent {
        KeyEvent { at_ms, access }
    }

    /// `(gets, hits, stale, resident)` worked out by hand.
    fn check(events: &[KeyEvent], ttl_ms: i64, on_write: OnWrite, expected: (f64, f64, f64, f64)) {
        let tally = replay(events, ttl_ms, on_write, Window { start_ms: 0, end_ms: 100 });
        assert_eq!((tally.gets, tally.hits, tally.stale_hits, tally.resident_ms), expected);
    }

    #[test]
    fn hand_computed_cases() {
        use Access::{Delete, Get, Write};
        // Age counts from the fill, not from the last hit; age 10 of 10 is expired.
        check(&[at(0, Get), at(6, Get), at(10, Get), at(19, Get)], 10, OnWrite::Keep, (4.0, 2.0, 0.0, 20.0));
        // A write before the fill, or at the same stamp but earlier in the order, does not make hits stale.
        check(&[at(0, Write), at(0, Get), at(5, Get)], 10, OnWrite::Keep, (2.0, 1.0, 0.0, 10.0));
        // A write at the same stamp but later in the order does.
        check(&[at(0, Get), at(0, Write), at(5, Get)], 10, OnWrite::Keep, (2.0, 1.0, 1.0, 10.0));
        // Writes never fill; invalidation turns the stale hit into a miss and ends residency.
        check(&[at(0, Get), at(4, Write), at(5, Get)], 10, OnWrite::Drop, (2.0, 0.0, 0.0, 14.0));
        check(&[at(3, Write), at(5, Get)], 10, OnWrite::Keep, (1.0, 0.0, 0.0, 10.0));
        // A deletion drops in either mode; a refill after it is fresh.
        check(
            &[at(0, Get), at(1, Write), at(2, Delete), at(5, Get), at(6, Get)],
            10,
            OnWrite::Keep,
            (3.0, 1.0, 0.0, 12.0),
        );
        // Residency ends with the window.
        check(&[at(95, Get)], 10, OnWrite::Keep, (1.0, 0.0, 0.0, 5.0));
        check(&[], 10, OnWrite::Keep, (0.0, 0.0, 0.0, 0.0));
    }

    /// Two lives with 2 and 0 hits, of which 1 and 0 stale: worked by hand.
    #[test]
    fn errors_come_from_the_lives_of_copies() {
        use Access::{Get, Write};
        let events = [at(0, Get), at(1, Get), at(2, Write), at(3, Get), at(20, Get)];
        let tally = replay(&events, 10, OnWrite::Keep, Window { start_ms: 0, end_ms: 100 });
        assert_eq!((tally.lives.lives, tally.lives.hits_squared), (2.0, 4.0));
        assert_eq!((tally.lives.stale_squared, tally.lives.hits_by_stale), (1.0, 2.0));
        // Hit ratio 2/4: residuals 2 − 1.5 and 0 − 0.5, squares sum to 0.5; error √0.5/4.
        let hit = tally.hit_ratio_estimate().unwrap();
        assert!((hit.value - 0.5).abs() < 1e-15 && (hit.standard_error - 0.5_f64.sqrt() / 4.0).abs() < 1e-15);
        // Stale share 1/2: the one residual with hits is 1 − 1 = 0.
        let stale = tally.stale_share_estimate().unwrap();
        assert!((stale.value - 0.5).abs() < 1e-15 && stale.standard_error < 1e-15);
    }

    /// A transcription of the definition that looks back over the whole history at each read.
    fn naive(events: &[KeyEvent], ttl_ms: i64, on_write: OnWrite) -> (f64, f64, f64) {
        let (mut gets, mut hits, mut stale) = (0.0, 0.0, 0.0);
        let mut fills: Vec<usize> = Vec::new();
        for (idx, event) in events.iter().enumerate() {
            if event.access != Access::Get {
                continue;
            }
            gets += 1.0;
            let live = fills.iter().rev().find(|&&fill| {
                event.at_ms - events[fill].at_ms < ttl_ms
                    && !events[fill..idx].iter().any(|between| match between.access {
                        Access::Delete => true,
                        Access::Write => on_write == OnWrite::Drop,
                        Access::Get => false,
                    })
            });
            match live {
                Some(&fill) => {
                    hits += 1.0;
                    if events[fill..idx].iter().any(|between| between.access == Access::Write) {
                        stale += 1.0;
                    }
                }
                None => fills.push(idx),
            }
        }
        (gets, hits, stale)
    }

    fn events() -> impl Strategy<Value = Vec<KeyEvent>> {
        let access = prop_oneof![4 => Just(Access::Get), 2 => Just(Access::Write), 1 => Just(Access::Delete)];
        prop::collection::vec((0_i64..12, access), 0..60).prop_map(|gaps| {
            let mut now = 0;
            gaps.into_iter()
                .map(|(gap, access)| {
                    now += gap;
                    at(now, access)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(events in events(), ttl_ms in 1_i64..40, drop in any::<bool>()) {
            let on_write = if drop { OnWrite::Drop } else { OnWrite::Keep };
            let end_ms = events.last().map_or(0, |event| event.at_ms);
            let tally = replay(&events, ttl_ms, on_write, Window { start_ms: 0, end_ms });
            prop_assert_eq!((tally.gets, tally.hits, tally.stale_hits), naive(&events, ttl_ms, on_write));
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let span = end_ms as f64;
            prop_assert!(tally.resident_ms >= 0.0 && tally.resident_ms <= span);
        }

        /// Blocks count what the whole counts.
        #[test]
        fn blocks_add_up(events in events(), ttl_ms in 1_i64..40, n_blocks in 1_usize..9) {
            let end_ms = events.last().map_or(0, |event| event.at_ms);
            let window = Window { start_ms: 0, end_ms };
            let mut blocks = vec![Tally::default(); n_blocks];
            replay_blocks(&events, ttl_ms, OnWrite::Keep, window, &mut blocks);
            let mut sum = Tally::default();
            for block in &blocks {
                sum.add(block, 1.0);
            }
            let whole = replay(&events, ttl_ms, OnWrite::Keep, window);
            prop_assert_eq!((sum.gets, sum.hits, sum.stale_hits), (whole.gets, whole.hits, whole.stale_hits));
            prop_assert!((sum.resident_ms - whole.resident_ms).abs() < 1e-6);
        }

        /// Without writes a longer time-to-live has at least as many hits.
        #[test]
        fn one_fill_covers_more_at_twice_the_ttl(events in events(), ttl_ms in 1_i64..40) {
            let reads: Vec<KeyEvent> = events.into_iter().filter(|event| event.access == Access::Get).collect();
            let window = Window { start_ms: 0, end_ms: 1_000_000 };
            let shorter = replay(&reads, ttl_ms, OnWrite::Keep, window);
            let longer = replay(&reads, 2 * ttl_ms, OnWrite::Keep, window);
            prop_assert!(longer.hits >= shorter.hits);
        }
    }
}
