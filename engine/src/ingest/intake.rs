//! Entry point of ingest: decodes a request, checks it, resolves series numbers and appends columns to the store.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use almanac_models::Timestamp;
use parking_lot::Mutex;

use super::{
    Exemplars, IngestCounts, IngestLimits, Refusal, ResolveError, WriteError, WriteSummary,
    cache::{SeriesCache, SeriesKey},
    labels::{shown, validate},
    limits::Counters,
    metadata::MetadataSeen,
    refuse::{refuse_timestamps, retain_at},
    remote_write::{Entry, Request, Version, histogram::Decoded},
    timestamp::AcceptedTimestamps,
};
use crate::{
    series::{Labels, SeriesId},
    store::{HistogramSample, Receipt, SampleBatch, Store, StoreError, rows::MetadataRow},
};

/// Entry point of ingest: decodes and checks samples, resolves series numbers and appends to the store.
///
/// Clones are cheap and share state.
#[derive(Clone)]
pub struct Ingest(Arc<Inner>);

struct Inner {
    store: Store,
    limits: IngestLimits,
    cache: SeriesCache,
    counters: Counters,
    metadata: MetadataSeen,
    exemplars: Exemplars,
    buffers: Mutex<Vec<RequestBuffers>>,
    scopes: AtomicU64,
}

/// Largest memory in bytes of buffers that are kept for the next request.
const MAX_KEPT_BYTES: usize = 4 << 20;

/// Largest number of kept buffers.
const MAX_KEPT: usize = 16;

/// Buffers that are reused between requests.
#[derive(Debug, Default)]
struct RequestBuffers {
    request: Request,
    keys: Vec<SeriesKey>,
    /// Numbers of the series of the entries; `None` if it is not in the cache.
    known: Vec<Option<SeriesId>>,
}

impl RequestBuffers {
    /// Returns the memory that the buffers hold, in bytes.
    fn capacity(&self) -> usize {
        self.request.capacity()
            + self.keys.capacity() * size_of::<SeriesKey>()
            + self.known.capacity() * size_of::<Option<SeriesId>>()
    }
}

/// A decoded remote-write request whose samples are not yet in the store.
#[derive(Debug)]
#[must_use = "samples are stored only when the request is appended and committed"]
pub struct DecodedWrite {
    ingest: Ingest,
    buffers: RequestBuffers,
}

impl DecodedWrite {
    /// Returns whether all series are known. [`DecodedWrite::append`] is then quick and takes no lock that a query can
    /// hold.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.buffers.known.iter().all(Option::is_some)
    }

    /// Checks the samples and queues the accepted ones, as [`Ingest::remote_write`] does.
    ///
    /// # Errors
    /// [`WriteError`]; no sample of the request is stored and no series is registered.
    pub fn append(mut self, now: Timestamp) -> Result<PendingWrite, WriteError> {
        let Self { ingest, buffers } = &mut self;
        ingest.append_decoded(buffers, now)
    }
}

/// Returns the buffers for the next request. Those of an unusually large request are freed.
impl Drop for DecodedWrite {
    fn drop(&mut self) {
        if self.buffers.capacity() <= MAX_KEPT_BYTES {
            let mut kept = self.ingest.0.buffers.lock();
            if kept.len() < MAX_KEPT {
                kept.push(std::mem::take(&mut self.buffers));
            }
        }
    }
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// A request whose commit is pending; its samples are safe only once it is committed.
#[derive(Debug)]
#[must_use = "samples are stored only when the write is committed"]
pub struct PendingWrite {
    ingest: Ingest,
    summary: WriteSummary,
    receipt: Option<Receipt>,
    metadata: Vec<MetadataRow>,
}

impl PendingWrite {
    /// Waits until the samples are on disk.
    ///
    /// # Errors
    /// The error of the store; no sample of the request is stored.
    pub async fn committed(self) -> Result<WriteSummary, StoreError> {
        if let Some(receipt) = self.receipt {
            receipt.await?;
        }
        self.ingest.0.counters.accept(self.summary.samples_written + self.summary.histograms_written);
        Ok(self.summary)
    }

