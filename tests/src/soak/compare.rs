//! Compares the stored samples with those that were acknowledged: each sample of some slots, and the number of all.

use std::collections::BTreeMap;

use super::{
    load::{Load, SENDERS},
    plan::{Plan, value},
    service::Handle,
};

/// Number of slots of which every sample is compared.
const COMPARED: u64 = 40;
/// Time near the end of retention that is not compared: the next round of retention deletes it meanwhile.
const MARGIN_MS: i64 = 5_000;
/// Time after the end of retention by which a round of retention has deleted what expired.
const GRACE_MS: i64 = 60_000;

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Compared {
    /// Slots of which each sample was compared.
    pub(super) slots: u64,
    /// Their samples.
    pub(super) samples: u64,
    /// Samples of all slots in the same time, by SQL.
    pub(super) counted: u64,
}

/// Compares the store, while nothing is sent, with what was acknowledged within the retention of `raw_ms`.
///
/// # Errors
/// The first sample that is missing, wrong or was never sent, a wrong number of all, or samples that retention should have
/// deleted.
pub(super) fn compare(load: &Load, plan: Plan, handle: &Handle, raw_ms: i64) -> Result<Compared, String> {
    let now_ms = chrono::Utc::now().timestamp_millis();
    let (begin_ms, expired_ms) = (now_ms - raw_ms + MARGIN_MS, now_ms - raw_ms - GRACE_MS);
    let last = (0..SENDERS).filter_map(|sender| load.ticks(sender as u64).last().copied()).max();
    let last_ms = plan.at_ms(last.ok_or("no sample was acknowledged")?);
    let step = plan.slots.div_ceil(COMPARED).max(1);
    // The step and the number of senders have no common divisor, so that slots of each sender are compared.
    let step = if step.is_multiple_of(SENDERS as u64) { step + 1 } else { step };
    let mut compared = Compared::default();
    for slot in (0..plan.slots).step_by(usize::try_from(step).map_err(|error| error.to_string())?) {
        let expected: BTreeMap<i64, u64> = load
            .ticks(slot)
            .into_iter()
            .map(|tick| (plan.at_ms(tick), value(slot, tick).to_bits()))
            .filter(|(at, _)| *at >= begin_ms)
            .collect();
        same(slot, &expected, &stored(handle, slot, begin_ms, last_ms)?)?;
        compared.slots += 1;
        compared.samples += expected.len() as u64;
    }
    let time = |ms: i64| format!("make_timestamp({})", ms * 1_000);
    let count = |condition: &str| {
        let sql = format!(
            "SELECT count(*) FROM samples JOIN series USING (series_id) WHERE name LIKE 'soak\\_%' ESCAPE '\\' AND {condition}"
        );
        handle.sql(&sql)?[0][0].as_u64().ok_or_else(|| "SQL returns no count".to_owned())
    };
    let condition = format!("timestamp >= {} AND timestamp <= {}", time(begin_ms), time(last_ms));
    compared.counted = count(&condition)?;
    let of_sender = |sender: usize| {
        let ticks = load.ticks(sender as u64).into_iter().filter(|tick| plan.at_ms(*tick) >= begin_ms).count() as u64;
        ticks * (sender as u64..plan.slots).step_by(SENDERS).count() as u64
    };
    let expected: u64 = (0..SENDERS).map(of_sender).sum();
    // A request that was not answered may be stored or not.
    let unanswered = plan.slots;
    if compared.counted < expected || compared.counted > expected + unanswered {
        return Err(format!("SQL counts {} samples, acknowledged were {expected}", compared.counted));
    }
    let left = count(&format!("timestamp < {}", time(expired_ms)))?;
    if left > 0 {
        return Err(format!("{left} samples are older than the retention and a minute"));
    }
    Ok(compared)
}

/// Returns the samples of a slot by PromQL: times and bits.
fn stored(handle: &Handle, slot: u64, begin_ms: i64, end_ms: i64) -> Result<BTreeMap<i64, u64>, String> {
    let seconds = (end_ms - begin_ms) / 1_000 + 1;
    let query = format!("{{slot=\"{slot}\"}}[{}s]", seconds.max(1));
    let time = format!("{}.{:03}", end_ms / 1_000, end_ms % 1_000);
    let text = handle.get("/api/v1/query", &[("query", &query), ("time", &time)])?;
    let answer: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut found = BTreeMap::new();
    for series in answer["data"]["result"].as_array().map_or(&[][..], Vec::as_slice) {
        for pair in series["values"].as_array().map_or(&[][..], Vec::as_slice) {
            let value = pair[1].as_str().and_then(|text| text.parse::<f64>().ok());
            let (Some(at), Some(value)) = (pair[0].as_f64(), value) else {
                return Err(format!("{pair} is no sample"));
            };
            #[expect(clippy::cast_possible_truncation, reason = "epoch milliseconds are below 2^53")]
            let at = (at * 1e3).round() as i64;
            if at >= begin_ms && found.insert(at, value.to_bits()).is_some() {
                return Err(format!("slot {slot} has the timestamp {at} twice"));
            }
        }
    }
    Ok(found)
}

fn same(slot: u64, expected: &BTreeMap<i64, u64>, found: &BTreeMap<i64, u64>) -> Result<(), String> {
    let newest = expected.last_key_value().map_or(i64::MIN, |(at, _)| *at);
    for (at, bits) in expected {
        match found.get(at) {
            Some(found) if found == bits => {}
            Some(found) => {
                let [found, expected] = [found, bits].map(|bits| f64::from_bits(*bits));
                return Err(format!("slot {slot} has {found} at {at}, acknowledged was {expected}"));
            }
            None => return Err(format!("slot {slot} lacks the acknowledged sample at {at}")),
        }
    }
    // The sample after the last acknowledged one may be of a request that was not answered.
    match found.keys().find(|at| !expected.contains_key(at) && **at <= newest) {
        Some(at) => Err(format!("slot {slot} has a sample at {at}, which was not acknowledged")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told() {
        let samples = |pairs: &[(i64, f64)]| -> BTreeMap<i64, u64> {
            pairs.iter().map(|(at, value)| (*at, value.to_bits())).collect()
        };
        let expected = samples(&[(10, 1.0), (20, 2.0)]);
        let check = |found: &[(i64, f64)], expected_error: &str| {
            let error = same(7, &expected, &samples(found)).unwrap_err();
            assert!(error.contains(expected_error), "{error}");
        };
        assert_eq!(same(7, &expected, &expected), Ok(()));
        assert_eq!(same(7, &expected, &samples(&[(10, 1.0), (20, 2.0), (30, 3.0)])), Ok(()));
        check(&[(10, 1.0)], "slot 7 lacks the acknowledged sample at 20");
        check(&[(10, 1.5), (20, 2.0)], "has 1.5 at 10, acknowledged was 1");
        check(&[(10, 1.0), (15, 1.0), (20, 2.0)], "at 15, which was not acknowledged");
    }
}
