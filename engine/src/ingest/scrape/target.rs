//! Converts a scraped page, or its absence, to samples and stores them.

use std::{borrow::Cow, sync::Arc, time::Duration};

use almanac_models::Timestamp;
use hashbrown::HashSet;

use super::{
    Fetched, ScrapeClient, ScrapeTarget,
    protobuf::{self, PageLimits, ProtobufError, ProtobufSample, is_protobuf},
};
use crate::{
    histogram::Histogram,
    ingest::{
        Ingest, ResolveError, WriteSummary,
        refuse::timestamp_refusal,
        text::{self, Dialect, PageExemplar, TextParser, TextSample},
    },
    series::{SeriesId, stale_marker},
    store::{HistogramSample, SampleBatch, StoreError, rows::MetadataRow},
};

/// Result of a scrape.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScrapeReport {
    /// Whether the page was fetched and parsed.
    pub up: bool,
    /// Duration of the fetch.
    pub elapsed: Duration,
    /// Samples on the page.
    pub scraped: u64,
    /// Series that ended and were marked stale.
    pub ended: u64,
    /// Refused samples by reason.
    pub refused: WriteSummary,
    /// Error, in one line, if the target is down.
    pub error: Option<String>,
    /// New metadata declared by the page, for [`Ingest::put_metadata`].
    pub metadata: Vec<MetadataRow>,
}

/// Scraper of one target; keeps the set of series of the last page to detect ended ones.
#[derive(Debug)]
pub struct Scraper {
    target: ScrapeTarget,
    ingest: Ingest,
    /// Scope of this target in the series cache, since equal texts of different targets are different series.
    scope: u64,
    /// Series of the last page without explicit timestamps; they end when they are missing from a page.
    live: HashSet<SeriesId>,
}

impl Scraper {
    /// Creates a scraper of `target` that writes to `ingest`.
    #[must_use]
    pub fn new(ingest: Ingest, target: ScrapeTarget) -> Self {
        Self { scope: ingest.new_scope(), target, ingest, live: HashSet::new() }
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> &ScrapeTarget {
        &self.target
    }

    /// Fetches the page, stores its samples at `at` and waits until they are on disk.
    ///
    /// # Errors
    /// The error of the store; no sample of the scrape is stored, and ended series are marked at the next scrape.
    pub async fn scrape(&mut self, client: &dyn ScrapeClient, at: Timestamp) -> Result<ScrapeReport, StoreError> {
        let fetched = client.fetch(&self.target.request(self.ingest.limits().decoded_bytes)).await;
        self.store(&fetched, at).await
    }

    /// Stores the result of a fetch as samples at `at`.
    ///
    /// # Errors
    /// As [`Scraper::scrape`].
    pub async fn store(&mut self, fetched: &Fetched, at: Timestamp) -> Result<ScrapeReport, StoreError> {
        let mut page = PageReader::new(self, at);
        let read = page.read(fetched);
        let PageReader { mut batch, live, mut report, .. } = page;
        let live = match read {
            Ok(()) => live,
            Err(PageError::Down(error)) => {
                // As in Prometheus, no sample of a page is stored if any line is invalid.
                batch = SampleBatch::default();
                report = ScrapeReport { error: Some(error), ..ScrapeReport::default() };
                HashSet::new()
            }
            Err(PageError::Store(error)) => return Err(error),
        };
        report.up = report.error.is_none();
        report.elapsed = fetched.elapsed;
        for &ended in self.live.difference(&live) {
            batch.push(ended, at.millis(), stale_marker());
            report.ended += 1;
        }
        self.add_report(&mut batch, &report, fetched, at)?;
        for (refusal, count) in &report.refused.refusals {
            self.ingest.count_refused(refusal, *count);
        }
        // Ended series stay in `live` if the write fails, so that the next scrape marks them.
        let ended_known: Vec<SeriesId> = self.live.iter().copied().collect();
        self.live = live;
        let result = match self.ingest.append(batch) {
            Ok(pending) => pending.committed().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(_) => Ok(report),
            Err(error) => {
                self.live.extend(ended_known);
                Err(error)
            }
        }
    }

    /// Marks all series of the target stale; call it when the target is no longer scraped.
    ///
    /// # Errors
    /// The error of the store.
    pub async fn end(&mut self, at: Timestamp) -> Result<(), StoreError> {
        let mut batch = SampleBatch::default();
        let reports = REPORTS.iter().map(|metric| self.report_series(metric)).collect::<Result<Vec<_>, _>>()?;
        for id in self.live.iter().copied().chain(reports.into_iter().flatten()) {
            batch.push(id, at.millis(), stale_marker());
        }
        self.ingest.append(batch)?.committed().await?;
        self.live.clear();
        Ok(())
    }

    /// Adds the samples of the scraper's own series.
    fn add_report(
        &self,
        batch: &mut SampleBatch,
        report: &ScrapeReport,
        fetched: &Fetched,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        #[expect(clippy::cast_precision_loss, reason = "a page has far fewer than 2^53 samples")]
        let values = [f64::from(u8::from(report.up)), fetched.elapsed.as_secs_f64(), report.scraped as f64];
        for (metric, value) in REPORTS.iter().zip(values) {
            if let Some(id) = self.report_series(metric)? {
                batch.push(id, at.millis(), value);
            }
        }
        Ok(())
    }

    /// Returns the number of one of the scraper's own series; `None` if it is refused.
    fn report_series(&self, metric: &'static str) -> Result<Option<SeriesId>, StoreError> {
        // The leading space separates these keys from scraped names, which contain none.
        let key = self.ingest.cache().text_key(self.scope << 1, format!(" {metric}").as_bytes());
        if let Some(id) = self.ingest.cache().get(key) {
            return Ok(Some(id));
        }
        match resolve(&self.ingest, &self.target.report_labels(metric)) {
            Ok(id) => {
                self.ingest.cache().insert(key, id);
                Ok(Some(id))
            }
            Err(ResolveError::Refused(refusal)) => {
                self.ingest.count_refused(&refusal, 1);
                Ok(None)
            }
            Err(ResolveError::Store(error)) => Err(error),
        }
    }
}

/// The scraper's own series, in the order of the values in `add_report`.
const REPORTS: [&str; 3] = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];