    /// Blocks the thread until the samples are on disk, outside async code; also stores the request's metadata.
    ///
    /// # Errors
    /// As [`PendingWrite::committed`].
    pub fn wait(self) -> Result<WriteSummary, StoreError> {
        if !self.metadata.is_empty() {
            self.ingest.put_metadata(&self.metadata)?;
        }
        if let Some(receipt) = self.receipt {
            receipt.wait()?;
        }
        self.ingest.0.counters.accept(self.summary.samples_written + self.summary.histograms_written);
        Ok(self.summary)
    }

    /// Takes the new metadata of the request, for [`Ingest::put_metadata`].
    #[must_use]
    pub fn take_metadata(&mut self) -> Vec<MetadataRow> {
        std::mem::take(&mut self.metadata)
    }

    /// Returns the result that the request has once it is committed.
    #[must_use]
    pub fn summary(&self) -> &WriteSummary {
        &self.summary
    }
}

impl Ingest {
    /// Creates the ingest of `store` with `limits`.
    #[must_use]
    pub fn new(store: Store, limits: IngestLimits) -> Self {
        let series = usize::try_from(store.stats().max_series).unwrap_or(usize::MAX);
        let inner = Inner {
            cache: SeriesCache::new(series),
            store,
            limits,
            counters: Counters::default(),
            metadata: MetadataSeen::default(),
            exemplars: Exemplars::new(limits.exemplars),
            buffers: Mutex::default(),
            scopes: AtomicU64::new(0),
        };
        Self(Arc::new(inner))
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> &IngestLimits {
        &self.0.limits
    }

    /// Returns the counts of accepted and refused samples since the start.
    #[must_use]
    pub fn counts(&self) -> IngestCounts {
        self.0.counters.read()
    }

    /// Accepts a remote-write request received at `now`, without blocking.
    ///
    /// A malformed request is rejected as a whole. In a well-formed one, invalid series and samples are skipped and
    /// counted in the summary, including timestamps further ahead of `now` than the limit. All others are stored.
    ///
    /// ```
    /// use almanac_engine::{
    ///     ingest::{Ingest, IngestLimits, remote_write::{Version, encode_v1}},
    ///     series::{Labels, Sample},
    ///     store::{Store, StoreOptions},
    /// };
    /// use almanac_models::Timestamp;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default())?;
    /// let ingest = Ingest::new(store, IngestLimits::default());
    /// let now = Timestamp::from_millis(1_767_225_600_000);
    /// let up = Labels::from_pairs([("__name__", "up"), ("job", "api")])?;
    /// let samples = vec![
    ///     Sample { timestamp_ms: now.millis(), value: 1.0 },
    ///     // Nanoseconds: refused, and counted; the other sample is stored.
    ///     Sample { timestamp_ms: 1_767_225_600_000_000_000, value: 1.0 },
    /// ];
    /// let summary = ingest.remote_write(Version::V1, &encode_v1(&[(up, samples)]), now)?.wait()?;
    /// assert_eq!((summary.samples_written, summary.samples_refused), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError`]; no sample of the request is stored.
    pub fn remote_write(&self, version: Version, body: &[u8], now: Timestamp) -> Result<PendingWrite, WriteError> {
        self.decode(version, body)?.append(now)
    }

    /// Decodes a remote-write request and looks up its series in the cache; stores nothing.
    ///
    /// # Errors
    /// [`WriteError::Wire`].
    pub fn decode(&self, version: Version, body: &[u8]) -> Result<DecodedWrite, WriteError> {
        let buffers = self.0.buffers.lock().pop().unwrap_or_default();
        let mut decoded = DecodedWrite { ingest: self.clone(), buffers };
        let RequestBuffers { request, keys, known } = &mut decoded.buffers;
        if let Err(error) = request.decode(version, body, self.0.limits.decoded_bytes) {
            self.0.counters.malformed();
            return Err(error.into());
        }
        self.0.cache.keys(request, keys);
        known.clear();
        // The cache answers for known labels without parsing them.
        known.extend(keys.iter().map(|&key| self.0.cache.get(key)));
        Ok(decoded)
    }

    fn append_decoded(&self, buffers: &mut RequestBuffers, now: Timestamp) -> Result<PendingWrite, WriteError> {
        let RequestBuffers { request, keys, known } = buffers;
        let mut summary = WriteSummary::default();
        if known.iter().any(Option::is_none) {
            // New series: checked before any is registered, because a rejected batch must register none.
            self.0.store.check_queue(request.timestamps().len() + request.weight())?;
        }
        let accepted = self.accepted(now);
        let batch = self.resolve_request(request, (keys, known), accepted, &mut summary)?;
        let metadata = self.0.metadata.unseen(request.metadata(), now);
        if request.exemplars() > 0 {
            self.keep_exemplars(request, accepted, &mut summary);
        }
        let mut pending = self.append_summed(batch, summary)?;
        pending.metadata = metadata;
        Ok(pending)
    }

    /// Returns the range of timestamps accepted at `now`.
    pub(crate) fn accepted(&self, now: Timestamp) -> AcceptedTimestamps {
        AcceptedTimestamps::until(now.millis(), self.0.limits.ahead_ms)
    }

    /// Appends samples whose series numbers are known.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append(&self, batch: SampleBatch) -> Result<PendingWrite, StoreError> {
        let receipt = if batch.is_empty() { None } else { Some((batch.len() as u64, self.0.store.append(batch)?)) };
        let summary =
            WriteSummary { samples_written: receipt.as_ref().map_or(0, |(len, _)| *len), ..WriteSummary::default() };
        let receipt = receipt.map(|(_, receipt)| receipt);
        Ok(PendingWrite { ingest: self.clone(), summary, receipt, metadata: Vec::new() })
    }

