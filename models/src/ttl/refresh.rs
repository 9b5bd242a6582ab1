//! Replays one key with fetches that take time and with probabilistic early refresh.

use super::{Access, KeyEvent, OnWrite, Window};

/// Probabilistic early refresh: a hit at `now` also starts a fetch when now − δ·β·ln U ≥ expiry, with U uniform in (0,
/// 1].
///
/// # Reference
/// Vattani, Chierichetti & Lowenstein (2015), "Optimal probabilistic cache stampede prevention", VLDB 8(8), fig. 3
/// (XFetch). Deviates: the read that refreshes early does not wait for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RefreshEarly {
    /// Duration of a fetch from the origin in milliseconds, δ ≥ 0.
    pub fetch_ms: f64,
    /// Eagerness β; 0 never refreshes early, 1 is optimal for exponential fetch times.
    pub beta: f64,
    /// Seed of the draws U. Each key needs a different one.
    pub seed: u64,
}

/// Counts of a replay with timed fetches. Tallies of keys or blocks can be added.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RefreshTally {
    /// Reads.
    pub gets: f64,
    /// Reads that wait for the origin: misses, and reads during the fetch of a miss.
    pub waits: f64,
    /// Misses: waits without a fetch in progress.
    pub misses: f64,
    /// Early refreshes, at most one per copy.
    pub refreshes: f64,
    /// Fetches from the origin without request coalescing: every wait, and every read that decides to refresh early,
    /// whether or not a fetch is in progress.
    pub fetches: f64,
    /// Hits on a copy whose key was written after the start of its fetch.
    pub stale_hits: f64,
}

impl RefreshTally {
    /// Share of reads that wait; `None` without reads.
    #[must_use]
    pub fn waiting_share(&self) -> Option<f64> {
        (self.gets > 0.0).then(|| self.waits / self.gets)
    }

    /// Fetches per read; `None` without reads.
    #[must_use]
    pub fn fetch_share(&self) -> Option<f64> {
        (self.gets > 0.0).then(|| self.fetches / self.gets)
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        self.gets += other.gets;
        self.waits += other.waits;
        self.misses += other.misses;
        self.refreshes += other.refreshes;
        self.fetches += other.fetches;
        self.stale_hits += other.stale_hits;
    }
}

/// A copy, or a fetch in progress.
#[derive(Clone, Copy)]
struct Fetched {
    began_ms: i64,
    written_since: bool,
}

