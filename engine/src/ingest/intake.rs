//! Entry point of ingest: decodes a request, checks it, resolves series numbers and appends columns to the store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use almanac_models::Timestamp;
use parking_lot::Mutex;

use super::{
    IngestCounts, IngestLimits, Refusal, ResolveError, WriteError, WriteSummary,
    cache::{SeriesCache, SeriesKey},
    labels::{shown, validate},
    limits::Counters,
    metadata::MetadataSeen,
    refuse::{refuse_timestamps, retain_at},
    remote_write::{Entry, Request, Version},
    timestamp::AcceptedTimestamps,
};
use crate::{
    series::SeriesId,
    store::{Receipt, SampleBatch, Store, StoreError, rows::MetadataRow},
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
    buffers: Mutex<Vec<RequestBuffers>>,
    scopes: AtomicU64,
}

/// Buffers that are reused between requests.
#[derive(Debug, Default)]
struct RequestBuffers {
    request: Request,
    keys: Vec<SeriesKey>,
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
        self.ingest.0.counters.accept(self.summary.samples_written);
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
        self.ingest.0.counters.accept(self.summary.samples_written);
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
        let mut buffers = self.0.buffers.lock().pop().unwrap_or_default();
        let result = self.write_with(&mut buffers, version, body, now);
        self.0.buffers.lock().push(buffers);
        result
    }

    fn write_with(
        &self,
        buffers: &mut RequestBuffers,
        version: Version,
        body: &[u8],
        now: Timestamp,
    ) -> Result<PendingWrite, WriteError> {
        let RequestBuffers { request, keys } = buffers;
        if let Err(error) = request.decode(version, body, self.0.limits.decoded_bytes) {
            self.0.counters.malformed();
            return Err(error.into());
        }
        let mut summary = WriteSummary::default();
        if request.histograms() > 0 {
            summary.refuse(Refusal::NativeHistogram, request.histograms());
        }
        if request.exemplars() > 0 {
            summary.refuse(Refusal::Exemplar, request.exemplars());
        }
        self.0.cache.keys(request, keys);
        let accepted = self.accepted(now);
        let batch = self.resolve_request(request, keys, accepted, &mut summary)?;
        let metadata = self.0.metadata.unseen(request.metadata(), now);
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

    fn append_summed(&self, batch: SampleBatch, mut summary: WriteSummary) -> Result<PendingWrite, WriteError> {
        for (refusal, count) in &summary.refusals {
            self.0.counters.refuse(refusal.reason(), *count);
        }
        summary.samples_written = batch.len() as u64;
        let receipt = if batch.is_empty() { None } else { Some(self.0.store.append(batch)?) };
        Ok(PendingWrite { ingest: self.clone(), summary, receipt, metadata: Vec::new() })
    }

    /// Returns the number of a series; registers a new one.
    ///
    /// # Errors
    /// [`ResolveError::Refused`] when the labels or the number of series exceed a limit.
    pub fn resolve(&self, pairs: &[(&[u8], &[u8])]) -> Result<SeriesId, ResolveError> {
        let labels = validate(pairs, &self.0.limits)?;
        self.0.store.resolve(&labels).map_err(|error| match error {
            StoreError::SeriesLimit { limit } => Refusal::SeriesLimit { series: shown(pairs), limit }.into(),
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
        keys: &[SeriesKey],
        accepted: AcceptedTimestamps,
        summary: &mut WriteSummary,
    ) -> Result<SampleBatch, StoreError> {
        let samples = request.timestamps().len();
        let mut series = Vec::with_capacity(samples);
        // Indices of refused samples.
        let mut left_out = Vec::new();
        for (entry, &key) in request.entries().iter().zip(keys) {
            let first = series.len();
            let after = first + entry.samples as usize;
            // The cache answers for known labels without parsing them.
            let id = match self.0.cache.get(key) {
                Some(id) => id,
                None => match self.resolve_entry(request, entry, key) {
                    Ok(id) => id,
                    Err(ResolveError::Store(error)) => return Err(error),
                    Err(ResolveError::Refused(refusal)) => {
                        summary.refuse(refusal, u64::from(entry.samples));
                        left_out.extend(first..after);
                        SeriesId::new(u32::MAX)
                    }
                },
            };
            series.resize(after, id);
        }
        if request.timestamps().iter().any(|&timestamp_ms| !accepted.contains(timestamp_ms)) {
            refuse_timestamps(request, accepted, summary, &mut left_out);
        }
        let (timestamps, values) = request.take_columns();
        let mut batch = SampleBatch { series, timestamps, values };
        if !left_out.is_empty() {
            left_out.sort_unstable();
            left_out.dedup();
            let keep = |column_idx: usize| left_out.binary_search(&column_idx).is_err();
            retain_at(&mut batch.series, keep);
            retain_at(&mut batch.timestamps, keep);
            retain_at(&mut batch.values, keep);
        }
        Ok(batch)
    }

    /// Parses and resolves the labels of an entry that is not in the cache, and adds it.
    #[cold]
    fn resolve_entry(&self, request: &Request, entry: &Entry, key: SeriesKey) -> Result<SeriesId, ResolveError> {
        let mut pairs = Vec::new();
        request.labels(entry, &mut pairs).map_err(|_| Refusal::MalformedLabels)?;
        let id = self.resolve(&pairs)?;
        self.0.cache.insert(key, id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{
        ingest::remote_write::{encode_v1, encode_v2},
        series::{Labels, Matcher, Sample, SampleSource, is_stale, stale_marker},
        store::StoreOptions,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn ingest(max_series: usize) -> (TempDir, Ingest) {
        let folder = TempDir::new().unwrap();
        let options = StoreOptions { max_series, ..StoreOptions::default() };
        let store = Store::open(&folder.path().join("s.duckdb"), options).unwrap();
        (folder, Ingest::new(store, IngestLimits::default()))
    }

    fn one(name: &str, timestamp_ms: i64, value: f64) -> (Labels, Vec<Sample>) {
        (Labels::from_pairs([("__name__", name), ("a", "1")]).unwrap(), vec![Sample { timestamp_ms, value }])
    }

    fn samples(ingest: &Ingest, name: &str) -> Vec<(i64, f64)> {
        let found = ingest.store().select(&[Matcher::equal("__name__", name)], i64::MIN, i64::MAX, 1000).unwrap();
        found.iter().flat_map(|s| s.timestamps.iter().copied().zip(s.values.iter().copied())).collect()
    }

    #[test]
    fn a_series_has_one_number_in_every_encoding() {
        let (_folder, ingest) = ingest(10);
        let series = [one("up", 1, 1.0)];
        let id = |ingest: &Ingest| ingest.store().stats().series;
        ingest.remote_write(Version::V1, &encode_v1(&series), NOW).unwrap().wait().unwrap();
        ingest.remote_write(Version::V2, &encode_v2(&series), NOW).unwrap().wait().unwrap();
        // Labels in another order, which `Labels` cannot have.
        let label = |name: &str, value: &str| {
            let mut label = vec![0x0a, u8::try_from(name.len()).unwrap()];
            label.extend_from_slice(name.as_bytes());
            label.extend_from_slice(&[0x12, u8::try_from(value.len()).unwrap()]);
            label.extend_from_slice(value.as_bytes());
            [vec![0x0a, u8::try_from(label.len()).unwrap()], label].concat()
        };
        let entry = [label("a", "1"), label("__name__", "up"), vec![0x12, 2, 0x10, 9]].concat();
        let message = [vec![0x0a, u8::try_from(entry.len()).unwrap()], entry].concat();
        let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
        ingest.remote_write(Version::V1, &body, NOW).unwrap().wait().unwrap();
        assert_eq!(id(&ingest), 1);
        assert_eq!(samples(&ingest, "up"), [(1, 1.0), (9, 0.0)]);
    }

    /// Refused entries are between valid ones; each sample stays with its series.
    #[test]
    fn refused_samples_do_not_displace_the_others() {
        let (_folder, ingest) = ingest(2);
        let bad =
            |timestamp_ms| (Labels::from_pairs([("a", "1")]).unwrap(), vec![Sample { timestamp_ms, value: 0.0 }; 2]);
        let far = i64::MAX;
        for (version, at) in [(Version::V1, 1), (Version::V2, 2)] {
            let mixed = [
                bad(at),
                one("x", at, 1.0),
                one("x", far, 9.0),
                bad(far),
                one("y", at, 2.0),
                one("z", at, 3.0),
                one("x", at + 10, stale_marker()),
            ];
            let body = if version == Version::V1 { encode_v1(&mixed) } else { encode_v2(&mixed) };
            let summary = ingest.remote_write(version, &body, NOW).unwrap().wait().unwrap();
            assert_eq!((summary.samples_written, summary.samples_refused), (3, 6));
            assert!(summary.is_partial());
            assert!(summary.to_string().starts_with("6 of 9 samples refused: series {a=\"1\"} has no metric name"));
        }
        let x = samples(&ingest, "x");
        assert_eq!(x.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [1, 2, 11, 12]);
        assert!(is_stale(x[2].1) && is_stale(x[3].1));
        assert_eq!(samples(&ingest, "y"), [(1, 2.0), (2, 2.0)]);
        assert_eq!(samples(&ingest, "z"), []);
        let counts = ingest.counts();
        assert_eq!(counts.accepted, 6);
        let refused: Vec<(&str, u64)> =
            counts.refused.iter().filter(|(_, n)| *n > 0).map(|(reason, n)| (reason.as_str(), *n)).collect();
        assert_eq!(refused, [("no_name", 8), ("series_limit", 2), ("timestamp", 2)]);
    }

    /// Timestamps in another unit or of a wrong clock are refused; the other samples are stored.
    #[test]
    fn stamps_ahead_or_in_another_unit_are_refused_and_the_others_stored() {
        let (_folder, ingest) = ingest(10);
        let now = NOW.millis();
        let day = 86_400_000;
        for (stamp, part) in [
            (now + day + 1, "is in the future; the latest accepted timestamp is 1767312000000"),
            (now * 1000, "is in the future"),
            (now * 1_000_000, "is out of range"),
            (now / 1000, "looks like epoch seconds"),
        ] {
            let series =
                [one("x", stamp, 1.0), one("x", now + day, 2.0), one("x", now - day, 3.0), one("x", 1000, 4.0)];
            for (version, body) in [(Version::V1, encode_v1(&series)), (Version::V2, encode_v2(&series))] {
                let summary = ingest.remote_write(version, &body, NOW).unwrap().wait().unwrap();
                assert_eq!((summary.samples_written, summary.samples_refused), (3, 1), "{stamp}");
                let words = summary.to_string();
                assert!(words.contains(part) && words.contains(&stamp.to_string()), "{words}");
            }
        }
        assert_eq!(samples(&ingest, "x"), [(1000, 4.0), (now - day, 3.0), (now + day, 2.0)]);
    }

    #[test]
    fn malformed_requests_are_counted() {
        let (_folder, ingest) = ingest(2);
        assert!(matches!(ingest.remote_write(Version::V1, b"no", NOW), Err(WriteError::Wire(_))));
        assert_eq!(ingest.counts().malformed_requests, 1);
    }
}
