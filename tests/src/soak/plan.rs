//! The samples of a soak: a fixed number of slots, one sample of each a second; the series of a slot is replaced from time to
//! time, as pods are, out of a bounded number of series.

use almanac_engine::series::{Labels, METRIC_NAME};

/// Ticks between two replacements.
const CHURN_TICKS: u64 = 10;
/// Each replacement concerns one of so many slots.
const CHURN_SHARE: u64 = 10;
/// Series of a slot, after which the first one returns.
const GENERATIONS: u64 = 2;
/// Distance between samples of a slot, in milliseconds.
pub(super) const TICK_MS: i64 = 1_000;

/// Time after which every series was there, in seconds: no more are added.
pub(super) const ALL_SEEN_S: u64 = CHURN_TICKS * CHURN_SHARE * GENERATIONS * TICK_MS.unsigned_abs() / 1_000;

/// Which samples are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Number of slots: series that are alive at once.
    pub(super) slots: u64,
    /// Time of tick 0, in epoch milliseconds.
    pub(super) start_ms: i64,
}

impl Plan {
    /// Returns the time of a tick in epoch milliseconds.
    pub(super) fn at_ms(self, tick: u64) -> i64 {
        self.start_ms + TICK_MS * i64::try_from(tick).unwrap_or(i64::MAX / TICK_MS)
    }
}

/// Returns how often the series of a slot was replaced up to a tick.
pub(super) fn generation(slot: u64, tick: u64) -> u64 {
    let (events, turn) = (tick / CHURN_TICKS, slot % CHURN_SHARE);
    // Event e, counted from 1, replaces the slots whose turn is e modulo the share.
    if turn == 0 { events / CHURN_SHARE } else { (events + CHURN_SHARE - turn) / CHURN_SHARE }
}

/// Returns the labels of a slot's series.
///
/// # Errors
/// Never for the labels that it makes.
pub(super) fn labels(slot: u64, generation: u64) -> Result<Labels, String> {
    let name = ["soak_requests_total", "soak_load", "soak_noise", "soak_limit"][kind(slot)];
    let pairs = [
        (METRIC_NAME, name.to_owned()),
        ("job", format!("job-{}", slot % 7)),
        ("pod", format!("pod-{slot}-{}", generation % GENERATIONS)),
        ("slot", slot.to_string()),
        ("zone", format!("zone-{}", slot % 3)),
    ];
    Labels::from_pairs(pairs).map_err(|error| error.to_string())
}

/// Returns the value of a slot at a tick: a counter, a gauge of two decimals with a season of ten minutes, a random double, or a constant.
#[expect(clippy::cast_precision_loss, reason = "slots and ticks are far below 2^53, and 53 bits of a hash are exact")]
pub(super) fn value(slot: u64, tick: u64) -> f64 {
    match kind(slot) {
        0 => (slot * 1_000 + tick * (slot % 7 + 1)) as f64,
        1 => {
            let phase = (tick as f64 / 600.0 + slot as f64 / 50.0) * std::f64::consts::TAU;
            ((100.0 + 50.0 * phase.sin() + (mixed(slot, tick) % 500) as f64 / 100.0) * 100.0).round() / 100.0
        }
        2 => (mixed(slot, tick) >> 11) as f64 / (1_u64 << 53) as f64,
        _ => slot as f64,
    }
}

fn kind(slot: u64) -> usize {
    (slot % 4) as usize
}

/// SplitMix64 of slot and tick.
fn mixed(slot: u64, tick: u64) -> u64 {
    let mut z = (slot << 32 ^ tick).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_replaced_at_its_turn() {
        // By counting the events one by one.
        for slot in 0..25 {
            for tick in (0..1_000).step_by(7) {
                let events = 1..=tick / CHURN_TICKS;
                let counted = events.filter(|event| event % CHURN_SHARE == slot % CHURN_SHARE).count() as u64;
                assert_eq!(generation(slot, tick), counted, "slot {slot}, tick {tick}");
            }
        }
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let all: std::collections::BTreeSet<String> =
            (0..100_000).step_by(20).map(|tick| labels(3, generation(3, tick)).unwrap().to_string()).collect();
        assert_eq!(all.len() as u64, GENERATIONS);
    }
}
