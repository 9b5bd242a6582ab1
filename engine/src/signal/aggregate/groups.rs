//! Assigns the rows of a frame to the groups of `by` or `without`.

use crate::{
    series::{Labels, METRIC_NAME},
    signal::{
        frame::{Frame, Interner, RowLabels},
        plan::Grouping,
    },
};

/// The groups of the rows of a frame, or of several frames in turn.
#[derive(Debug)]
pub(in crate::signal) struct Groups<'q> {
    /// Names by which rows are grouped, in order.
    names: Vec<&'q str>,
    without: bool,
    interner: Interner,
    /// Index of the group of each row of the last frame.
    pub(in crate::signal) of_row: Vec<usize>,
    /// Labels of each group, in order of first appearance.
    pub(in crate::signal) labels: Vec<Labels>,
    /// Whether any row of the group drops its metric name from the result.
    drops_name: Vec<bool>,
    /// Whether names are dropped from the result only.
    delays: bool,
}

impl<'q> Groups<'q> {
    /// Groups the rows of a frame. `without` also ignores the metric name.
    pub(in crate::signal) fn new(frame: &Frame, grouping: &'q Grouping) -> Self {
        let mut groups = Self::empty(grouping);
        groups.add(&frame.rows);
        groups
    }

    /// Returns no groups yet.
    pub(in crate::signal) fn empty(grouping: &'q Grouping) -> Self {
        let mut names: Vec<&str> = grouping.names.iter().map(String::as_str).collect();
        if grouping.without {
            names.push(METRIC_NAME);
        }
        names.sort_unstable();
        Self {
            names,
            without: grouping.without,
            interner: Interner::default(),
            of_row: Vec::new(),
            labels: Vec::new(),
            drops_name: Vec::new(),
            delays: false,
        }
    }

    /// Adds the rows of a further frame.
    pub(in crate::signal) fn add(&mut self, rows: &[RowLabels]) {
        let Self { names, without, interner, .. } = self;
        self.delays |= rows.iter().any(RowLabels::delays);
        self.of_row.clear();
        self.of_row.reserve(rows.len());
        for row in rows {
            let id = if names.is_empty() {
                interner.id(std::iter::empty())
            } else {
                interner.id(row.iter().filter(|(name, _)| names.binary_search(name).is_ok() != *without))
            };
            if id == self.labels.len() {
                self.labels.push(if *without { row.without(names) } else { row.only(names) });
                self.drops_name.push(false);
            }
            self.drops_name[id] |= row.drops_name();
            self.of_row.push(id);
        }
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
