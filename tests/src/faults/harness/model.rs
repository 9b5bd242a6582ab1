//! What a store must have: the samples that were acknowledged, and those of the batches whose answer never came.

use std::collections::{BTreeMap, BTreeSet};

/// A sample: series, epoch milliseconds, value.
pub(in crate::faults) type Sample = (u32, i64, i64);

/// A batch: its samples, in the order in which they were sent.
pub(in crate::faults) type Batch = Vec<Sample>;

/// Expected content of a store.
#[derive(Debug, Clone, Default)]
pub(in crate::faults) struct Model {
    known: BTreeMap<(u32, i64), i64>,
    /// Batches that were sent and not answered; each is there as a whole or not at all.
    open: Vec<Batch>,
    acknowledged: u64,
}

impl Model {
    /// Notes a batch that was answered.
    pub(in crate::faults) fn acknowledge(&mut self, batch: &Batch) {
        self.acknowledged += 1;
        for (series, at, value) in batch {
            self.known.insert((*series, *at), *value);
        }
    }

    /// Notes a batch that was sent when the service was killed.
    pub(in crate::faults) fn leave_open(&mut self, batch: Batch) {
        self.open.push(batch);
    }

    /// Returns what a store has to have that got the batches of two models; they have no series in common.
    pub(in crate::faults) fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.known.extend(&other.known);
        both.open.extend(other.open.iter().cloned());
        both.acknowledged += other.acknowledged;
        both
    }

    /// Returns the number of acknowledged batches.
    pub(in crate::faults) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns the number of expected samples, without those of open batches.
    pub(in crate::faults) fn samples(&self) -> usize {
        self.known.len()
    }

    /// Returns sample times that are there, for batches that repeat or change them.
    pub(in crate::faults) fn known(&self) -> Vec<(u32, i64)> {
        self.known.keys().copied().collect()
    }

    /// Compares the content of a store, and takes over the open batches that it has.
    ///
    /// # Errors
    /// What is lost, there twice, or was never sent, in one line.
    pub(in crate::faults) fn judge(&mut self, found: &[Sample]) -> Result<(), String> {
        let mut there: BTreeMap<(u32, i64), i64> = BTreeMap::new();
        for (series, at, value) in found {
            if there.insert((*series, *at), *value).is_some() {
                return Err(format!("series {series} has the timestamp {at} twice"));
            }
        }
        for batch in std::mem::take(&mut self.open) {
            let present = batch.iter().filter(|(series, at, value)| there.get(&(*series, *at)) == Some(value)).count();
            // Batches of several senders may repeat each other's samples, so that a part of one may be hidden by another.
            let is_alone = batch.iter().filter(|(series, at, _)| !self.known.contains_key(&(*series, *at)));
            let new: BTreeSet<bool> = is_alone.map(|(series, at, _)| there.contains_key(&(*series, *at))).collect();
            if new.len() > 1 {
                return Err(format!(
                    "a batch of {} samples that was not acknowledged is there in part: {present}",
                    batch.len()
                ));
            }
            if new.contains(&true) || present == batch.len() {
                for (series, at, value) in batch {
                    self.known.insert((series, at), value);
                }
            }
        }
        for (key, value) in &self.known {
            match there.remove(key) {
                Some(found) if found == *value => {}
                Some(found) => return Err(format!("{key:?} has the value {found}, acknowledged was {value}")),
                None => return Err(format!("the acknowledged sample {key:?} is lost")),
            }
        }
        match there.into_iter().next() {
            Some((key, value)) => Err(format!("{key:?} has the value {value}, which was never sent")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_repetitions_and_inventions_are_told() {
        let model = || {
            let mut model = Model::default();
            model.acknowledge(&vec![(1, 10, 5), (2, 10, 6)]);
            model.acknowledge(&vec![(1, 10, 7)]);
            model.leave_open(vec![(1, 20, 8), (2, 20, 9)]);
            model
        };
        let check = |found: &[Sample], expected: &str| {
            let error = model().judge(found).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        assert_eq!(model().judge(&[(1, 10, 7), (2, 10, 6)]), Ok(()));
        let mut taken = model();
        assert_eq!(taken.judge(&[(1, 10, 7), (2, 10, 6), (1, 20, 8), (2, 20, 9)]), Ok(()));
        assert_eq!((taken.samples(), taken.acknowledged()), (4, 2), "the open batch is expected from now on");
        check(&[(1, 10, 7)], "(2, 10) is lost");
        check(&[(1, 10, 5), (2, 10, 6)], "has the value 5, acknowledged was 7");
        check(&[(1, 10, 7), (1, 10, 7), (2, 10, 6)], "the timestamp 10 twice");
        check(&[(1, 10, 7), (2, 10, 6), (1, 20, 8)], "is there in part");
        check(&[(1, 10, 7), (2, 10, 6), (3, 10, 1)], "was never sent");
    }
}
