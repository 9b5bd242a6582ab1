//! Tests of the scraper.

use std::{borrow::Cow, sync::Mutex, time::Duration};

use almanac_models::{Step, Timestamp};
use bytes::Bytes;
use futures::{FutureExt, executor::block_on, future::BoxFuture};
use tempfile::TempDir;

use super::*;
use crate::{
    ingest::{Ingest, IngestLimits},
    series::{Matcher, SampleSource, is_stale},
    store::{Store, StoreOptions, rows::MetricType},
};

fn target() -> ScrapeTarget {
    ScrapeTarget {
        job: "node".to_owned(),
        instance: "127.0.0.1:9100".to_owned(),
        url: "http://127.0.0.1:9100/metrics".to_owned(),
        interval: Step::from_millis(15_000).unwrap(),
        timeout: Duration::from_secs(10),
        labels: vec![("region".to_owned(), "eu".to_owned())],
        honor_labels: false,
        token: None,
        sample_limit: 1_000,
        follow_redirects: false,
        native_histograms: false,
    }
}

#[test]
fn scrape_times_depend_on_the_target_and_the_interval_alone() {
    let target = target();
    let offset = scrape_offset_ms(&target);
    assert!((0..15_000).contains(&offset));
    for now in [-40_000, -1, 0, offset - 1, offset, offset + 1, 1_767_225_600_000] {
        let next = target.next_after(Timestamp::from_millis(now)).millis();
        assert!(next > now && next <= now + 15_000, "{now}");
        assert_eq!((next - offset).rem_euclid(15_000), 0, "{now}");
    }
    let other = ScrapeTarget { instance: "127.0.0.1:9101".to_owned(), ..target.clone() };
    assert_ne!(scrape_offset_ms(&other), offset);
    assert_eq!(scrape_offset_ms(&target.clone()), offset);
}

#[test]
fn a_timeout_longer_than_the_interval_is_cut() {
    let target = ScrapeTarget { timeout: Duration::from_secs(60), ..target() };
    assert_eq!(target.request(1).timeout, Duration::from_secs(15));
}

#[test]
fn labels_of_the_page_are_renamed_unless_they_are_honoured() {
    let scraped = |pairs: &[(&'static str, &'static str)]| -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
        pairs.iter().map(|&(n, v)| (n.into(), v.into())).collect()
    };
    let check = |honor_labels, page: &[(&'static str, &'static str)], expected: &[(&str, &str)]| {
        let target = ScrapeTarget { honor_labels, ..target() };
        let mut merged = target.merge(scraped(page));
        merged.sort();
        let merged: Vec<(&str, &str)> = merged.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
        assert_eq!(merged, expected);
    };
    let own = [("instance", "127.0.0.1:9100"), ("job", "node"), ("region", "eu")];
    check(false, &[], &own);
    check(
        false,
        &[("job", "x"), ("exported_job", "y")],
        &[
            ("exported_exported_job", "x"),
            ("exported_job", "y"),
            ("instance", "127.0.0.1:9100"),
            ("job", "node"),
            ("region", "eu"),
        ],
    );
    check(true, &[("job", "x")], &[("instance", "127.0.0.1:9100"), ("job", "x"), ("region", "eu")]);
    check(true, &[("job", "")], &own);
    check(false, &[("job", "")], &own);
}

/// Client that returns prepared pages, one per fetch.
struct Answers(Mutex<Vec<Result<Page, String>>>);

impl ScrapeClient for Answers {
    fn fetch<'a>(&'a self, _: &'a ScrapeRequest) -> BoxFuture<'a, Fetched> {
        let page = self.0.lock().unwrap().remove(0);
        async move { Fetched { elapsed: Duration::from_millis(250), page } }.boxed()
    }
}

fn page(body: &str) -> Result<Page, String> {
    Ok(Page { content_type: Some("text/plain".to_owned()), body: Bytes::from(body.to_owned()) })
}

struct Scene {
    _folder: TempDir,
    ingest: Ingest,
    scraper: Scraper,
}

impl Scene {
    fn new(max_series: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let store =
            Store::open(&folder.path().join("s.duckdb"), StoreOptions { max_series, ..StoreOptions::default() })
                .unwrap();
        let ingest = Ingest::new(store, IngestLimits::default());
        Self { scraper: Scraper::new(ingest.clone(), target()), ingest, _folder: folder }
    }

    fn scrape(&mut self, at: i64, answer: Result<Page, String>) -> ScrapeReport {
        let client = Answers(Mutex::new(vec![answer]));
        block_on(self.scraper.scrape(&client, Timestamp::from_millis(at))).unwrap()
    }

