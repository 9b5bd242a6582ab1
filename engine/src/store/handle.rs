use std::{path::Path, sync::Arc};

use almanac_models::Timestamp;

use super::{
    Appended, Compaction, CompactionReport, Receipt, SampleBatch, SqlAnswer, SqlError, SqlLimits, SqlParam, StoreError,
    StoreOptions,
    rows::{
        AnomalyRow, CacheEvent, Deploy, EventBatch, EventFilter, ForecastRow, Incident, OutcomeFilter, OutcomeRow,
        RecommendationFilter, RecommendationRow, RowFilter, SignalFilter, SignalRow,
    },
};
use crate::series::{Labels, Matcher, SampleSource, SeriesId, SeriesSamples, SourceError};

/// The store of one process. Cloning is cheap; all clones are the same store.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner;

/// How the store stands, for metrics and readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Series registered.
    pub series: u64,
    /// The limit on series.
    pub max_series: u64,
    /// New series refused since the start because of the limit.
    pub series_refused: u64,
    /// Samples in hot segments (arrival order).
    pub samples_hot: u64,
    /// Samples in late segments.
    pub samples_late: u64,
    /// Samples in cold segments (sorted).
    pub samples_cold: u64,
    /// Samples held in memory.
    pub samples_recent: u64,
    /// Hot, late and cold segments.
    pub segments: u64,
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Bytes of samples waiting for the writer.
    pub queue_bytes: u64,
    /// The bound of the queue.
    pub queue_limit_bytes: u64,
    /// Batches waiting for the writer.
    pub queue_batches: u64,
    /// Appends refused since the start because the queue was full.
    pub busy: u64,
    /// Transactions committed since the start.
    pub commits: u64,
    /// Transactions that failed since the start.
    pub commits_failed: u64,
    /// Time spent in committing since the start, in microseconds.
    pub commit_us: u64,
    /// Samples written since the start.
    pub samples_written: u64,
    /// Samples since the start that were there already.
    pub samples_unchanged: u64,
    /// Samples since the start that came late.
    pub samples_came_late: u64,
    /// Compactions since the start.
    pub compactions: u64,
}

#[expect(unused_variables, reason = "signatures first: the bodies follow")]
impl Store {
    /// Opens a store, or makes one where there is no file.
    ///
    /// # Errors
    /// `Locked`, `NotDuckDb`, `Foreign`, `Damaged`, `NewerSchema`, `Open`, `DiskFull`: the file is left as it was.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Err(StoreError::Closed)
    }

    /// The number of the series with these labels, registered when it is new. It is persisted no later than its first samples.
    ///
    /// # Errors
    /// `SeriesLimit` when it is new and would be one too many.
    pub fn resolve(&self, labels: &Labels) -> Result<SeriesId, StoreError> {
        Err(StoreError::Closed)
    }

    /// The labels of a series.
    #[must_use]
    pub fn labels(&self, id: SeriesId) -> Option<Labels> {
        None
    }

    /// Queues samples for the writer; never blocks. The receipt resolves once they are on disk.
    ///
    /// # Errors
    /// `Busy` when the queue is full; `UnequalColumns`, `UnknownSeries`, `TimestampRange`: nothing of the batch is stored.
    pub fn append(&self, batch: SampleBatch) -> Result<Receipt, StoreError> {
        Err(StoreError::Closed)
    }

    /// Names of labels of the series that satisfy all matchers of any selector (no selectors: all series) and may have samples in the span, sorted.
    ///
    /// # Errors
    /// `Closed`.
    pub fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Values of one label, over the same series as [`Store::label_names`], sorted.
    ///
    /// # Errors
    /// `Closed`.
    pub fn label_values(
        &self,
        name: &str,
        selectors: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Labels of the same series as [`Store::label_names`], sorted.
    ///
    /// # Errors
    /// `Closed`.
    pub fn series(&self, selectors: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> Result<Vec<Labels>, StoreError> {
        Err(StoreError::Closed)
    }

    /// How the store stands; cheap.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        StoreStats::default()
    }

    /// Compacts, rolls up and applies retention. Blocks for as long as that takes; appends go on meanwhile.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`; what was not finished stays due.
    pub fn compact(&self, now: Timestamp, what: Compaction) -> Result<CompactionReport, StoreError> {
        Err(StoreError::Closed)
    }

    /// Answers an analyst's statement.
    ///
    /// # Errors
    /// [`SqlError`], each with a stable code.
    pub fn analyst_sql(&self, sql: &str, params: &[SqlParam], limits: SqlLimits) -> Result<SqlAnswer, SqlError> {
        Err(SqlError::Closed)
    }

    /// Commits what waits, writes a checkpoint and gives the file up. Other clones answer `Closed` from then on.
    ///
    /// # Errors
    /// `Database`, `DiskFull`: what was answered is on disk nevertheless.
    pub fn close(self) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Puts signals, each in place of the one of its name.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_signals(&self, rows: &[SignalRow]) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists signals by name.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn signals(&self, filter: &SignalFilter) -> Result<Vec<SignalRow>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Puts forecasts; those of the same signal that were made at the same instant or later go.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_forecasts(&self, rows: &[ForecastRow]) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists forecasts by signal, instant and `made_at`.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn forecasts(&self, filter: &RowFilter) -> Result<Vec<ForecastRow>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Puts scores, each in place of the one of the same signal and instant.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_anomalies(&self, rows: &[AnomalyRow]) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists scores by signal and instant.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn anomalies(&self, filter: &RowFilter) -> Result<Vec<AnomalyRow>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Puts recommendations, each in place of the one of its id.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_recommendations(&self, rows: &[RecommendationRow]) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists recommendations, the newest first.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn recommendations(&self, filter: &RecommendationFilter) -> Result<Vec<RecommendationRow>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Puts recommendations and the outcomes that go with them in one transaction.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_ledger(&self, rows: &[RecommendationRow], outcomes: &[OutcomeRow]) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Adds outcomes; the same outcome put again changes nothing.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_outcomes(&self, rows: &[OutcomeRow]) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists outcomes in the order in which they were put.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn outcomes(&self, filter: &OutcomeFilter) -> Result<Vec<OutcomeRow>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Stores events; a repeated batch changes nothing, which the answer's `unchanged` counts.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`, `InvalidRow`.
    pub fn put_events(&self, events: EventBatch) -> Result<Appended, StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists cache events by time, ties in the order of arrival.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn cache_events(&self, filter: &EventFilter) -> Result<Vec<CacheEvent>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists deploys by time.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn deploys(&self, filter: &EventFilter) -> Result<Vec<Deploy>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Lists incidents by their start.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn incidents(&self, filter: &EventFilter) -> Result<Vec<Incident>, StoreError> {
        Err(StoreError::Closed)
    }
}

#[expect(unused_variables, reason = "signatures first: the body follows")]
impl SampleSource for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        Err(StoreError::Closed.into())
    }
}
