//! The handle [`Store`]: opens and closes the file, appends and reads samples, compacts and deletes.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use almanac_models::Timestamp;
use parking_lot::{Mutex, RwLock};

use crate::series::{Labels, Matcher, SeriesId, SeriesSamples};
use crate::store::{
    Compaction, CompactionReport, Deletion, DeletionReport, Receipt, SampleBatch, StoreError, StoreOptions, StoreStats,
    cache::{MetadataCache, TargetCache},
    file::{OpenedFile, Recovered, resolved},
    index, read,
    schema::{self, FileClaim},
    segment::{self, SegmentKind, SegmentLayout},
    shared::{Counters, Readers, Shared, count, spawn_writer},
    sql,
    write::{Queue, RecentHistograms, Writer, free_space, receipt},
    {MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS},
};

/// Handle of an open store. Clones are cheap and share the store.
///
/// ```
/// use almanac_engine::series::{Labels, Matcher, SampleSource};
/// use almanac_engine::store::{Compaction, Deletion, SampleBatch, SqlLimits, Store, StoreOptions};
/// use almanac_models::Timestamp;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("almanac.duckdb");
/// let store = Store::open(&path, StoreOptions::default())?;
///
/// // Samples are appended by series number. They are on disk once the receipt resolves.
/// let up = store.resolve(&Labels::from_pairs([("__name__", "up"), ("job", "api")])?)?;
/// let mut batch = SampleBatch::default();
/// batch.push(up, 1_000, 1.0);
/// batch.push(up, 2_000, 0.0);
/// assert_eq!(store.append(batch)?.wait()?.written, 2);
///
/// // Read by matchers and time span, or with SQL.
/// let found = store.select(&[Matcher::equal("job", "api")], 0, 10_000, usize::MAX)?;
/// assert_eq!((found[0].timestamps.as_slice(), found[0].values.as_slice()), ([1_000, 2_000].as_slice(), [1.0,
/// 0.0].as_slice())); let answer = store.analyst_sql("SELECT avg(value) FROM samples", &[], SqlLimits::default())?;
/// assert_eq!(answer.batches[0].num_rows(), 1);
///
/// // Maintenance: the caller passes the current time.
/// store.compact(Timestamp::from_millis(10_000), Compaction::All)?;
/// let until = Some(Timestamp::from_millis(1_500));
/// let old = Deletion { matchers: vec![Matcher::equal("__name__", "up")], from: None, until, dry_run: false };
/// assert_eq!(store.delete(&old)?.samples, 1);
/// store.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Store(pub(in crate::store) Arc<Inner>);

#[derive(Debug)]
pub(in crate::store) struct Inner {
    pub(in crate::store) shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Loads recent samples after the opening.
    loader: Mutex<Option<JoinHandle<()>>>,
    pub(super) analysts: sql::Gate,
    /// Released once no connection to the file is left.
    claim: Mutex<Option<FileClaim>>,
}