    /// Returns timestamp and value of the samples of a metric; "stale" for a marker.
    fn samples(&self, metric: &str) -> Vec<(i64, String)> {
        let matchers = [Matcher::equal("__name__", metric)];
        let series = self.ingest.store().select(&matchers, i64::MIN, i64::MAX, 1000).unwrap();
        let text = |v: f64| if is_stale(v) { "stale".to_owned() } else { v.to_string() };
        series.iter().flat_map(|s| s.timestamps.iter().zip(&s.values).map(|(&t, &v)| (t, text(v)))).collect()
    }
}

fn expect(found: &[(i64, String)], expected: &[(i64, &str)]) {
    let found: Vec<(i64, &str)> = found.iter().map(|(t, v)| (*t, v.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn series_end_when_they_vanish_and_when_the_target_fails() {
    let mut scene = Scene::new(1000);
    let report = scene.scrape(1000, page("a 1\nb 2\na 9\n"));
    assert_eq!((report.up, report.scraped, report.ended), (true, 3, 0));
    assert_eq!(scene.scrape(2000, page("a 3\n")).ended, 1);
    let down = scene.scrape(3000, Err("connection refused".to_owned()));
    assert_eq!((down.up, down.ended, down.error.as_deref()), (false, 1, Some("connection refused")));
    let broken = scene.scrape(4000, page("a 4\nb {\n"));
    assert_eq!(
        broken.error.as_deref(),
        Some("the page cannot be read: line 2: the line ends before the closing brace")
    );
    scene.scrape(5000, page("a 5"));
    block_on(scene.scraper.end(Timestamp::from_millis(6000))).unwrap();
    // The first sample of the repeated series is stored.
    expect(&scene.samples("a"), &[(1000, "1"), (2000, "3"), (3000, "stale"), (5000, "5"), (6000, "stale")]);
    expect(&scene.samples("b"), &[(1000, "2"), (2000, "stale")]);
    expect(&scene.samples("up"), &[(1000, "1"), (2000, "1"), (3000, "0"), (4000, "0"), (5000, "1"), (6000, "stale")]);
    expect(&scene.samples("scrape_duration_seconds")[..1], &[(1000, "0.25")]);
    expect(&scene.samples("scrape_samples_scraped")[..3], &[(1000, "3"), (2000, "1"), (3000, "0")]);
}

#[test]
fn samples_with_their_own_timestamp_do_not_end() {
    let mut scene = Scene::new(1000);
    scene.scrape(1000, page("a 1 900\n"));
    assert_eq!(scene.scrape(2000, page("b 1\n")).ended, 0);
    expect(&scene.samples("a"), &[(900, "1")]);
}

#[test]
fn above_the_limit_new_series_are_refused_and_old_ones_are_stored() {
    let mut scene = Scene::new(5);
    scene.scrape(1000, page("a 1\nb 2\n"));
    let report = scene.scrape(2000, page("a 3\nb 4\nc 5\n"));
    assert!(report.up);
    assert_eq!(report.refused.samples_refused, 1);
    expect(&scene.samples("b"), &[(1000, "2"), (2000, "4")]);
    expect(&scene.samples("c"), &[]);
    assert_eq!(scene.ingest.counts().refused.iter().map(|(_, n)| n).sum::<u64>(), 1);
}

#[test]
fn a_page_above_the_size_limit_is_a_failure() {
    let mut scene = Scene::new(1000);
    let limit = scene.ingest.limits().decoded_bytes;
    let report = scene.scrape(1000, page(&"#".repeat(limit + 1)));
    assert_eq!(report.error, Some(format!("the page exceeds the limit of {limit} bytes")));
}

#[test]
fn a_page_declares_metadata_once_and_bounds_are_normalized() {
    let mut scene = Scene::new(1000);
    let text = "# HELP lag How late.\n# TYPE lag histogram\nlag_bucket{le=\"1\"} 1\nlag_bucket{le=\"+Inf\"} 2\n";
    let report = scene.scrape(1000, page(text));
    let rows: Vec<_> =
        report.metadata.iter().map(|row| (row.metric.as_str(), row.metric_type, row.help.as_str())).collect();
    assert_eq!(rows, [("lag", MetricType::Histogram, "How late.")]);
    assert!(scene.scrape(2000, page(text)).metadata.is_empty());
    let matchers = [Matcher::equal("le", "1.0")];
    assert_eq!(scene.ingest.store().select(&matchers, i64::MIN, i64::MAX, 1000).unwrap()[0].timestamps, [1000, 2000]);
    // The same text with another type is a different series.
    scene.scrape(3000, page("# TYPE lag_bucket gauge\nlag_bucket{le=\"1\"} 1\n"));
    let matchers = [Matcher::equal("le", "1")];
    assert_eq!(scene.ingest.store().select(&matchers, i64::MIN, i64::MAX, 1000).unwrap()[0].timestamps, [3000]);
}

#[test]
fn a_timestamp_in_another_unit_does_not_affect_other_samples() {
    let mut scene = Scene::new(1000);
    let now = 1_767_225_600_000;
    let report = scene.scrape(now, page(&format!("a 1 {}\nb 1 {}\nc 1 {now}\n", now * 1000, now / 1000)));
    assert!(report.up);
    assert_eq!(report.refused.samples_refused, 2);
    let words = report.refused.to_string();
    assert!(words.contains("is in the future"), "{words}");
    expect(&scene.samples("c"), &[(now, "1")]);
    expect(&scene.samples("a"), &[]);
}

#[test]
fn exemplars_of_open_metrics_are_kept() {
    let mut scene = Scene::new(1000);
    let body = "# TYPE lag histogram\nlag_bucket{le=\"1\"} 3 # {trace_id=\"a}\\\"b\"} 0.67 0.9\nlag_bucket{le=\"+Inf\"} 4 # {} 9\n\
                lag_count 4\nlag_sum 5 1.5 # {trace_id=\"x\"} nonsense\n# EOF\n";
    let page = || Page {
        content_type: Some("application/openmetrics-text; version=1.0.0".to_owned()),
        body: Bytes::from(body.to_owned()),
    };
    let report = scene.scrape(1000, Ok(page()));
    assert_eq!((report.up, report.scraped, report.error), (true, 4, None));
    let found = scene.ingest.exemplars().select(&[&[Matcher::equal("__name__", "lag_bucket")]], 0, 10_000);
    let found: Vec<(&str, f64, i64, Option<&str>)> = found
        .iter()
        .map(|(labels, all)| {
            (labels.get("le").unwrap(), all[0].value, all[0].timestamp_ms, all[0].labels.get("trace_id"))
        })
        .collect();
    // Without a time of its own an exemplar has that of the scrape.
    assert_eq!(found, [("+Inf", 9.0, 1000, None), ("1.0", 0.67, 900, Some("a}\"b"))]);
    // A page repeats its exemplars until there are others.
    let report = scene.scrape(2000, Ok(page()));
    assert_eq!((report.refused.exemplars_refused, scene.ingest.exemplars().counts()), (0, (2, 2)));
}

/// A page with one native histogram, of an observation in (0.5, 1] and two in (1, 2].
fn native_page() -> Page {
    let mut histogram = vec![8, 3, 2 << 3 | 1];
    histogram.extend_from_slice(&4.5_f64.to_le_bytes());
    // Span 0..2, deltas 1 and 1.
    histogram.extend([12 << 3 | 2, 4, 8, 0, 16, 2, 13 << 3 | 2, 2, 2, 2]);
    let mut metric = vec![7 << 3 | 2, u8::try_from(histogram.len()).unwrap()];
    metric.extend(histogram);
    let mut family = vec![1 << 3 | 2, 3, b'l', b'a', b'g', 3 << 3, 4, 4 << 3 | 2, u8::try_from(metric.len()).unwrap()];
    family.extend(metric);
    let mut body = vec![u8::try_from(family.len()).unwrap()];
    body.extend(family);
    Page { content_type: Some(super::protobuf::CONTENT_TYPE.to_owned()), body: body.into() }
}

#[test]
fn native_histograms_are_stored_and_end_like_floats() {
    let mut scene = Scene::new(1000);
    let request = ScrapeTarget { native_histograms: true, ..target() }.request(1);
    assert!(
        request.accept.starts_with("application/vnd.google.protobuf;")
            && !target().request(1).accept.contains("protobuf")
    );
    let report = scene.scrape(1000, Ok(native_page()));
    assert_eq!((report.up, report.scraped, report.error), (true, 1, None));
    assert_eq!(report.metadata[0].metric_type, MetricType::Histogram);
    let matchers = [Matcher::equal("__name__", "lag"), Matcher::equal("job", "node")];
    let found = scene.ingest.store().select_histograms(&matchers, 0, 10_000, 1000).unwrap();
    assert_eq!((found.len(), found[0].timestamps.clone()), (1, vec![1000]));
    assert_eq!(found[0].histograms[0].positive, [(0, 1.0), (1, 2.0)]);
    assert_eq!(scene.scrape(2000, page("a 3\n")).ended, 1);
    expect(&scene.samples("lag"), &[(2000, "stale")]);
    let mut cut = native_page();
    cut.body.truncate(20);
    let error = scene.scrape(3000, Ok(cut)).error.unwrap();
    assert_eq!(error, "the page cannot be read: the protobuf message is truncated");
}