enum PageError {
    Down(String),
    Store(StoreError),
}

/// Converts one page to samples.
struct PageReader<'a> {
    scraper: &'a Scraper,
    at: Timestamp,
    batch: SampleBatch,
    live: HashSet<SeriesId>,
    /// Series with explicit timestamps, and these timestamps; such series do not end.
    stamped: HashSet<(SeriesId, i64)>,
    report: ScrapeReport,
}

impl<'a> PageReader<'a> {
    fn new(scraper: &'a Scraper, at: Timestamp) -> Self {
        Self {
            scraper,
            at,
            batch: SampleBatch::with_capacity(scraper.live.len() + REPORTS.len()),
            live: HashSet::with_capacity(scraper.live.len()),
            stamped: HashSet::new(),
            report: ScrapeReport::default(),
        }
    }

    fn read(&mut self, fetched: &Fetched) -> Result<(), PageError> {
        let page = fetched.page.as_ref().map_err(|error| PageError::Down(error.clone()))?;
        let limit = self.scraper.ingest.limits().decoded_bytes;
        if page.body.len() > limit {
            return Err(PageError::Down(format!("the page exceeds the limit of {limit} bytes")));
        }
        if is_protobuf(page.content_type.as_deref()) {
            return self.read_protobuf(&page.body);
        }
        let mut parser = TextParser::new(Dialect::of_content_type(page.content_type.as_deref()));
        let malformed = |error: crate::ingest::text::TextError| {
            self.scraper.ingest.count_malformed();
            PageError::Down(format!("the page cannot be read: {error}"))
        };
        let mut again = parser.clone();
        // The whole page is checked first: a page that fails registers no series.
        for line in lines(&page.body) {
            if parser.line(line).map_err(malformed)?.is_some() {
                self.report.scraped += 1;
            }
        }
        parser.finish().map_err(malformed)?;
        let (scraped, limit) = (self.report.scraped, self.scraper.target.sample_limit);
        if scraped > limit as u64 {
            let error = format!("the page has {scraped} samples; sample_limit allows {limit}");
            return Err(PageError::Down(error));
        }
        self.scraper
            .ingest
            .store()
            .check_queue(usize::try_from(scraped).unwrap_or(usize::MAX))
            .map_err(PageError::Store)?;
        for line in lines(&page.body) {
            if let Some(sample) = again.line(line).map_err(malformed)? {
                let exemplar = match sample.exemplar {
                    Some(text) if self.scraper.ingest.exemplars().are_kept() => text::exemplar(text),
                    _ => None,
                };
                self.add(&sample, None, exemplar.as_slice())?;
            }
        }
        self.report.metadata = self.scraper.ingest.metadata_seen().unseen(parser.declared(), self.at);
        Ok(())
    }

