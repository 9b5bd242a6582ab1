//! Entry point of OTLP: decodes an export, maps it to series, and appends them to the store.

use std::{fmt, sync::Arc};

use almanac_models::Timestamp;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use parking_lot::Mutex;

use super::{
    Encoding, ExportSummary, OtlpError, OtlpSettings, Signal,
    counts::{CounterChanges, Counters, MAX_RECORD_COUNTERS},
    decode::{decode, memory_needed},
    logs::{COUNTER, Miner, count_records},
    metrics::{Context, Declared, StreamChanges, StreamTable, map_metrics},
    report::Report,
    rows::{NO_POINT, Rows, split},
    traces::{BOUNDS, CALLS, DURATION, SpanMetrics, SpanObserver, each_span},
};
use crate::{
    database::traces::{BufferLimits, StatementReader, TraceCounts, TraceRecorder, Window, WindowFilter},
    histogram::Histogram,
    ingest::{Ingest, PendingWrite, Refusal, ResolveError, WriteSummary},
    store::{
        HistogramSample, SampleBatch, StoreError,
        rows::{MetadataRow, MetricType},
    },
};

/// Largest memory of a decoded export, in multiples of the limit of its bytes.
const MEMORY_FACTOR: usize = 8;

/// Largest memory of the series of an export, in multiples of the limit of its bytes.
const ROWS_FACTOR: usize = 4;

/// Entry point of OTLP. Clones are cheap and share state.
#[derive(Clone)]
pub struct Otlp(Arc<Inner>);

struct Inner {
    ingest: Ingest,
    settings: OtlpSettings,
    /// Scopes of the keys of series and of streams.
    scope: u64,
    stream_scope: u64,
    streams: Mutex<Streams>,
    spans: Mutex<Counters>,
    recorder: Mutex<TraceRecorder>,
    records: Mutex<(Counters, Miner)>,
}

#[derive(Debug, Default)]
struct Streams {
    deltas: StreamTable,
    starts: StreamTable,
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// An export whose commit is pending; it is safe only once it is committed.
#[derive(Debug)]
#[must_use = "an export is stored only when it is committed"]
pub struct PendingExport {
    pending: PendingWrite,
    summary: ExportSummary,
}

impl PendingExport {
    /// Takes the new metadata of the export, for [`Ingest::put_metadata`].
    #[must_use]
    pub fn take_metadata(&mut self) -> Vec<MetadataRow> {
        self.pending.take_metadata()
    }

    /// Waits until the samples are on disk.
    ///
    /// # Errors
    /// The error of the store; nothing of the export is stored.
    pub async fn committed(self) -> Result<ExportSummary, StoreError> {
        self.pending.committed().await?;
        Ok(self.summary)
    }

    /// Blocks the thread until the samples are on disk, outside async code; also stores the metadata.
    ///
    /// # Errors
    /// As [`PendingExport::committed`].
    pub fn wait(self) -> Result<ExportSummary, StoreError> {
        self.pending.wait()?;
        Ok(self.summary)
    }
}

impl Otlp {
    /// Creates the entry point.
    #[must_use]
    pub fn new(ingest: Ingest, settings: OtlpSettings) -> Self {
        let (scope, stream_scope) = (ingest.new_scope(), ingest.new_scope());
        let limits = BufferLimits { wait_ms: settings.trace_wait_ms, ..BufferLimits::default() };
        Self(Arc::new(Inner {
            ingest,
            settings,
            // Scrapes use twice their scope and the next number.
            scope: scope << 1,
            stream_scope: stream_scope << 1,
            streams: Mutex::default(),
            spans: Mutex::default(),
            recorder: Mutex::new(TraceRecorder::new(limits, StatementReader::default())),
            records: Mutex::default(),
        }))
    }

    /// Returns the memory in bytes that an export takes once it is decoded.
    ///
    /// # Errors
    /// [`OtlpError::TooLarge`].
    pub fn memory_needed(&self, signal: Signal, encoding: Encoding, bytes: &[u8]) -> Result<usize, OtlpError> {
        let needed = memory_needed(signal, encoding, bytes);
        let limit = self.0.ingest.limits().decoded_bytes.saturating_mul(MEMORY_FACTOR);
        if needed > limit {
            self.0.ingest.count_malformed();
            return Err(OtlpError::TooLarge { needed, limit });
        }
        Ok(needed)
    }

