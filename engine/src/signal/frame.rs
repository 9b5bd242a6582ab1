//! Frames: an instant vector at each step, with a row for each element and a column for each step.

use hashbrown::{HashMap, hash_map::EntryRef};

use super::{EvalLimits, SignalError};
use crate::series::{Labels, METRIC_NAME, STALE_NAN_BITS};

/// Labels that describe the metric and are dropped with its name: the name itself, its type and its unit.
pub(super) const OF_METRIC: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// Cell of a row without a value at a step. No operation returns these bits: arithmetic on NaN sets the quiet bit, and
/// a stored stale marker has the same meaning.
pub(super) const ABSENT: f64 = f64::from_bits(STALE_NAN_BITS);

/// Whether a cell is without a value.
pub(super) fn is_absent(cell: f64) -> bool {
    cell.to_bits() == STALE_NAN_BITS
}

/// Upper half of the bits of the handle of a histogram: a signalling NaN that is neither the stale marker nor the result of
/// arithmetic.
pub(super) const HANDLE: u64 = 0x7ff1_0000;

/// Whether a cell is the handle of a histogram.
pub(super) fn is_histogram(cell: f64) -> bool {
    cell.to_bits() >> 32 == HANDLE
}

/// Evenly spaced times at which an expression is evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepGrid {
    pub(super) start_ms: i64,
    pub(super) step_ms: i64,
    pub(super) steps: usize,
}

impl StepGrid {
    /// Returns the time of a step, in epoch milliseconds.
    pub(super) fn time(&self, step: usize) -> i64 {
        // Cannot saturate: a grid is created from a start and an end, and every step is between them.
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(self.step_ms.saturating_mul(step))
    }

    /// Returns the time of the last step; that of the first if there are no steps.
    pub(super) fn last(&self) -> i64 {
        self.time(self.steps.saturating_sub(1))
    }

    /// Splits the grid into two halves.
    pub(super) fn halves(&self) -> (Self, Self) {
        let first = self.steps / 2;
        (Self { steps: first, ..*self }, Self { start_ms: self.time(first), steps: self.steps - first, ..*self })
    }

    /// Iterates over the times of all steps.
    pub(super) fn times(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.steps).map(|step| self.time(step))
    }

    /// Returns the times of all steps in epoch seconds, the unit of PromQL.
    #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
    pub(super) fn seconds(&self) -> Vec<f64> {
        self.times().map(|time| time as f64 / 1000.0).collect()
    }
}

/// Labels of a row. Dropping the metric name sets a flag, so that no labels are copied.
#[derive(Debug, Clone)]
pub(super) struct RowLabels {
    labels: Labels,
    /// Whether the metric name is dropped.
    nameless: bool,
    /// Whether a dropped name stays visible until the result.
    delays: bool,
}

impl RowLabels {
    pub(super) fn new(labels: Labels) -> Self {
        Self { labels, nameless: false, delays: false }
    }

    /// Returns a row of a selector. `delays`: a dropped name stays visible until [`Self::finish`].
    pub(super) fn selected(labels: Labels, delays: bool) -> Self {
        Self { labels, nameless: false, delays }
    }

    /// Returns a row with other labels that drops its name as this one does.
    pub(super) fn with(&self, labels: Labels) -> Self {
        Self { labels, ..*self }
    }

    pub(super) fn drop_name(&mut self) {
        self.nameless = true;
    }

    /// Keeps the metric name, although an earlier operation dropped it.
    pub(super) fn keep_name(&mut self) {
        self.nameless = false;
    }

    /// Whether names are dropped from the result only.
    pub(super) fn delays(&self) -> bool {
        self.delays
    }

    /// Whether the name is dropped from the result.
    pub(super) fn drops_name(&self) -> bool {
        self.nameless && self.delays
    }

    /// Drops the name if that was delayed.
    pub(super) fn finish(&mut self) {
        self.delays = false;
    }

    /// Whether the metric name is invisible.
    fn hides_name(&self) -> bool {
        self.nameless && !self.delays
    }

    pub(super) fn get(&self, name: &str) -> &str {
        if self.hides_name() && OF_METRIC.contains(&name) { "" } else { self.labels.get(name).unwrap_or("") }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().filter(|(name, _)| !self.hides_name() || !OF_METRIC.contains(name))
    }

    pub(super) fn to_labels(&self) -> Labels {
        if self.hides_name() && OF_METRIC.iter().any(|name| self.labels.get(name).is_some()) {
            self.labels.without(&OF_METRIC)
        } else {
            self.labels.clone()
        }
    }

