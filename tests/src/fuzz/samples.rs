//! Targets: remote write, Prometheus text, OpenMetrics, events.

use std::time::Duration;

use almanac_engine::ingest::{
    IngestLimits,
    import::ImportFormat,
    parse_events,
    remote_write::{Request, Version},
    scrape::{Fetched, Page, ScrapeTarget, Scraper},
    text::{Dialect, TextParser},
};

use almanac_models::Step;

use super::{files::import, one_line, store};

/// One of this many accepted requests is stored, so that the store stays small.
const STORED_SHARE: usize = 16;

/// Remote write 1.0, as a snappy block and as the message in it.
pub(super) fn remote_write_1(data: &[u8]) {
    remote_write(Version::V1, data);
}

/// Remote write 2.0, as a snappy block and as the message in it.
pub(super) fn remote_write_2(data: &[u8]) {
    remote_write(Version::V2, data);
}

fn remote_write(version: Version, data: &[u8]) {
    decode(version, data);
    if let Ok(block) = snap::raw::Encoder::new().compress_vec(data) {
        decode(version, &block);
        if data.len().is_multiple_of(STORED_SHARE) {
            append(version, &block);
        }
    }
}

/// Decodes a request and reads every label.
fn decode(version: Version, block: &[u8]) {
    let mut request = Request::default();
    if let Err(error) = request.decode(version, block, IngestLimits::default().decoded_bytes) {
        return one_line::check(&error);
    }
    let samples: usize = request.entries().iter().map(|entry| entry.samples as usize).sum();
    assert_eq!((samples, samples), (request.timestamps().len(), request.values().len()), "samples of the entries");
    let mut labels = Vec::new();
    for entry in request.entries() {
        if let Err(error) = request.labels(entry, &mut labels) {
            one_line::check(&error);
        }
    }
}

fn append(version: Version, block: &[u8]) {
    match store::ingest().remote_write(version, block, store::now()) {
        Ok(pending) => {
            pending.summary().refusals.iter().for_each(|(refusal, _)| one_line::check(refusal));
            pending.wait().map(drop).unwrap_or_else(|error| panic!("a request could not be stored: {error}"));
        }
        Err(error) => one_line::check(&error),
    }
}

/// Prometheus text, as a scrape and as an import.
pub(super) fn prometheus_text(data: &[u8]) {
    text(Dialect::Prometheus, data);
    import(data, ImportFormat::PrometheusText, ".prom");
}

/// OpenMetrics, as a scrape and as an import.
pub(super) fn openmetrics(data: &[u8]) {
    text(Dialect::OpenMetrics, data);
    import(data, ImportFormat::PrometheusText, ".om");
}

fn text(dialect: Dialect, data: &[u8]) {
    let mut parser = TextParser::new(dialect);
    for line in data.split(|byte| *byte == b'\n') {
        match parser.line(line) {
            Ok(Some(sample)) => assert!(!sample.labels().is_empty(), "a sample without a label: {:?}", sample.series),
            Ok(None) => {}
            Err(error) => return one_line::check(&error),
        }
    }
    if let Err(error) = parser.finish() {
        one_line::check(&error);
    }
}

/// Pages in the protobuf format, as a scrape.
pub(super) fn scrape_protobuf(data: &[u8]) {
    let interval = Step::from_millis(15_000).unwrap_or_else(|error| panic!("an interval: {error}"));
    let target = ScrapeTarget {
        job: "fuzz".to_owned(),
        instance: "a:1".to_owned(),
        url: "http://a:1/metrics".to_owned(),
        interval,
        timeout: Duration::from_secs(1),
        labels: Vec::new(),
        honor_labels: false,
        token: None,
        sample_limit: 1_000,
        follow_redirects: false,
        native_histograms: true,
    };
    let content_type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let page = Page { content_type: Some(content_type.to_owned()), body: data.to_vec().into() };
    let fetched = Fetched { elapsed: Duration::ZERO, page: Ok(page) };
    let mut scraper = Scraper::new(store::ingest().clone(), target);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("a runtime: {error}"));
    match runtime.block_on(scraper.store(&fetched, store::now())) {
        Ok(report) => {
            report.error.iter().for_each(|error| assert!(!error.contains('\n'), "several lines: {error:?}"));
            report.refused.refusals.iter().for_each(|(refusal, _)| one_line::check(refusal));
        }
        Err(error) => panic!("a page could not be stored: {error}"),
    }
}

/// Cache events, deploys and incidents as JSON.
pub(super) fn events(data: &[u8]) {
    if let Err(error) = parse_events(data, &IngestLimits::default(), store::now()) {
        one_line::check(&error);
    }
}
