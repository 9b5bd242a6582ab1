//! The study of one pool: its facts with the predictions that a decision needs, each made once. Called by `decide`.

use std::collections::BTreeMap;

use almanac_models::queue::{ErlangC, LoadStep, WaitTally};

use crate::advise::pool::{
    PoolFacts, PoolSpec,
    facts::Little,
    model::{Calibration, PoolLoad, PoolModel, Prediction},
};

/// Largest share of the checkouts that use a connection of the overflow, which is opened for them and closed after.
const OVERFLOWS: f64 = 0.05;

/// Facts of a pool and its predictions.
#[derive(Debug)]
pub(in crate::advise::pool) struct Study<'a> {
    pub(super) spec: &'a PoolSpec,
    pub(super) facts: &'a PoolFacts,
    pub(super) little: Little,
    pub(super) load: &'a PoolLoad,
    pub(super) calibration: Calibration,
    model: PoolModel<'a>,
    predictions: BTreeMap<u32, Prediction>,
}

/// A chosen number of connections.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    /// Connections of an instance.
    pub(super) connections: u32,
    /// Connections that an instance keeps.
    pub(super) size: u32,
    /// Connections that it may open beyond them; none: the pool has no overflow.
    pub(super) overflow: Option<u32>,
    /// Whether the target needs more, which a further step will show.
    pub(super) is_step: bool,
}

impl<'a> Study<'a> {
    /// Creates the study of a pool.
    pub(super) fn new(
        spec: &'a PoolSpec,
        facts: &'a PoolFacts,
        little: Little,
        load: &'a PoolLoad,
        model: PoolModel<'a>,
        calibration: Calibration,
    ) -> Self {
        let predictions = BTreeMap::from([(calibration.present.connections, calibration.present.clone())]);
        Self { spec, facts, little, load, calibration, model, predictions }
    }

    /// Returns the waits at a number of connections.
    pub(super) fn predict(&mut self, connections: u32) -> &Prediction {
        self.predictions.entry(connections).or_insert_with(|| self.model.predict(connections, 1.0))
    }

    /// Returns the waits with hold times multiplied by a factor.
    pub(super) fn predict_stretched(&self, connections: u32, stretch: f64) -> Prediction {
        self.model.predict(connections, stretch)
    }

    /// Whether waits exceed the limit in the busiest blocks. Measured waits decide where there are any: a bucket that
    /// contains the limit leaves the decision to the prediction.
    pub(super) fn waits_too_long(&self) -> bool {
        let most = self.spec.wait_max();
        let predicted = self.calibration.present.busiest;
        match self.calibration.measured {
            Some(measured) if measured.busiest.lower >= most => true,
            Some(measured) if measured.busiest.upper <= most => false,
            Some(_) => predicted.value > most,
            None => predicted.lower > most,
        }
    }

    /// Returns the checkouts of an instance in the busiest blocks.
    pub(super) fn busiest_arrivals(&self) -> f64 {
        let blocks = self.model.busiest_blocks.iter().flat_map(|&block| &self.load.blocks[block]);
        blocks.map(LoadStep::arrivals).sum()
    }

    /// Returns the connections of an instance that the database allows, if its limit is known.
    pub(super) fn allowed(&self) -> Option<u32> {
        let limit = self.facts.limit.as_ref()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        Some((limit.free / self.facts.foreseen.instances).floor().max(0.0) as u32)
    }

    /// Returns the most connections of an instance that were in use at a scrape.
    pub(super) fn most_in_use(&self) -> u32 {
        let most = self.facts.in_use.iter().copied().filter(|used| used.is_finite()).fold(0.0, f64::max);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a few thousand")]
        let most = most.ceil() as u32;
        most
    }

    /// Returns the least number of connections from `first` to `last` whose wait in the busiest blocks is surely within
    /// the limit. None if there is none.
    pub(super) fn least(&mut self, first: u32, last: u32) -> Option<u32> {
        let most = self.spec.wait_max();
        let keeps = |study: &mut Self, connections: u32| study.predict(connections).busiest.upper <= most;
        let (mut low, mut high) = (first, last);
        // Erlang's formula at the highest load is near, so that few simulations are needed.
        let guess = self.guess().clamp(first, last);
        if keeps(self, guess) {
            high = guess
        } else {
            low = (guess + 1).min(last)
        }
        if high == last && !keeps(self, last) {
            return None;
        }
        while low < high {
            let middle = u32::midpoint(low, high);
            if keeps(self, middle) { high = middle } else { low = middle + 1 }
        }
        Some(high)
    }

    /// Returns the number of connections by Erlang's formula at the highest load.
    fn guess(&self) -> u32 {
        let (load, hold) = (self.model.peak_load(), self.load.hold);
        let keeps = |servers: &u32| {
            ErlangC::try_new(*servers, load / hold, hold)
                .is_ok_and(|queue| queue.quantile(0.95) <= self.spec.wait_max())
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        let first = (load.floor() as u32).saturating_add(1);
        (first..first.saturating_add(1_000)).find(keeps).unwrap_or(first)
    }

    /// Divides connections into those that an instance keeps and the overflow, so that few checkouts use the overflow.
    pub(super) fn choice(&mut self, connections: u32, is_step: bool) -> Choice {
        if self.facts.overflow.is_none() {
            return Choice { connections, size: connections, overflow: None, is_step };
        }
        let (present, size) = (self.facts.connections(), self.facts.size);
        let tally = &self.predict(connections).tally;
        let rarely = (1..=connections).find(|size| found(tally, *size) <= OVERFLOWS).unwrap_or(connections);
        // A larger pool keeps no fewer connections than before, a smaller one no more.
        let kept = if connections > present { rarely.max(size) } else { rarely.min(size) }.clamp(1, connections);
        Choice { connections, size: kept, overflow: Some(connections - kept), is_step }
    }
}

/// Returns the share of the checkouts that find at least this many connections in use.
fn found(tally: &WaitTally, connections: u32) -> f64 {
    tally.finds_in_use(usize::try_from(connections).unwrap_or(usize::MAX))
}
