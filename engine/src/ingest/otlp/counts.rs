//! Counters that grow from export to export: spans by their attributes, log records by their templates.
//!
//! The counts are in memory. A new counter begins with a sample of zero, so that its first increase is seen, and a restart
//! of the service is the reset of a counter.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::rows::{LabelText, NO_POINT, Rows};

/// Largest number of counters of log records.
pub(crate) const MAX_RECORD_COUNTERS: usize = 20_000;

/// One counter: a count, and a histogram if it has one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    pub(crate) count: f64,
    pub(crate) sum: f64,
    /// Counts of the buckets of the histogram, without the last one.
    pub(crate) buckets: Vec<f64>,
    /// Time of the last sample.
    last_ms: i64,
}

/// Counters by their labels.
#[derive(Debug, Default)]
pub(crate) struct Counters(HashMap<BTreeMap<String, String>, Counter>);

/// Changes of one export, which take effect when its samples are accepted.
#[derive(Debug)]
pub(crate) struct CounterChanges<'a> {
    table: &'a Counters,
    changed: HashMap<BTreeMap<String, String>, Counter>,
    /// New counters.
    added: usize,
    /// Largest number of counters of the table.
    most: usize,
}

impl Counters {
    /// Applies the changes of an export.
    pub(crate) fn apply(&mut self, changed: HashMap<BTreeMap<String, String>, Counter>) {
        self.0.extend(changed);
    }

    /// Returns the number of counters.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> CounterChanges<'a> {
    /// Returns no changes of a table that has at most `most` counters.
    pub(crate) fn of(table: &'a Counters, most: usize) -> Self {
        Self { table, changed: HashMap::new(), added: 0, most }
    }

    /// Changes a counter. Returns `false`, without a change, when it is new and there are too many.
    pub(crate) fn change(&mut self, labels: &BTreeMap<String, String>, change: impl FnOnce(&mut Counter)) -> bool {
        self.change_within(labels, 0, change)
    }

    /// Changes a counter, with space for `further` ones above the limit: for those that hold the rest of a group.
    pub(crate) fn change_within(
        &mut self,
        labels: &BTreeMap<String, String>,
        further: usize,
        change: impl FnOnce(&mut Counter),
    ) -> bool {
        let is_known = self.changed.contains_key(labels) || self.table.0.contains_key(labels);
        if !is_known && self.table.len() + self.added >= self.most.saturating_add(further) {
            return false;
        }
        self.change_always(labels, change);
        true
    }

    /// Changes a counter also when there are too many; for the few that hold the rest.
    pub(crate) fn change_always(&mut self, labels: &BTreeMap<String, String>, change: impl FnOnce(&mut Counter)) {
        if let Some(counter) = self.changed.get_mut(labels) {
            return change(counter);
        }
        let known = self.table.0.get(labels).cloned();
        self.added += usize::from(known.is_none());
        let mut counter = known.unwrap_or_default();
        change(&mut counter);
        self.changed.insert(labels.clone(), counter);
    }

    /// Adds a sample of every changed counter at `now_ms`. `bounds`: finite bounds of the histogram `histogram`, in
    /// seconds.
    pub(crate) fn push(&mut self, rows: &mut Rows, now_ms: i64, counter: &str, histogram: Option<(&str, &[f64])>) {
        for (labels, changed) in &mut self.changed {
            let is_new = changed.last_ms == 0;
            // Two exports in a millisecond would else have two values at one time.
            let at = now_ms.max(changed.last_ms + 1);
            changed.last_ms = at;
            let samples = |value: f64| -> Vec<(i64, f64)> {
                is_new.then_some((at - 1, 0.0)).into_iter().chain([(at, value)]).collect()
            };
            let labels = LabelText::new(labels);
            rows.push(NO_POINT, counter, (&labels, None), &samples(changed.count));
            let Some((name, bounds)) = histogram else { continue };
            rows.push(NO_POINT, &format!("{name}_count"), (&labels, None), &samples(changed.count));
            rows.push(NO_POINT, &format!("{name}_sum"), (&labels, None), &samples(changed.sum));
            let (name, mut below) = (format!("{name}_bucket"), 0.0);
            for (bound, count) in bounds.iter().zip(&changed.buckets) {
                below += count;
                rows.push(NO_POINT, &name, (&labels, Some(("le", &bound.to_string()))), &samples(below));
            }
            rows.push(NO_POINT, &name, (&labels, Some(("le", "+Inf"))), &samples(changed.count));
        }
    }

    /// Returns the changes without the table.
    pub(crate) fn into_changed(self) -> HashMap<BTreeMap<String, String>, Counter> {
        self.changed
    }
}