impl Store {
    /// Opens a store; creates the file if it does not exist.
    ///
    /// # Errors
    /// `Locked`, `NotDuckDb`, `Foreign`, `Damaged`, `NewerSchema`, `Open`, `DiskFull`: the file is not changed.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let path = &resolved(path);
        let claim = FileClaim::new(path)?;
        // The order matters: the file is validated before it is changed, orphans are dropped before the segments are
        // read, and the settings are locked last because the steps before them change settings.
        let (connection, recovered) = schema::connect(path, &options)?;
        // Opened after DuckDB and closed after it: closing it earlier would release DuckDB's lock.
        let opened = OpenedFile::new(path);
        schema::migrate(&connection, path)?;
        unless_full(schema::drop_orphans(&connection))?;
        let mut registry = schema::load_registry(&connection, options.max_series, options.label_bytes)?;
        let mut layout = schema::load_layout(&connection)?;
        unless_full(segment::convert(&connection, (path, &opened), &mut layout, |done, total| {
            options.on_conversion.report(done, total)
        }))?;
        let (mut recent, is_more_to_load) = schema::load_opening(&connection, &layout, &options)?;
        let histograms = schema::load_histograms(&connection)?;
        unless_full(schema::drop_dead_series(&connection, &mut registry, &recent, &histograms))?;
        recent.grow(registry.end());
        unless_full(schema::refresh_sample_view(&connection, &layout))?;
        schema::lock_settings(&connection)?;
        let next_seq = schema::load_next_seq(&connection, &layout)?;
        let (metadata, targets) = (MetadataCache::load(&connection)?, TargetCache::load(&connection)?);
        let clone = || connection.try_clone().map_err(crate::store::error::failed_to("connect to the database"));
        let (root, analyst_limits) = (clone()?, options.analyst);
        let lost = report_missing(path, recovered, &layout);
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            series_end: AtomicU32::new(registry.end()),
            registry: RwLock::new(registry),
            recent: RwLock::new(recent),
            histograms: RwLock::new(histograms),
            layout: RwLock::new(layout),
            queue: Queue::new(options.queue_bytes),
            counters: Counters::default(),
            stopped: OnceLock::new(),
            rewritten: AtomicBool::new(false),
            copying: AtomicBool::new(false),
            statements: AtomicU64::new(0),
            compacting: Mutex::new(()),
            readers: Readers::new(root),
            blocks: read::BlockCache::new(options.block_bytes()),
            metadata,
            targets,
            opened,
            broken: Mutex::new(None),
            lost,
            held: Mutex::default(),
            options,
        });
        let writer = spawn_writer(&shared, Writer::new(connection, Arc::clone(&shared), next_seq)?)?;
        let loader = if is_more_to_load { schema::load_later(&shared).ok() } else { None };
        Ok(Self(Arc::new(Inner {
            shared,
            writer: Mutex::new(Some(writer)),
            loader: Mutex::new(loader),
            analysts: sql::Gate::new(analyst_limits),
            claim: Mutex::new(Some(claim)),
        })))
    }

    /// Loads into memory what compacted segments have of the time before `now` or before the newest sample, if that is earlier: up
    /// to an age in milliseconds, or to a lower one whose samples take a quarter of the memory for samples. Queries of the last hour
    /// after a start need not read the disk then. Returns at once; reads find the samples on disk until they are loaded.
    pub fn load_older(&self, now: Timestamp, age_ms: i64) {
        let mut loader = self.0.loader.lock();
        let before = loader.take();
        *loader = schema::load_older(&self.0.shared, before, now.millis(), age_ms).ok();
    }

    /// Returns the number of the series with these labels and registers a new one. It is stored with its first samples
    /// at the latest.
    ///
    /// # Errors
    /// `SeriesLimit` or `LabelLimit` when the series is new and a limit is reached.
    pub fn resolve(&self, labels: &Labels) -> Result<SeriesId, StoreError> {
        if let Some(id) = self.0.shared.registry.read().find(labels) {
            return Ok(id);
        }
        let shared = &self.0.shared;
        let mut registry = shared.registry.write();
        let id = registry.register(labels).inspect_err(|_| count(&shared.counters.refused, 1))?;
        shared.series_end.store(registry.end(), Ordering::Release);
        Ok(id)
    }

    /// Returns the numbers of several series and registers the new ones, or none of them.
    ///
    /// # Errors
    /// `SeriesLimit` or `LabelLimit` when the new series do not fit into a limit; none is registered then.
    pub fn resolve_all(&self, all: &[Labels]) -> Result<Vec<SeriesId>, StoreError> {
        let shared = &self.0.shared;
        let mut registry = shared.registry.write();
        let new: HashSet<&Labels> = all.iter().filter(|labels| registry.find(labels).is_none()).collect();
        if registry.len() + new.len() > registry.limit() {
            count(&shared.counters.refused, new.len() as u64);
            return Err(StoreError::SeriesLimit { limit: registry.limit() });
        }
        registry
            .check_labels(new.iter().copied())
            .inspect_err(|_| count(&shared.counters.refused, new.len() as u64))?;
        let ids = all.iter().map(|labels| registry.register(labels)).collect();
        shared.series_end.store(registry.end(), Ordering::Release);
        ids
    }

    /// Returns whether the queue has space for `samples`; counts a rejected batch if it has none. Called before new
    /// series are registered, so that a rejected batch registers none.
    ///
    /// # Errors
    /// `Busy`, `Closed`.
    pub fn check_queue(&self, samples: usize) -> Result<(), StoreError> {
        self.0.shared.queue.check(samples)
    }

    /// Returns the labels of a series.
    #[must_use]
    pub fn labels(&self, id: SeriesId) -> Option<Labels> {
        self.0.shared.registry.read().labels(id)
    }

    /// Queues samples for the writer without blocking. The receipt resolves once they are on disk.
    ///
    /// # Errors
    /// `Busy` when the queue is full; `UnequalColumns`, `UnknownSeries`, `TimestampRange`: no sample of the batch is
    /// stored.
    pub fn append(&self, batch: SampleBatch) -> Result<Receipt, StoreError> {
        let (series, timestamps, values) = (batch.series.len(), batch.timestamps.len(), batch.values.len());
        if series != timestamps || series != values {
            return Err(StoreError::UnequalColumns { series, timestamps, values });
        }
        let end = self.0.shared.series_end.load(Ordering::Acquire);
        let histograms = || batch.histograms.iter();
        let ids = batch.series.iter().copied().chain(histograms().map(|sample| sample.series));
        if let Some(id) = ids.into_iter().find(|id| id.index() >= end) {
            return Err(StoreError::UnknownSeries { id: id.index() });
        }
        let within = MIN_TIMESTAMP_MS..=MAX_TIMESTAMP_MS;
        let mut timestamps = batch.timestamps.iter().copied().chain(histograms().map(|sample| sample.timestamp_ms));
        if let Some(timestamp_ms) = timestamps.find(|timestamp| !within.contains(timestamp)) {
            return Err(StoreError::TimestampRange { timestamp_ms });
        }
        let (answer, receipt) = receipt();
        self.0.shared.queue.push_samples(batch, answer)?;
        Ok(receipt)
    }

    /// Returns one point per series and step of `step_ms` milliseconds, read from the hourly rollups; `step_ms` is a multiple
    /// of [`ROLLUP_MS`](crate::store::ROLLUP_MS). Its timestamp is the end of the step. `span`: start and end in epoch
    /// milliseconds.
    ///
    /// # Errors
    /// `TooManySamples`, `Closed`, or an error of DuckDB.
    pub fn rollups(
        &self,
        matchers: &[Matcher],
        value: read::RollupValue,
        span: (i64, i64),
        step_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, StoreError> {
        read::rollups(&self.0.shared, matchers, value, span, step_ms, limit)
    }

    /// Returns the sorted label names of the series that satisfy all matchers of any selector (no selectors: all
    /// series) and may have samples in the span.
    ///
    /// # Errors
    /// `Closed`.
    pub fn label_names(
        &self,
        selectors: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        let ids = self.ids(selectors, start_ms, end_ms);
        Ok(self.0.shared.registry.read().names_of(&ids))
    }

    /// Returns the sorted values of one label, over the same series as [`Store::label_names`].
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
        let ids = self.ids(selectors, start_ms, end_ms);
        Ok(self.0.shared.registry.read().values_of(name, &ids))
    }

    /// Returns the sorted label sets of the same series as [`Store::label_names`].
    ///
    /// # Errors
    /// `Closed`.
    pub fn series(&self, selectors: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> Result<Vec<Labels>, StoreError> {
        let mut ids = self.ids(selectors, start_ms, end_ms);
        let registry = self.0.shared.registry.read();
        registry.sort_by_labels(&mut ids, |&id| id);
        Ok(ids.into_iter().filter_map(|id| registry.labels(SeriesId::new(id))).collect())
    }

    /// Returns the oldest timestamp of any sample; `None` in an empty store.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        let layout = self.0.shared.layout.read();
        let samples = layout.all().filter(|segment| segment.rows > 0).map(|segment| segment.min).min();
        let histograms = self.0.shared.histograms.read().span().map(|span| span.0);
        samples.into_iter().chain(histograms).min().map(Timestamp::from_millis)
    }

    /// Returns the newest timestamp of any sample; `None` in an empty store.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        let shared = &self.0.shared;
        newest_of(&shared.layout.read(), &shared.histograms.read()).map(Timestamp::from_millis)
    }

    /// Returns the newest timestamp up to `until`, so that a wrong timestamp far in the future does not hide the
    /// others.
    ///
    /// # Errors
    /// `Database`, `Closed`.
    pub fn newest_until(&self, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        read::newest_until(&self.0.shared, until.millis()).map(|newest| newest.map(Timestamp::from_millis))
    }

    /// Returns the reason of a fatal error, after which the store must be reopened; `None` in normal operation.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.0.shared.stopped.get().map(String::as_str)
    }

    /// Returns why the store takes no writes: its file was moved, its writer cannot go on, or a fatal error; `None` in
    /// normal operation. Looks at the file; cheap enough for every call of a health check.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        let shared = &self.0.shared;
        if let Some(detail) = shared.stopped.get() {
            return Some(format!("the store has stopped ({detail})"));
        }
        if let Err(error) = shared.opened.check() {
            return Some(error.to_string());
        }
        shared.broken.lock().clone()
    }

    /// Returns sizes and counters of the store; cheap.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let shared = &self.0.shared;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let bytes = |path: &Path| path.metadata().map_or(0, |file| file.len());
        let (queue_bytes, queue_batches, busy) = shared.queue.load();
        let (series, label_bytes) = {
            let registry = shared.registry.read();
            (registry.len() as u64, registry.label_bytes() as u64)
        };
        // A copy: a lock that is taken twice by one thread waits for itself once a writer waits in between.
        let layout = shared.layout.read().clone();
        StoreStats {
            series,
            max_series: shared.options.max_series as u64,
            label_bytes,
            max_label_bytes: shared.options.label_bytes as u64,
            series_refused: load(&shared.counters.refused),
            samples_hot: layout.rows(SegmentKind::Hot),
            samples_late: layout.rows(SegmentKind::Late),
            samples_cold: layout.cold().iter().map(|segment| segment.rows).sum(),
            samples_recent: shared.recent.read().held() as u64,
            block_cache_bytes: shared.blocks.bytes(),
            segments: layout.all().count() as u64,
            file_bytes: bytes(&shared.path),
            wal_bytes: bytes(&shared.log_path()),
            disk_free_bytes: free_space(&shared.path),
            newest_ms: newest_of(&layout, &shared.histograms.read()),
            queue_bytes: queue_bytes as u64,
            queue_limit_bytes: shared.queue.limit() as u64,
            queue_batches: queue_batches as u64,
            busy,
            commits: load(&shared.counters.commits),
            commits_failed: load(&shared.counters.commits_failed),
            commit_us: load(&shared.counters.commit_us),
            samples_written: load(&shared.counters.written),
            samples_unchanged: load(&shared.counters.unchanged),
            samples_came_late: load(&shared.counters.late),
            compactions: load(&shared.counters.compactions),
            ready: self.unready().is_none(),
            damaged_blocks: shared.readers.damaged(),
            samples_lost: shared.lost,
            rows_held: shared.held.lock().rows(),
            histograms: shared.histograms.read().counts().0,
        }
    }

    /// Compacts segments, updates rollups and applies retention. Blocks until done; appends continue meanwhile.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`; unfinished work remains due.
    pub fn compact(&self, now: Timestamp, what: Compaction) -> Result<CompactionReport, StoreError> {
        self.compact_dropping(now, what, false)
    }

    /// Compacts like [`Store::compact`]; with `allow_drop` retention may delete any share of the rows, which it otherwise
    /// holds back above [`StoreOptions::drop_share_max`].
    ///
    /// # Errors
    /// As [`Store::compact`].
    pub fn compact_dropping(
        &self,
        now: Timestamp,
        what: Compaction,
        allow_drop: bool,
    ) -> Result<CompactionReport, StoreError> {
        let result = segment::compact(&self.0.shared, now, what, allow_drop);
        self.0.shared.readers.note_damage(&result);
        result
    }

    /// Deletes samples of selected series within a span, or counts them. The deletion is on disk when the call returns;
    /// samples that are written afterwards are kept. Rows that were learned from the samples (forecasts, scores,
    /// recommendations) stay. Waits for a running compaction.
    ///
    /// # Errors
    /// `EmptySelector`, `WholeStore`: the selector is probably a mistake; `Database`, `DiskFull`, `Closed`: nothing is
    /// deleted.
    pub fn delete(&self, what: &Deletion) -> Result<DeletionReport, StoreError> {
        segment::delete(&self.0.shared, what)
    }

    /// Returns the path of the store's file, as it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.shared.path
    }

    /// Commits queued batches, writes a checkpoint and releases the file. Other clones return `Closed` afterwards.
    ///
    /// # Errors
    /// `Database`, `DiskFull`: acknowledged samples are on disk nevertheless.
    pub fn close(self) -> Result<(), StoreError> {
        self.0.shut()
    }

    /// Runs `work` in its own transaction on the writer thread.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&duckdb::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.shared.on_writer(move |writer| writer.transaction(work))
    }

    /// Returns the numbers of the series that satisfy all matchers of any selector and may have samples in the span,
    /// ascending.
    fn ids(&self, selectors: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> Vec<u32> {
        let registry = &self.0.shared.registry;
        let mut ids = match selectors {
            [] => index::select(registry, &[]),
            [one] => index::select(registry, one),
            many => {
                let mut ids: Vec<u32> = many.iter().flat_map(|matchers| index::select(registry, matchers)).collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            }
        };
        let recent = self.0.shared.recent.read();
        let histograms = self.0.shared.histograms.read();
        ids.retain(|&id| recent.overlaps(id, start_ms, end_ms) || histograms.overlaps(id, start_ms, end_ms));
        ids
    }
}

