//! Assigns the rows of a frame to the groups of `by` or `without`.

use crate::{
    series::{Labels, METRIC_NAME},
    signal::{
        frame::{Frame, Interner, RowLabels},
        plan::Grouping,
    },
};

/// The groups of the rows of a frame.
#[derive(Debug)]
pub(in crate::signal) struct Groups {
    /// Index of the group of each row.
    pub(in crate::signal) of_row: Vec<usize>,
    /// Labels of each group, in order of first appearance.
    pub(in crate::signal) labels: Vec<Labels>,
    /// Whether any row of the group drops its metric name from the result.
    drops_name: Vec<bool>,
    /// Whether names are dropped from the result only.
    delays: bool,
}

impl Groups {
    /// Groups the rows. `without` also ignores the metric name.
    pub(in crate::signal) fn new(frame: &Frame, grouping: &Grouping) -> Self {
        let mut names: Vec<&str> = grouping.names.iter().map(String::as_str).collect();
        if grouping.without {
            names.push(METRIC_NAME);
        }
        names.sort_unstable();
        let mut interner = Interner::default();
        let mut groups = Self {
            of_row: Vec::with_capacity(frame.rows.len()),
            labels: Vec::new(),
            drops_name: Vec::new(),
            delays: frame.rows.iter().any(RowLabels::delays),
        };
        for row in &frame.rows {
            let id = if names.is_empty() {
                interner.id(std::iter::empty())
            } else {
                interner.id(row.iter().filter(|(name, _)| names.binary_search(name).is_ok() != grouping.without))
            };
            if id == groups.labels.len() {
                groups.labels.push(if grouping.without { row.without(&names) } else { row.only(&names) });
                groups.drops_name.push(false);
            }
            groups.drops_name[id] |= row.drops_name();
            groups.of_row.push(id);
        }
        groups
    }

    /// Returns a row for a group with these labels.
    pub(in crate::signal) fn row(&self, group: usize, labels: Labels) -> RowLabels {
        let mut row = RowLabels::selected(labels, self.delays);
        if self.drops_name[group] {
            row.drop_name();
        }
        row
    }

    /// Returns the rows of each group.
    pub(in crate::signal) fn rows(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.labels.len()];
        self.of_row.iter().enumerate().for_each(|(row, group)| rows[*group].push(row));
        rows
    }
}