    /// Appends samples with the refusals and the metadata of their request.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub(crate) fn append_with(
        &self,
        batch: SampleBatch,
        summary: WriteSummary,
        metadata: Vec<MetadataRow>,
    ) -> Result<PendingWrite, StoreError> {
        let pending = self.append_summed(batch, summary)?;
        Ok(PendingWrite { metadata, ..pending })
    }

    fn append_summed(&self, batch: SampleBatch, mut summary: WriteSummary) -> Result<PendingWrite, StoreError> {
        for (refusal, count) in &summary.refusals {
            self.0.counters.refuse(refusal.reason(), *count);
        }
        summary.samples_written = (batch.series.len() as u64).saturating_sub(summary.histograms_written);
        summary.histograms_written += batch.histograms.len() as u64;
        let receipt = if batch.is_empty() { None } else { Some(self.0.store.append(batch)?) };
        Ok(PendingWrite { ingest: self.clone(), summary, receipt, metadata: Vec::new() })
    }

    /// Returns the number of a series; registers a new one.
    ///
    /// # Errors
    /// [`ResolveError::Refused`] when the labels or the number of series exceed a limit.
    pub fn resolve(&self, pairs: &[(&[u8], &[u8])]) -> Result<SeriesId, ResolveError> {
        let labels = validate(pairs, &self.0.limits)?;
        self.register(&labels, pairs)
    }

    fn register(&self, labels: &Labels, pairs: &[(&[u8], &[u8])]) -> Result<SeriesId, ResolveError> {
        self.0.store.resolve(labels).map_err(|error| match error {
            StoreError::SeriesLimit { limit } => Refusal::SeriesLimit { series: shown(pairs), limit }.into(),
            StoreError::LabelLimit { limit } => Refusal::LabelLimit { series: shown(pairs), limit }.into(),
            other => ResolveError::Store(other),
        })
    }

    /// Stores the metadata of a request or a page. Blocks.
    ///
    /// # Errors
    /// The error of the store; the same metadata are then returned again by later requests.
    pub fn put_metadata(&self, rows: &[MetadataRow]) -> Result<(), StoreError> {
        let put = self.0.store.put_metadata(rows);
        if put.is_err() {
            self.0.metadata.forget_all();
        }
        put.map(|_| ())
    }

    /// Returns the set of metadata already passed to the store.
    pub(crate) fn metadata_seen(&self) -> &MetadataSeen {
        &self.0.metadata
    }