    /// Reads a page in the protobuf format.
    fn read_protobuf(&mut self, body: &[u8]) -> Result<(), PageError> {
        let ingest = &self.scraper.ingest;
        let limits =
            PageLimits { samples: self.scraper.target.sample_limit, text_bytes: ingest.limits().decoded_bytes };
        let page = protobuf::decode(body, limits).map_err(|error| {
            PageError::Down(match error {
                ProtobufError::TooMany { .. } | ProtobufError::TooLong { .. } => error.to_string(),
                other => {
                    ingest.count_malformed();
                    format!("the page cannot be read: {other}")
                }
            })
        })?;
        self.report.scraped = page.samples.len() as u64;
        let weight = |sample: &ProtobufSample| sample.histogram.as_ref().map_or(1, |histogram| histogram.weight());
        ingest.store().check_queue(page.samples.iter().map(weight).sum()).map_err(PageError::Store)?;
        for sample in &page.samples {
            let text = TextSample::new(&sample.series, sample.value, sample.timestamp_ms, sample.bound);
            self.add(&text, sample.histogram.clone(), &sample.exemplars)?;
        }
        self.report.metadata = self.scraper.ingest.metadata_seen().unseen(page.declared(), self.at);
        Ok(())
    }

    /// Adds a sample, or a histogram instead of its value.
    fn add(
        &mut self,
        sample: &TextSample<'_>,
        histogram: Option<Arc<Histogram>>,
        exemplars: &[PageExemplar],
    ) -> Result<(), PageError> {
        let scraper = self.scraper;
        let cache = scraper.ingest.cache();
        // The same text has different labels with and without normalised bounds.
        let scope = scraper.scope << 1 | u64::from(sample.bound().is_some());
        let key = cache.text_key(scope, sample.series.as_bytes());
        if let Some(stamp) = sample.timestamp_ms
            && let Some(refusal) =
                timestamp_refusal(scraper.ingest.accepted(self.at), stamp, || sample.series.to_owned())
        {
            self.report.refused.refuse(refusal, 1);
            return Ok(());
        }
        let id = match cache.get(key) {
            Some(id) => id,
            None => match resolve(&scraper.ingest, &scraper.target.merge(sample.labels())) {
                Ok(id) => {
                    cache.insert(key, id);
                    id
                }
                Err(ResolveError::Refused(refusal)) => {
                    self.report.refused.refuse(refusal, 1);
                    return Ok(());
                }
                Err(ResolveError::Store(error)) => return Err(PageError::Store(error)),
            },
        };
        let (value, timestamp_ms) = (sample.value, sample.timestamp_ms);
        // As in Prometheus, the first sample of a repeated series is used.
        let is_first = match timestamp_ms {
            None => self.live.insert(id),
            Some(stamp) => self.stamped.insert((id, stamp)),
        };
        let timestamp_ms = timestamp_ms.unwrap_or(self.at.millis());
        match histogram {
            _ if !is_first => return Ok(()),
            Some(histogram) => self.batch.histograms.push(HistogramSample { series: id, timestamp_ms, histogram }),
            None => self.batch.push(id, timestamp_ms, value),
        }
        if !exemplars.is_empty()
            && let Some(labels) = scraper.ingest.store().labels(id)
        {
            let accepted = scraper.ingest.accepted(self.at);
            for exemplar in exemplars {
                scraper.ingest.keep_page_exemplar(&labels, exemplar, timestamp_ms, accepted, &mut self.report.refused);
            }
        }
        Ok(())
    }
}

/// Returns the lines of a page.
fn lines(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = page.strip_suffix(b"\n").unwrap_or(page);
    let lines = (!page.is_empty()).then(|| body.split(|&byte| byte == b'\n'));
    lines.into_iter().flatten()
}

fn resolve(ingest: &Ingest, labels: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<SeriesId, ResolveError> {
    let pairs: Vec<(&[u8], &[u8])> = labels.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    ingest.resolve(&pairs)
}
