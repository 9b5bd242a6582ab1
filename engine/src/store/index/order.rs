//! The order of all series by their labels.

use std::{cmp::Ordering, sync::Arc};

/// Series by their labels. Labels of a series never change, so that only new series are sorted. Takes 8 bytes a series.
#[derive(Debug, Default)]
pub(super) struct LabelOrder {
    /// Numbers of the series in order.
    series: Vec<u32>,
    /// Place of each series in the order.
    places: Arc<Vec<u32>>,
}

impl LabelOrder {
    /// Returns the place of each series below `end` in the order that `compare` defines.
    pub(super) fn places(&mut self, end: u32, compare: impl Fn(u32, u32) -> Ordering) -> Arc<Vec<u32>> {
        let known = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        if known < end {
            let mut new: Vec<u32> = (known..end).collect();
            new.sort_unstable_by(|a, b| compare(*a, *b));
            self.series = merged(&self.series, &new, compare);
            let mut places = vec![0; self.series.len()];
            for (place, &series) in (0..).zip(&self.series) {
                places[series as usize] = place;
            }
            self.places = Arc::new(places);
        }
        Arc::clone(&self.places)
    }
}

/// Merges two ordered lists.
fn merged(old: &[u32], new: &[u32], compare: impl Fn(u32, u32) -> Ordering) -> Vec<u32> {
    let mut all = Vec::with_capacity(old.len() + new.len());
    let mut rest = old;
    for &one in new {
        let before = rest.partition_point(|&other| compare(other, one).is_le());
        all.extend_from_slice(&rest[..before]);
        all.push(one);
        rest = &rest[before..];
    }
    all.extend_from_slice(rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_series_are_sorted_among_the_others() {
        let texts = ["m", "c", "x", "a", "c", "z", "b"];
        let compare = |a: u32, b: u32| texts[a as usize].cmp(texts[b as usize]);
        let mut order = LabelOrder::default();
        assert!(order.places(0, compare).is_empty());
        assert_eq!(*order.places(3, compare), [1, 0, 2]);
        assert_eq!(*order.places(7, compare), [4, 2, 5, 0, 3, 6, 1]);
        assert_eq!(*order.places(7, compare), [4, 2, 5, 0, 3, 6, 1]);
    }
}