    /// Returns a unique number for a source of text, for [`SeriesCache::text_key`].
    pub(crate) fn new_scope(&self) -> u64 {
        self.0.scopes.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn cache(&self) -> &SeriesCache {
        &self.0.cache
    }

    pub(crate) fn count_refused(&self, refusal: &Refusal, samples: u64) {
        self.0.counters.refuse(refusal.reason(), samples);
    }

    pub(crate) fn count_malformed(&self) {
        self.0.counters.malformed();
    }

    /// Resolves the series number of each sample and removes refused samples. Moves the columns; copies nothing if all
    /// is valid.
    fn resolve_request(
        &self,
        request: &mut Request,
        (keys, known): (&[SeriesKey], &[Option<SeriesId>]),
        accepted: AcceptedTimestamps,
        summary: &mut WriteSummary,
    ) -> Result<SampleBatch, StoreError> {
        let samples = request.timestamps().len();
        let mut series = Vec::with_capacity(samples);
        let mut decoded = request.take_histograms().into_iter();
        let mut histograms = Vec::with_capacity(decoded.len());
        // Indices of refused samples.
        let mut left_out = Vec::new();
        for ((entry, &key), &known) in request.entries().iter().zip(keys).zip(known) {
            let first = series.len();
            let after = first + entry.samples as usize;
            if entry.samples + entry.histograms == 0 {
                // Only exemplars, which register no series.
                continue;
            }
            let of_entry: Vec<(i64, Decoded)> = decoded.by_ref().take(entry.histograms as usize).collect();
            let mut of_entry = self.valid_histograms(request, entry, of_entry, accepted, summary);
            if entry.samples == 0 && of_entry.is_empty() {
                continue;
            }
            let id = match known {
                Some(id) => id,
                None => match self.resolve_entry(request, entry, key, (first..after, accepted), !of_entry.is_empty()) {
                    Ok(Some(id)) => id,
                    // All its timestamps are refused below.
                    Ok(None) => SeriesId::new(u32::MAX),
                    Err(ResolveError::Store(error)) => return Err(error),
                    Err(ResolveError::Refused(refusal)) => {
                        summary.refuse(refusal, u64::from(entry.samples) + of_entry.len() as u64);
                        of_entry.clear();
                        left_out.extend(first..after);
                        SeriesId::new(u32::MAX)
                    }
                },
            };
            series.resize(after, id);
            let sample = |(timestamp_ms, histogram)| HistogramSample { series: id, timestamp_ms, histogram };
            histograms.extend(of_entry.into_iter().map(sample));
        }
        if request.timestamps().iter().any(|&timestamp_ms| !accepted.contains(timestamp_ms)) {
            refuse_timestamps(request, accepted, summary, &mut left_out);
        }
        left_out.sort_unstable();
        left_out.dedup();
        let keep = |column_idx: usize| left_out.binary_search(&column_idx).is_err();
        // The ends of series with histograms are samples in the store.
        summary.histograms_written = request.stale_histograms().iter().filter(|idx| keep(**idx)).count() as u64;
        let (timestamps, values) = request.take_columns();
        let mut batch = SampleBatch { series, timestamps, values, histograms };
        if !left_out.is_empty() {
            retain_at(&mut batch.series, keep);
            retain_at(&mut batch.timestamps, keep);
            retain_at(&mut batch.values, keep);
        }
        Ok(batch)
    }

    /// Returns the exemplars that are kept.
    #[must_use]
    pub fn exemplars(&self) -> &Exemplars {
        &self.0.exemplars
    }

    /// Parses and resolves the labels of an entry that is not in the cache, and adds it. Returns `None` and registers
    /// nothing if no sample of the entry has an accepted timestamp.
    #[cold]
    fn resolve_entry(
        &self,
        request: &Request,
        entry: &Entry,
        key: SeriesKey,
        (samples, accepted): (Range<usize>, AcceptedTimestamps),
        has_histograms: bool,
    ) -> Result<Option<SeriesId>, ResolveError> {
        // An earlier entry of the request may have had the same series.
        if let Some(id) = self.0.cache.get(key) {
            return Ok(Some(id));
        }
        let mut pairs = Vec::new();
        request.labels(entry, &mut pairs).map_err(|_| Refusal::MalformedLabels)?;
        let labels = validate(&pairs, &self.0.limits)?;
        let in_time =
            has_histograms || request.timestamps()[samples].iter().any(|&timestamp_ms| accepted.contains(timestamp_ms));
        if !in_time {
            return Ok(None);
        }
        let id = self.register(&labels, &pairs)?;
        self.0.cache.insert(key, id);
        Ok(Some(id))
    }
}