/// Replays one key through a cache whose fetches take time. Adds the counts of equal parts of `window` to `blocks` (not
/// empty).
///
/// `events`, `on_write`, `window`: as for [`replay`](super::replay). A copy's age counts from the start of its fetch,
/// and it serves reads from the end of the fetch. An event that drops the copy also drops a fetch in progress. Time
/// O(events).
///
/// ```
/// use almanac_models::ttl::{Access, KeyEvent, OnWrite, RefreshEarly, RefreshTally, Window, replay_refresh};
/// let reads = [0, 5, 10, 30, 101].map(|at_ms| KeyEvent { at_ms, access: Access::Get });
/// let never = RefreshEarly { fetch_ms: 10.0, beta: 0.0, seed: 0 };
/// let mut tally = [RefreshTally::default()];
/// replay_refresh(&reads, 100, OnWrite::Keep, Window { start_ms: 0, end_ms: 200 }, never, &mut tally);
/// // Misses at 0 and 101; the read at 5 waits with the first.
/// assert_eq!((tally[0].waits, tally[0].misses), (3.0, 2.0));
/// ```
pub fn replay_refresh(
    events: &[KeyEvent],
    ttl_ms: i64,
    on_write: OnWrite,
    window: Window,
    early: RefreshEarly,
    blocks: &mut [RefreshTally],
) {
    let mut copy: Option<Fetched> = None;
    let mut under_way: Option<Fetched> = None;
    let mut draws = UniformDraws(early.seed);
    let n_blocks = blocks.len();
    for event in events.iter().filter(|event| (window.start_ms..=window.end_ms).contains(&event.at_ms)) {
        if event.access != Access::Get {
            if event.access == Access::Delete || on_write == OnWrite::Drop {
                (copy, under_way) = (None, None);
            }
            for held in copy.iter_mut().chain(&mut under_way) {
                held.written_since = true;
            }
            continue;
        }
        let Some(tally) = blocks.get_mut(window.part_of(event.at_ms, n_blocks)) else { return };
        // A finished fetch replaces the copy before the read is answered.
        if let Some(ended) = under_way.take_if(|fetch| elapsed_ms(event.at_ms, fetch.began_ms) >= early.fetch_ms) {
            copy = Some(ended);
        }
        let fetch = Fetched { began_ms: event.at_ms, written_since: false };
        tally.gets += 1.0;
        match copy.filter(|held| event.at_ms.saturating_sub(held.began_ms) < ttl_ms) {
            Some(held) => {
                tally.stale_hits += f64::from(u8::from(held.written_since));
                let left_ms = elapsed_ms(held.began_ms.saturating_add(ttl_ms), event.at_ms);
                if -early.fetch_ms * early.beta * draws.next().ln() >= left_ms {
                    tally.fetches += 1.0;
                    tally.refreshes += f64::from(u8::from(under_way.is_none()));
                    under_way.get_or_insert(fetch);
                }
            }
            None => {
                tally.waits += 1.0;
                tally.fetches += 1.0;
                tally.misses += f64::from(u8::from(under_way.is_none()));
                under_way.get_or_insert(fetch);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn elapsed_ms(at_ms: i64, earlier_ms: i64) -> f64 {
    at_ms.saturating_sub(earlier_ms) as f64
}

/// Uniform random numbers in (0, 1], deterministic for a seed.
///
/// # Reference
/// Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA (SplitMix64).
struct UniformDraws(u64);

impl UniformDraws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let above_zero = (((z ^ (z >> 31)) >> 11) + 1) as f64;
        above_zero / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay;
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    fn at(at_ms: i64, access: Access) -> KeyEvent {
        KeyEvent { at_ms, access }
    }

    fn whole(events: &[KeyEvent], ttl_ms: i64, on_write: OnWrite, early: RefreshEarly) -> RefreshTally {
        let mut tally = [RefreshTally::default()];
        replay_refresh(events, ttl_ms, on_write, Window { start_ms: 0, end_ms: i64::MAX }, early, &mut tally);
        tally[0]
    }

    #[test]
    fn worked_by_hand() {
        use Access::{Delete, Get, Write};
        let never = RefreshEarly { fetch_ms: 10.0, beta: 0.0, seed: 1 };
        // Misses at 0 and 40; 3 and 9 wait with the first, 45 with the second; 12 is stale, 50 is not.
        let events = [
            at(0, Get),
            at(3, Get),
            at(9, Get),
            at(11, Write),
            at(12, Get),
            at(40, Get),
            at(45, Get),
            at(50, Get),
            at(52, Delete),
            at(53, Get),
        ];
        let tally = whole(&events, 40, OnWrite::Keep, never);
        let expected =
            RefreshTally { gets: 8.0, waits: 6.0, misses: 3.0, refreshes: 0.0, fetches: 6.0, stale_hits: 1.0 };
        assert_eq!(tally, expected);
        // Dropped by the write, the read at 12 misses; that copy serves until 52.
        let tally = whole(&events, 40, OnWrite::Drop, never);
        assert_eq!((tally.waits, tally.misses, tally.stale_hits), (5.0, 3.0, 0.0));
        // With a huge β every hit refreshes: the fetch started at 12 is complete at 40.
        let tally = whole(&events[..6], 40, OnWrite::Keep, RefreshEarly { beta: 1e12, ..never });
        assert_eq!((tally.waits, tally.misses, tally.refreshes, tally.fetches), (3.0, 1.0, 2.0, 5.0));
    }

    /// Reads of a Poisson process at a rate of one per second over `seconds`.
    fn poisson(seed: u64, seconds: f64) -> Vec<KeyEvent> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let (mut now, mut events) = (0.0, Vec::new());
        while now < seconds {
            now -= (1.0 - rng.random::<f64>()).ln();
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of some days")]
            events.push(at((now * 1e3) as i64, Access::Get));
        }
        events
    }

    #[test]
    fn poisson_reads_wait_and_refresh_as_in_the_formulas() {
        let events = poisson(2, 400_000.0);
        for (fetch_s, ttl_s) in [(0.5_f64, 20.0_f64), (2.0, 30.0)] {
            #[expect(clippy::cast_possible_truncation, reason = "seconds")]
            let ttl_ms = (ttl_s * 1e3) as i64;
            let never = RefreshEarly { fetch_ms: fetch_s * 1e3, beta: 0.0, seed: 7 };
            let before = whole(&events, ttl_ms, OnWrite::Keep, never);
            // A cycle: one miss, λδ reads that wait with it, λ(T − δ) that hit, and a wait of 1/λ for the next.
            let expected = (1.0 + fetch_s) / (1.0 + ttl_s);
            assert!((before.waiting_share().unwrap() - expected).abs() < 0.03 * expected, "{before:?} {expected}");
            let after = whole(&events, ttl_ms, OnWrite::Keep, RefreshEarly { beta: 1.0, ..never });
            // Reads at rate λ refresh with probability e^(−r/δ) when r is left, from r = T − δ down to 0.
            let none = (-fetch_s * (1.0 - (-(ttl_s - fetch_s) / fetch_s).exp())).exp();
            let missed = after.misses / (after.misses + after.refreshes);
            assert!((missed - none).abs() < 0.02, "{missed} {none}");
            assert!(after.waits < before.waits && after.fetches > after.misses + after.refreshes);
        }
    }

    #[test]
    fn draws_are_uniform_and_repeat() {
        let (mut a, mut b) = (UniformDraws(9), UniformDraws(9));
        let drawn: Vec<f64> = (0..10_000).map(|_| a.next()).collect();
        assert!(drawn.iter().all(|u| *u > 0.0 && *u <= 1.0 && u.total_cmp(&b.next()).is_eq()));
        // Mean of 10,000 uniform draws: a half, with an error of 0.003.
        assert!((drawn.iter().sum::<f64>() / 1e4 - 0.5).abs() < 0.012);
    }

    proptest! {
        /// With instant fetches and no early refresh the result equals the plain replay.
        #[test]
        fn without_a_fetch_time_it_is_the_replay(
            rows in prop::collection::vec((0_i64..12, prop_oneof![4 => Just(Access::Get), 2 => Just(Access::Write), 1 => Just(Access::Delete)]), 0..60),
            ttl_ms in 1_i64..40, drop in any::<bool>(), beta in 0.0_f64..2.0,
        ) {
            let mut at_ms = 0;
            let events: Vec<KeyEvent> = rows.into_iter().map(|(gap, access)| { at_ms += gap; at(at_ms, access) }).collect();
            let on_write = if drop { OnWrite::Drop } else { OnWrite::Keep };
            let plain = replay(&events, ttl_ms, on_write, Window { start_ms: 0, end_ms: at_ms });
            let tally = whole(&events, ttl_ms, on_write, RefreshEarly { fetch_ms: 0.0, beta, seed: 3 });
            let counted = (tally.gets, tally.gets - tally.waits, tally.stale_hits, tally.fetches);
            prop_assert_eq!(counted, (plain.gets, plain.hits, plain.stale_hits, tally.misses));
        }

        /// Counts are consistent for any fetch time.
        #[test]
        fn counts_are_consistent(gaps in prop::collection::vec(0_i64..30, 0..80), fetch_ms in 0.0_f64..60.0, ttl_ms in 1_i64..80, seed in any::<u64>()) {
            let mut at_ms = 0;
            let events: Vec<KeyEvent> = gaps.into_iter().map(|gap| { at_ms += gap; at(at_ms, Access::Get) }).collect();
            let tally = whole(&events, ttl_ms, OnWrite::Keep, RefreshEarly { fetch_ms, beta: 1.0, seed });
            prop_assert!(tally.misses <= tally.waits && tally.waits <= tally.gets);
            prop_assert!(tally.fetches >= tally.waits && tally.refreshes <= tally.fetches - tally.waits);
        }
    }
}
