//! Demand of one workload over time, with what was missing or unusable carried forward and counted.

use super::{HistoryError, rfc3339};
use crate::advise::stamps::bulk;

/// Demand of one workload over time: strictly ascending timestamps, a missing value carried forward.
#[derive(Debug, Clone, PartialEq)]
pub struct DemandHistory {
    timestamps: Vec<i64>,
    values: Vec<f64>,
    observed: Vec<bool>,
    step_ms: i64,
    left_out: LeftOut,
}

/// Rows of a history that count as missing or are left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Rows that there were.
    pub rows: usize,
    /// Demand below 0.
    pub negative: usize,
    /// Infinite demand.
    pub infinite: usize,
    /// Rows with the timestamp of a later one.
    pub repeated: usize,
    /// Rows far from all others in time, such as a year ahead.
    pub far: usize,
    /// The first of these.
    pub far_ms: Option<i64>,
}

impl LeftOut {
    /// A sentence for each reason; none where nothing was left out.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let Self { rows, negative, infinite, repeated, far, far_ms } = self;
        let mut notes = Vec::new();
        let mut note = |n: usize, what: &str| {
            if n > 0 {
                notes.push(format!("{n} of {rows} rows {what}"));
            }
        };
        note(*negative, "have a negative value and count as missing");
        note(*infinite, "have an infinite value and count as missing");
        note(*repeated, "repeat a timestamp; of rows at one time the last counts");
        let at = far_ms.map(rfc3339).unwrap_or_default();
        note(
            *far,
            &format!(
                "are far from all others in time, the first at {at}, and are left out; check the clock and the unit of the timestamps"
            ),
        );
        notes
    }
}

impl DemandHistory {
    /// A history from rows in time's order; a value that is NaN, negative or infinite is missing and takes the one before it (0
    /// before the first). Of several rows at one time the last counts; a few rows far from all others in time are left out. The
    /// step is the median distance of neighbouring rows. [`DemandHistory::left_out`] counts what was not used.
    ///
    /// # Errors
    /// [`HistoryError::Lengths`], [`HistoryError::TooShort`] below two rows, [`HistoryError::Order`].
    pub fn try_new(mut timestamps: Vec<i64>, mut values: Vec<f64>) -> Result<Self, HistoryError> {
        if timestamps.len() != values.len() {
            return Err(HistoryError::Lengths { timestamps: timestamps.len(), values: values.len() });
        }
        let mut left_out = LeftOut { rows: timestamps.len(), ..LeftOut::default() };
        if timestamps.windows(2).any(|pair| pair[0] == pair[1]) {
            let last_of_its_time = |idx: &usize| timestamps.get(idx + 1) != timestamps.get(*idx);
            let kept: Vec<usize> = (0..timestamps.len()).filter(last_of_its_time).collect();
            values = kept.iter().map(|&idx| values[idx]).collect();
            timestamps = kept.iter().map(|&idx| timestamps[idx]).collect();
            left_out.repeated = left_out.rows - timestamps.len();
        }
        if timestamps.len() < 2 {
            return Err(HistoryError::TooShort { points: timestamps.len(), needed: 2 });
        }
        if let Some(pair) = timestamps.windows(2).find(|pair| pair[1] < pair[0]) {
            return Err(HistoryError::Order { timestamp_ms: pair[1], previous_ms: pair[0] });
        }
        let near = bulk(&timestamps);
        if near.len() < timestamps.len() {
            left_out.far = timestamps.len() - near.len();
            left_out.far_ms = timestamps[..near.start].first().or(timestamps[near.end..].first()).copied();
            timestamps = timestamps[near.clone()].to_vec();
            values = values[near].to_vec();
        }
        let mut observed = Vec::with_capacity(values.len());
        let mut last = 0.0;
        for value in &mut values {
            let usable = *value >= 0.0 && value.is_finite();
            left_out.negative += usize::from(*value < 0.0 && value.is_finite());
            left_out.infinite += usize::from(value.is_infinite());
            observed.push(usable);
            if !usable {
                *value = last;
            }
            last = *value;
        }
        let mut distances: Vec<i64> = timestamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let middle = (distances.len() - 1) / 2;
        let (_, &mut step_ms, _) = distances.select_nth_unstable(middle);
        Ok(Self { timestamps, values, observed, step_ms, left_out })
    }

    /// Epoch milliseconds, strictly ascending.
    #[must_use]
    pub fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    /// Demand, missing values carried forward.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Whether the value was there.
    #[must_use]
    pub fn observed(&self) -> &[bool] {
        &self.observed
    }

    /// The median distance of neighbouring rows.
    #[must_use]
    pub fn step_ms(&self) -> i64 {
        self.step_ms
    }

    /// The last value that was there.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.observed.iter().rposition(|observed| *observed).map(|idx| self.values[idx])
    }

    /// What was not used of the rows.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Never: a history has two rows at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