    /// Accepts an export received at `now`. Blocks while it is decoded and while new series are registered.
    ///
    /// An export that cannot be decoded is rejected as a whole. Otherwise invalid points are skipped and counted in the
    /// summary, and all others are stored.
    ///
    /// # Errors
    /// [`OtlpError`]; nothing of the export is stored or counted.
    pub fn receive(
        &self,
        signal: Signal,
        encoding: Encoding,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<PendingExport, OtlpError> {
        self.memory_needed(signal, encoding, bytes)?;
        let malformed = |error| {
            self.0.ingest.count_malformed();
            error
        };
        match signal {
            Signal::Metrics => self.metrics(&decode(signal, encoding, bytes).map_err(malformed)?, now),
            Signal::Traces => self.traces(&decode(signal, encoding, bytes).map_err(malformed)?, now),
            Signal::Logs => self.logs(&decode(signal, encoding, bytes).map_err(malformed)?, now),
        }
    }

    fn rows_limit(&self) -> usize {
        self.0.ingest.limits().decoded_bytes.saturating_mul(ROWS_FACTOR)
    }

    fn metrics(&self, request: &ExportMetricsServiceRequest, now: Timestamp) -> Result<PendingExport, OtlpError> {
        let inner = &*self.0;
        // Held until the samples are accepted, so that two exports of a stream are added one after the other.
        let mut streams = inner.streams.lock();
        let changes = (StreamChanges::of(&streams.deltas), StreamChanges::of(&streams.starts));
        let cache = (inner.ingest.cache(), inner.stream_scope);
        let accepted = inner.ingest.accepted(now);
        let mut context = Context::new(&inner.settings, cache, accepted, self.rows_limit(), changes);
        map_metrics(request, &mut context)?;
        let Context { rows, mut report, deltas, starts, metadata, .. } = context;
        let pending = self.append(rows, &metadata, &mut report, now)?;
        let (deltas, starts) = (deltas.into_changed(), starts.into_changed());
        let forgotten = streams.deltas.apply(deltas);
        streams.starts.apply(starts);
        if forgotten > 0 {
            tracing::warn!(
                forgotten,
                kept = streams.deltas.len(),
                "streams of deltas were forgotten; they begin at zero"
            );
        }
        drop(streams);
        for warning in report.warnings() {
            tracing::warn!(warning, "an OTLP export");
        }
        Ok(PendingExport { pending, summary: report.summary("data points") })
    }

    fn traces(&self, request: &ExportTraceServiceRequest, now: Timestamp) -> Result<PendingExport, OtlpError> {
        let mut table = self.0.spans.lock();
        let (mut report, mut rows) = (Report::default(), Rows::new(self.rows_limit()));
        let most = self.0.settings.max_span_metrics;
        let mut metrics = SpanMetrics { counters: CounterChanges::of(&table, most), is_full: false };
        let mut recorder = self.0.recorder.lock();
        let mut observer = SpanObserver::new(&mut recorder.reader);
        if self.0.settings.statements {
            each_span(request, &mut report, &mut [&mut metrics, &mut observer]);
        } else {
            each_span(request, &mut report, &mut [&mut metrics]);
        }
        let observed = observer.spans;
        let SpanMetrics { mut counters, is_full } = metrics;
        counters.push(&mut rows, now.millis(), CALLS, Some((DURATION, &BOUNDS)));
        rows.check()?;
        let changed = counters.into_changed();
        if is_full {
            report.warn(format!("too many different spans ({}); further ones are counted as other", table.len()));
        }
        let metadata = [
            Declared::new(CALLS, MetricType::Counter, "Spans by service, name, kind and status", ""),
            Declared::new(DURATION, MetricType::Histogram, "Duration of spans", "seconds"),
        ];
        let pending = self.append(rows, if changed.is_empty() { &[] } else { &metadata }, &mut report, now)?;
        table.apply(changed);
        // Last, because an export that is rejected is sent again.
        recorder.record(observed, now);
        Ok(PendingExport { pending, summary: report.summary("spans") })
    }

    /// Adds up the traces that are complete at `now`, or all of them, and stores the statements of their requests.
    ///
    /// # Errors
    /// Those of the store; the next call writes the rows again.
    pub fn store_traces(&self, now: Timestamp, all: bool) -> Result<(), StoreError> {
        let (recorder, store) = (&self.0.recorder, self.0.ingest.store());
        let needed = recorder.lock().needs_hour(now);
        let of_hour = |hour| Window::read(store, &WindowFilter { since: Some(hour), ..WindowFilter::default() });
        let stored = needed.map(of_hour).transpose()?;
        let rows = recorder.lock().changed_rows(stored, now, all);
        store.put_request_statements(rows).inspect_err(|_| recorder.lock().not_stored())
    }

    /// Returns the counts of traces.
    #[must_use]
    pub fn trace_counts(&self) -> TraceCounts {
        self.0.recorder.lock().counts()
    }

    fn logs(&self, request: &ExportLogsServiceRequest, now: Timestamp) -> Result<PendingExport, OtlpError> {
        let mut records = self.0.records.lock();
        let (table, miner) = &mut *records;
        let (mut report, mut rows) = (Report::default(), Rows::new(self.rows_limit()));
        let mut counters = CounterChanges::of(table, MAX_RECORD_COUNTERS);
        let is_full = count_records(request, miner, &mut counters, &mut report);
        counters.push(&mut rows, now.millis(), COUNTER, None);
        rows.check()?;
        let changed = counters.into_changed();
        if is_full {
            report.warn("too many different messages; further ones are counted as (other)".to_owned());
        }
        let metadata =
            [Declared::new(COUNTER, MetricType::Counter, "Log records by service, severity and template", "")];
        let pending = self.append(rows, if changed.is_empty() { &[] } else { &metadata }, &mut report, now)?;
        table.apply(changed);
        Ok(PendingExport { pending, summary: report.summary("log records") })
    }

    /// Resolves the numbers of the series and queues their samples. A series that is refused leaves the others.
    fn append(
        &self,
        rows: Rows,
        metadata: &[Declared],
        report: &mut Report,
        now: Timestamp,
    ) -> Result<PendingWrite, StoreError> {
        let inner = &*self.0;
        // Checked before any series is registered, because a rejected export must register none.
        let weight: usize = rows.histograms.iter().map(|(_, histogram)| histogram.weight()).sum();
        inner.ingest.store().check_queue(rows.timestamps.len() + weight)?;
        let mut histograms = rows.histograms.iter();
        let mut ids = vec![None; rows.series().len()];
        let mut batch = SampleBatch::with_capacity(rows.timestamps.len());
        let (mut at, mut last_refused) = (0, None);
        for (number, row) in rows.series().iter().enumerate() {
            let of_row: Vec<&(i64, Histogram)> = histograms.by_ref().take(row.histograms).collect();
            let samples = at..at + row.samples;
            at = samples.end;
            let text = rows.labels(row);
            let key = inner.ingest.cache().text_key(inner.scope, text);
            let id = match inner.ingest.cache().get(key) {
                Some(id) => id,
                None => match inner.ingest.resolve(&split(text)) {
                    Ok(id) => {
                        inner.ingest.cache().insert(key, id);
                        id
                    }
                    Err(ResolveError::Store(error)) => return Err(error),
                    Err(ResolveError::Refused(refusal)) => {
                        refuse_row(report, refusal, row.point, &mut last_refused);
                        continue;
                    }
                },
            };
            for idx in samples {
                batch.push(id, rows.timestamps[idx], rows.values[idx]);
            }
            for (timestamp_ms, histogram) in of_row {
                let (timestamp_ms, histogram) = (*timestamp_ms, Arc::new(histogram.clone()));
                batch.histograms.push(HistogramSample { series: id, timestamp_ms, histogram });
            }
            ids[number] = Some(id);
        }
        let mut refused = WriteSummary::default();
        for (refusal, count) in report.refusals.drain(..) {
            refused.refuse(refusal, count);
        }
        let accepted = inner.ingest.accepted(now);
        for (number, exemplar) in &rows.exemplars {
            let Some(labels) = ids[*number].and_then(|id| inner.ingest.store().labels(id)) else { continue };
            inner.ingest.keep_page_exemplar(&labels, exemplar, now.millis(), accepted, &mut refused);
        }
        let metadata = inner.ingest.metadata_seen().unseen(metadata.iter().map(Declared::borrowed), now);
        inner.ingest.append_with(batch, refused, metadata)
    }
}

/// Counts a refused series: once for each data point, and as a warning when it belongs to none.
fn refuse_row(report: &mut Report, refusal: Refusal, point: u32, last_refused: &mut Option<u32>) {
    if point == NO_POINT {
        report.warn(refusal.to_string());
    } else if last_refused.replace(point) != Some(point) {
        report.refuse(refusal);
    }
}