/// Returns the newest timestamp of samples and histograms.
fn newest_of(layout: &SegmentLayout, histograms: &RecentHistograms) -> Option<i64> {
    let samples = layout.all().filter(|segment| segment.rows > 0).map(|segment| segment.max).max();
    samples.max(histograms.span().map(|span| span.1))
}

/// Ignores a full disk in a step of opening that only tidies up: reads must be served, and the next opening repeats it.
fn unless_full(step: Result<(), StoreError>) -> Result<(), StoreError> {
    match step {
        Err(error @ StoreError::DiskFull { .. }) => {
            tracing::warn!(%error, "the disk is full: the store serves reads, and takes writes once there is space");
            Ok(())
        }
        other => other,
    }
}

/// Reports a log that is missing or short; returns how many samples are known to be lost.
fn report_missing(path: &Path, recovered: Recovered, layout: &SegmentLayout) -> u64 {
    let Some((what, before)) = recovered.missing else { return 0 };
    let found = layout.all().map(|segment| segment.rows).sum();
    let lost = before.samples.saturating_sub(found);
    tracing::error!(
        file = %path.display(), detail = what, samples_before = before.samples, samples_found = found, samples_lost = lost,
        "data that were acknowledged are missing from the store; restore the log or a backup, or continue without them"
    );
    lost
}

impl Inner {
    /// Commits queued batches and releases the file.
    fn shut(&self) -> Result<(), StoreError> {
        self.shared.queue.close();
        let Some(writer) = self.writer.lock().take() else { return Err(StoreError::Closed) };
        // A running compaction fails at its next task for the writer. The lock waits for its end.
        let _compacting = self.shared.compacting.lock();
        let ended = writer.join();
        // It ends at its next task for the writer.
        let _ = self.loader.lock().take().map(JoinHandle::join);
        self.shared.readers.close();
        self.claim.lock().take();
        ended.map_err(|_| StoreError::Closed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // An error means that the store is already closed, or the writer has logged the reason.
        let _ = self.shut();
    }
}