    /// Returns the labels except those named.
    pub(super) fn without(&self, names: &[&str]) -> Labels {
        let labels = self.labels.without(names);
        if self.hides_name() { labels.without(&OF_METRIC) } else { labels }
    }

    /// Returns only the labels named.
    pub(super) fn only(&self, names: &[&str]) -> Labels {
        let labels = self.labels.only(names);
        if self.hides_name() { labels.without(&OF_METRIC) } else { labels }
    }
}

/// Assigns numbers to sets of labels: equal numbers to equal sets, from 0 in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Interner {
    ids: HashMap<Box<[u8]>, usize>,
    /// Buffer of the current key, reused between calls.
    key: Vec<u8>,
}

impl Interner {
    /// Returns the number of a set of labels, which must be ordered by name.
    pub(super) fn id<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) -> usize {
        self.key.clear();
        for (name, value) in labels {
            // The byte 0xff does not occur in UTF-8, so that different sets have different keys.
            self.key.extend_from_slice(name.as_bytes());
            self.key.push(0xff);
            self.key.extend_from_slice(value.as_bytes());
            self.key.push(0xff);
        }
        let next = self.ids.len();
        match self.ids.entry_ref(self.key.as_slice()) {
            EntryRef::Occupied(entry) => *entry.get(),
            EntryRef::Vacant(entry) => *entry.insert(next),
        }
    }

    /// Returns the number of different sets.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// An instant vector at each step: one row for each element, one column for each step.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) rows: Vec<RowLabels>,
    /// Cells in row order, `steps` for each row; see [`ABSENT`].
    pub(super) cells: Vec<f64>,
    pub(super) steps: usize,
    /// True if the labels of the rows are known to differ even without the metric name.
    pub(super) distinct: bool,
}

impl Frame {
    pub(super) fn new(steps: usize) -> Self {
        Self { rows: Vec::new(), cells: Vec::new(), steps, distinct: false }
    }

