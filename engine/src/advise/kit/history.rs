//! A quantity over time on a grid: what was missing is carried forward and marked.

use super::HistoryError;

/// Demand of one workload over time: strictly ascending timestamps, a missing value carried forward.
#[derive(Debug, Clone, PartialEq)]
pub struct DemandHistory {
    timestamps: Vec<i64>,
    values: Vec<f64>,
    observed: Vec<bool>,
    step_ms: i64,
}

impl DemandHistory {
    /// A history from rows in time's order; NaN is a missing value and takes the one before it (0
    /// before the first). Of several rows at one time the last counts. The step is the median distance of
    /// neighbouring rows.
    ///
    /// # Errors
    /// [`HistoryError::Lengths`], [`HistoryError::TooShort`] below two rows, [`HistoryError::Order`],
    /// [`HistoryError::Demand`].
    pub fn try_new(mut timestamps: Vec<i64>, mut values: Vec<f64>) -> Result<Self, HistoryError> {
        if timestamps.len() != values.len() {
            return Err(HistoryError::Lengths { timestamps: timestamps.len(), values: values.len() });
        }
        if timestamps.windows(2).any(|pair| pair[0] == pair[1]) {
            let last_of_its_time = |idx: &usize| timestamps.get(idx + 1) != timestamps.get(*idx);
            let kept: Vec<usize> = (0..timestamps.len()).filter(last_of_its_time).collect();
            values = kept.iter().map(|&idx| values[idx]).collect();
            timestamps = kept.iter().map(|&idx| timestamps[idx]).collect();
        }
        if timestamps.len() < 2 {
            return Err(HistoryError::TooShort { points: timestamps.len(), needed: 2 });
        }
        if let Some(pair) = timestamps.windows(2).find(|pair| pair[1] < pair[0]) {
            return Err(HistoryError::Order { timestamp_ms: pair[1], previous_ms: pair[0] });
        }
        let mut observed = Vec::with_capacity(values.len());
        let mut last = 0.0;
        for (value, &timestamp_ms) in values.iter_mut().zip(&timestamps) {
            observed.push(!value.is_nan());
            if value.is_nan() {
                *value = last;
            } else if *value < 0.0 || value.is_infinite() {
                return Err(HistoryError::Demand { value: *value, timestamp_ms });
            }
            last = *value;
        }
        let mut distances: Vec<i64> = timestamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let middle = (distances.len() - 1) / 2;
        let (_, &mut step_ms, _) = distances.select_nth_unstable(middle);
        Ok(Self { timestamps, values, observed, step_ms })
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
