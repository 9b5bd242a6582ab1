//! The store's rows besides samples: what is learned, recommended, reported and known about metrics and targets.

use almanac_models::Timestamp;

use super::Store;
use crate::store::{
    Appended, StoreError,
    rows::{
        AdviceStatusFilter, AdviceStatusRow, AnomalyRow, CacheEvent, CorrelationRow, Deploy, EventBatch, EventFilter,
        ForecastRow, Incident, MetadataFilter, MetadataPut, MetadataRow, OutcomeFilter, OutcomeRow, PeerOutlierRow,
        RecommendationFilter, RecommendationRow, RowFilter, ScrapeTargetRow, SignalFilter, SignalRow,
        SuspectedIncidentRow,
    },
    tables,
};

impl Store {
    /// Puts signals, each in place of the one of its name.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_signals(&self, rows: &[SignalRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_signals(connection, &rows))
    }

    /// Lists signals by name.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn signals(&self, filter: &SignalFilter) -> Result<Vec<SignalRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::signals(connection, filter))
    }

    /// Puts forecasts; those of the same signal that were made at the same instant or later go.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_forecasts(&self, rows: &[ForecastRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_forecasts(connection, &rows))
    }

    /// Lists forecasts by signal, instant and `made_at`.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn forecasts(&self, filter: &RowFilter) -> Result<Vec<ForecastRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::forecasts(connection, filter))
    }

    /// Puts scores, each in place of the one of the same signal and instant.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_anomalies(&self, rows: &[AnomalyRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_anomalies(connection, &rows))
    }

    /// Lists scores by signal and instant.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn anomalies(&self, filter: &RowFilter) -> Result<Vec<AnomalyRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::anomalies(connection, filter))
    }

    /// Puts these suspected incidents in place of the stored ones that began at `since` or later.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_suspected_incidents(&self, rows: &[SuspectedIncidentRow], since: Timestamp) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_suspected_incidents(connection, &rows, since))
    }

    /// Lists suspected incidents by their start; `names` are those of the signals that moved first.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn suspected_incidents(&self, filter: &EventFilter) -> Result<Vec<SuspectedIncidentRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::suspected_incidents(connection, filter))
    }

    /// Puts times in which a peer differed; one that touches a stored one of the same series becomes one with it.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_peer_outliers(&self, rows: &[PeerOutlierRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_peer_outliers(connection, &rows))
    }

    /// Lists times in which a peer differed, by their start; `names` are series.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn peer_outliers(&self, filter: &EventFilter) -> Result<Vec<PeerOutlierRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::peer_outliers(connection, filter))
    }

    /// Puts these correlations in place of all stored ones.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_correlations(&self, rows: &[CorrelationRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.write(move |connection| tables::put_correlations(connection, &rows))
    }

    /// Lists correlations, the strongest first; `names` are those of the leaders.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn correlations(&self, filter: &EventFilter) -> Result<Vec<CorrelationRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::correlations(connection, filter))
    }

    /// Puts recommendations, each in place of the one of its id.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_recommendations(&self, rows: &[RecommendationRow]) -> Result<(), StoreError> {
        self.put_ledger(rows, &[])
    }

    /// Lists recommendations, the newest first.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn recommendations(&self, filter: &RecommendationFilter) -> Result<Vec<RecommendationRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::recommendations(connection, filter))
    }

    /// Puts recommendations and the outcomes that go with them in one transaction.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_ledger(&self, rows: &[RecommendationRow], outcomes: &[OutcomeRow]) -> Result<(), StoreError> {
        let (rows, outcomes) = (rows.to_vec(), outcomes.to_vec());
        self.write(move |connection| tables::put_ledger(connection, &rows, &outcomes))
    }

    /// Adds outcomes; the same outcome put again changes nothing.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_outcomes(&self, rows: &[OutcomeRow]) -> Result<(), StoreError> {
        self.put_ledger(&[], rows)
    }

    /// Lists outcomes in the order in which they were put.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn outcomes(&self, filter: &OutcomeFilter) -> Result<Vec<OutcomeRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::outcomes(connection, filter))
    }

    /// Stores events; a repeated batch changes nothing, which the answer's `unchanged` counts.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`, `InvalidRow`.
    pub fn put_events(&self, events: EventBatch) -> Result<Appended, StoreError> {
        self.write(move |connection| tables::put_events(connection, &events))
    }

    /// Lists cache events by time, ties in the order of arrival.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn cache_events(&self, filter: &EventFilter) -> Result<Vec<CacheEvent>, StoreError> {
        self.0.shared.readers.with(|connection| tables::cache_events(connection, filter))
    }

    /// Lists deploys by time.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn deploys(&self, filter: &EventFilter) -> Result<Vec<Deploy>, StoreError> {
        self.0.shared.readers.with(|connection| tables::deploys(connection, filter))
    }

    /// Lists incidents by their start.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn incidents(&self, filter: &EventFilter) -> Result<Vec<Incident>, StoreError> {
        self.0.shared.readers.with(|connection| tables::incidents(connection, filter))
    }

    /// Puts verdicts of advisors in place of all verdicts of the kinds in `kinds` and of the kinds of the rows: a kind in
    /// `kinds` without a row has none from then on.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_advice_status(&self, kinds: &[&str], rows: &[AdviceStatusRow]) -> Result<(), StoreError> {
        let (kinds, rows): (Vec<String>, _) = (kinds.iter().map(|&kind| kind.to_owned()).collect(), rows.to_vec());
        self.write(move |connection| tables::put_advice_status(connection, &kinds, &rows))
    }

    /// Lists verdicts of advisors by kind and target.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn advice_status(&self, filter: &AdviceStatusFilter) -> Result<Vec<AdviceStatusRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::advice_status(connection, filter))
    }

    /// Puts metadata, each row in place of the one of its metric. What a row leaves empty (type unknown, no help, no unit)
    /// keeps its stored value, what is known already is not written, and a metric whose senders disagree is not written
    /// again and again: cheap to call with every batch.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_metadata(&self, rows: &[MetadataRow]) -> Result<MetadataPut, StoreError> {
        let (changed, put) = self.0.shared.metadata.changed(rows);
        if changed.is_empty() {
            return Ok(put);
        }
        let stored = changed.clone();
        self.write(move |connection| tables::put_metadata(connection, &stored))?;
        self.0.shared.metadata.learn(changed);
        Ok(put)
    }

    /// Lists metadata by metric; answered from memory.
    #[must_use]
    pub fn metadata(&self, filter: &MetadataFilter) -> Vec<MetadataRow> {
        self.0.shared.metadata.list(filter)
    }

    /// The metadata of the metric that a series of this name belongs to, such as that of `x` for `x_bucket`.
    #[must_use]
    pub fn metadata_of(&self, name: &str) -> Option<MetadataRow> {
        self.0.shared.metadata.of(name)
    }

    /// Puts the state of scrape targets, each in place of the one of its job and URL. Memory has it at once; the disk when
    /// a target is new or its health or error changed, otherwise once a minute.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_scrape_targets(&self, rows: &[ScrapeTargetRow]) -> Result<(), StoreError> {
        match self.0.shared.targets.put(rows) {
            Some(all) => self.write(move |connection| tables::put_scrape_targets(connection, &all)),
            None => Ok(()),
        }
    }

    /// Forgets every scrape target whose job and URL are not among these: call it once the configuration is read.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn retain_scrape_targets(&self, configured: &[(String, String)]) -> Result<(), StoreError> {
        match self.0.shared.targets.retain(configured) {
            Some(all) => self.write(move |connection| tables::put_scrape_targets(connection, &all)),
            None => Ok(()),
        }
    }

    /// Lists scrape targets by job and URL; answered from memory.
    #[must_use]
    pub fn scrape_targets(&self) -> Vec<ScrapeTargetRow> {
        self.0.shared.targets.list()
    }
}