    /// Returns an empty frame with memory for so many rows, within the limit.
    pub(super) fn for_rows(rows: usize, steps: usize, limits: &EvalLimits) -> Self {
        let cells = rows.saturating_mul(steps).min(limits.max_samples);
        Self { rows: Vec::with_capacity(rows), cells: Vec::with_capacity(cells), steps, distinct: false }
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.steps..(row + 1) * self.steps]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.cells[row * self.steps..(row + 1) * self.steps]
    }

    pub(super) fn cell(&self, row: usize, step: usize) -> f64 {
        self.cells[row * self.steps + step]
    }

    /// Adds a row without values and returns its index.
    pub(super) fn push_absent(&mut self, labels: RowLabels) -> usize {
        self.rows.push(labels);
        self.cells.resize(self.rows.len() * self.steps, ABSENT);
        self.rows.len() - 1
    }

    /// Adds the rows of a frame with the same steps.
    pub(super) fn append(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
        self.cells.append(&mut other.cells);
    }

    /// Removes the last row if it has no value.
    pub(super) fn pop_if_absent(&mut self) {
        if let Some(last) = self.rows.len().checked_sub(1)
            && self.row(last).iter().all(|cell| is_absent(*cell))
        {
            self.rows.pop();
            self.cells.truncate(last * self.steps);
        }
    }

    /// Replaces every float.
    pub(super) fn map(&mut self, mut change: impl FnMut(f64) -> f64) {
        for cell in &mut self.cells {
            if !is_absent(*cell) && !is_histogram(*cell) {
                *cell = change(*cell);
            }
        }
    }

    /// Replaces every value by a function of its step and value; [`ABSENT`] removes it.
    pub(super) fn map_steps(&mut self, mut change: impl FnMut(usize, f64) -> f64) {
        if self.steps == 0 {
            return;
        }
        for row in self.cells.chunks_exact_mut(self.steps) {
            for (step, cell) in row.iter_mut().enumerate() {
                if !is_absent(*cell) {
                    *cell = change(step, *cell);
                }
            }
        }
    }

    /// Removes rows without values.
    pub(super) fn compact(mut self) -> Self {
        let empty = |row: &[f64]| row.iter().all(|cell| is_absent(*cell));
        if self.steps > 0 && !self.cells.chunks_exact(self.steps).any(empty) {
            return self;
        }
        let keep: Vec<usize> = (0..self.rows.len()).filter(|row| !empty(self.row(*row))).collect();
        let mut cells = Vec::with_capacity(keep.len() * self.steps);
        keep.iter().for_each(|row| cells.extend_from_slice(self.row(*row)));
        self.rows = keep.iter().map(|row| self.rows[*row].clone()).collect();
        self.cells = cells;
        self
    }

    /// Drops the metric names and merges rows that then have the same labels.
    ///
    /// # Errors
    /// [`SignalError::DuplicateLabels`] if such rows have a value at the same step.
    pub(super) fn drop_names(mut self) -> Result<Self, SignalError> {
        self.rows.iter_mut().for_each(RowLabels::drop_name);
        if self.distinct {
            return Ok(self);
        }
        let mut merged = self.merge()?;
        merged.distinct = true;
        Ok(merged)
    }

    /// Drops the metric names whose removal was delayed, and merges rows that then have the same labels.
    ///
    /// # Errors
    /// [`SignalError::DuplicateLabels`] if such rows have a value at the same step.
    pub(super) fn finish_names(mut self) -> Result<Self, SignalError> {
        if !self.rows.iter().any(RowLabels::delays) {
            return Ok(self);
        }
        self.rows.iter_mut().for_each(RowLabels::finish);
        self.merge()
    }

    /// Like [`Self::drop_names`], but rows with the same labels are an error even if they have values at different
    /// steps only.
    pub(super) fn drop_names_strictly(mut self) -> Result<Self, SignalError> {
        self.rows.iter_mut().for_each(RowLabels::drop_name);
        if !self.distinct {
            let mut interner = Interner::default();
            for (idx, row) in self.rows.iter().enumerate() {
                if interner.id(row.iter()) != idx {
                    return Err(SignalError::DuplicateLabels { labels: row.to_labels().to_string() });
                }
            }
            self.distinct = true;
        }
        Ok(self)
    }

    /// Merges rows with the same labels.
    ///
    /// # Errors
    /// [`SignalError::DuplicateLabels`] if such rows have a value at the same step.
    pub(super) fn merge(self) -> Result<Self, SignalError> {
        let mut interner = Interner::default();
        let ids: Vec<usize> = self.rows.iter().map(|row| interner.id(row.iter())).collect();
        if interner.len() == self.rows.len() {
            return Ok(self);
        }
        let mut merged = Self::new(self.steps);
        for (row, id) in ids.into_iter().enumerate() {
            // Ids are dense, so that a new one is the next row.
            if id == merged.rows.len() {
                merged.rows.push(self.rows[row].clone());
                merged.cells.extend_from_slice(self.row(row));
                continue;
            }
            for (into, from) in merged.row_mut(id).iter_mut().zip(self.row(row)) {
                if is_absent(*from) {
                    continue;
                }
                if !is_absent(*into) {
                    return Err(SignalError::DuplicateLabels { labels: self.rows[row].to_labels().to_string() });
                }
                *into = *from;
            }
        }
        Ok(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(rows: &[(&str, [f64; 2])]) -> Frame {
        let mut frame = Frame::new(2);
        for (name, cells) in rows {
            frame.rows.push(RowLabels::new(Labels::from_pairs([(METRIC_NAME, *name), ("a", "1")]).unwrap()));
            frame.cells.extend(cells);
        }
        frame
    }

    #[test]
    fn rows_merge_when_they_never_overlap() {
        let merged = frame(&[("x", [1.0, ABSENT]), ("y", [ABSENT, 2.0])]).drop_names().unwrap();
        assert_eq!(merged.rows.len(), 1);
        assert_eq!(merged.cells, [1.0, 2.0]);
        assert_eq!(merged.rows[0].to_labels().to_string(), r#"{a="1"}"#);
    }

    #[test]
    fn overlapping_rows_are_an_error() {
        let error = frame(&[("x", [1.0, 1.0]), ("y", [ABSENT, 2.0])]).drop_names().unwrap_err();
        assert!(matches!(error, SignalError::DuplicateLabels { labels } if labels == r#"{a="1"}"#));
        assert!(frame(&[("x", [1.0, ABSENT]), ("y", [ABSENT, 2.0])]).drop_names_strictly().is_err());
    }

    #[test]
    fn empty_rows_are_removed() {
        let compact = frame(&[("x", [ABSENT, ABSENT]), ("y", [ABSENT, f64::NAN])]).compact();
        assert_eq!(compact.rows.len(), 1);
        assert_eq!(compact.rows[0].get(METRIC_NAME), "y");
        assert!(is_absent(ABSENT) && !is_absent(f64::NAN) && !is_absent(ABSENT + 1.0));
    }
}
