//! Demand of one workload over time. Missing and unusable values are carried forward and counted.

use super::{HistoryError, rfc3339};
use crate::advise::stamps::inlier_range;

/// Demand over time with strictly ascending timestamps. A missing value takes the one before it.
#[derive(Debug, Clone, PartialEq)]
pub struct DemandHistory {
    timestamps: Vec<i64>,
    values: Vec<f64>,
    observed: Vec<bool>,
    step_ms: i64,
    left_out: LeftOut,
}

/// Number of rows that count as missing or were left out, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Rows before anything was left out.
    pub rows: usize,
    /// Rows with a negative value.
    pub negative: usize,
    /// Rows with an infinite value.
    pub infinite: usize,
    /// Rows whose timestamp is repeated by a later row.
    pub repeated: usize,
    /// Rows whose timestamps are outliers, such as a year ahead.
    pub far: usize,
    /// Timestamp of the first such row, epoch milliseconds.
    pub far_ms: Option<i64>,
}

impl LeftOut {
    /// Returns one sentence for each reason.
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
        note(*repeated, "repeat a timestamp; the last row of a timestamp counts");
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
    /// Creates a history from rows in ascending time.
    ///
    /// A NaN, negative or infinite value is missing and takes the value before it, 0 before the first. The last of
    /// several rows at one timestamp counts. Rows with outlying timestamps are left out. The step is the median
    /// distance of neighbouring rows. [`DemandHistory::left_out`] counts the rows that were not used.
    ///
    /// # Errors
    /// [`HistoryError::Lengths`], [`HistoryError::TooShort`] below two rows, [`HistoryError::Order`].
    pub fn try_new(mut timestamps: Vec<i64>, mut values: Vec<f64>) -> Result<Self, HistoryError> {
        if timestamps.len() != values.len() {
            return Err(HistoryError::Lengths { timestamps: timestamps.len(), values: values.len() });
        }
        let mut left_out = LeftOut { rows: timestamps.len(), ..LeftOut::default() };
        // Repeated timestamps go first: `HistoryError::Order` then means a real reversal.
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
        let near = inlier_range(&timestamps);
        if near.len() < timestamps.len() {
            left_out.far = timestamps.len() - near.len();
            left_out.far_ms = timestamps[..near.start].first().or(timestamps[near.end..].first()).copied();
            timestamps = timestamps[near.clone()].to_vec();
            values = values[near].to_vec();
        }
        // NaN counts as missing only; negative and infinite values are counted by reason as well.
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

    /// Returns the timestamps in epoch milliseconds, strictly ascending.
    #[must_use]
    pub fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    /// Returns the demand; missing values are carried forward.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns for each row whether its value was present.
    #[must_use]
    pub fn observed(&self) -> &[bool] {
        &self.observed
    }

    /// Returns the median distance of neighbouring rows, milliseconds.
    #[must_use]
    pub fn step_ms(&self) -> i64 {
        self.step_ms
    }

    /// Returns the last value that was present.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.observed.iter().rposition(|observed| *observed).map(|idx| self.values[idx])
    }

    /// Returns the counts of rows that were not used.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns false: a history has at least two rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
