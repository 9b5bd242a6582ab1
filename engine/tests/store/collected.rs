//! Metric metadata, scrape targets and advice status, as rows and in the view of series.

use almanac_engine::store::rows::{
    AdviceState, AdviceStatusFilter, AdviceStatusRow, MetadataFilter, MetadataPut, MetadataRow, MetricType,
    ScrapeTargetRow, TargetHealth,
};
use almanac_models::Timestamp;
use serde_json::json;

use crate::support::{Fresh, labels, put};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn metadata(metric: &str, metric_type: MetricType, help: &str, unit: &str) -> MetadataRow {
    MetadataRow { metric: metric.into(), metric_type, help: help.into(), unit: unit.into(), updated_at: at(5) }
}

#[test]
fn metadata_is_kept_and_shown_with_the_series() {
    let fresh = Fresh::new();
    for name in ["lat_bucket", "lat_sum", "req_total", "up", "temp", "odd_total"] {
        put(&fresh.store, &[(&labels(&[("__name__", name), ("job", "a")]), 1, 1.0)]);
    }
    let declared = [
        metadata("lat", MetricType::Histogram, "Latency", "seconds"),
        metadata("req", MetricType::Counter, "It's a count", ""),
        metadata("up", MetricType::Gauge, "", ""),
        metadata("odd", MetricType::Gauge, "No counter", ""),
    ];
    assert_eq!(fresh.store.put_metadata(&declared).unwrap(), MetadataPut { written: 4, unchanged: 0, refused: 0 });
    let commits = fresh.store.stats().commits;
    assert_eq!(fresh.store.put_metadata(&declared).unwrap(), MetadataPut { written: 0, unchanged: 4, refused: 0 });
    assert_eq!(fresh.store.stats().commits, commits, "unchanged metadata is not written");
    let shown = |fresh: &Fresh| {
        crate::sql::rows(
            &fresh.store,
            "SELECT name || ' ' || coalesce(type, '-') || ' ' || coalesce(unit, '-') || ' ' || coalesce(help, '-')
             FROM series ORDER BY name",
            &[],
        )
    };
    let expected = [
        "lat_bucket histogram seconds Latency",
        "lat_sum histogram seconds Latency",
        "odd_total - - -",
        "req_total counter  It's a count",
        "temp - - -",
        "up gauge  ",
    ];
    assert_eq!(shown(&fresh), expected);
    let fresh = fresh.reopened();
    assert_eq!(shown(&fresh), expected);
    let names = |filter: &MetadataFilter| -> Vec<String> {
        fresh.store.metadata(filter).into_iter().map(|row| row.metric).collect()
    };
    assert_eq!(names(&MetadataFilter::default()), ["lat", "odd", "req", "up"]);
    let some = MetadataFilter { metrics: vec!["lat_bucket".into(), "lat".into(), "nothing".into()], limit: None };
    assert_eq!(names(&some), ["lat"]);
    assert_eq!(names(&MetadataFilter { limit: Some(2), ..MetadataFilter::default() }), ["lat", "odd"]);
    assert_eq!(fresh.store.metadata_of("req_total").unwrap().metric_type, MetricType::Counter);
}

#[test]
fn scrape_targets_survive_a_restart() {
    let fresh = Fresh::new();
    let target = |url: &str, error: Option<&str>| ScrapeTargetRow {
        job: "api".into(),
        instance: "a".into(),
        url: url.into(),
        health: if error.is_some() { TargetHealth::Down } else { TargetHealth::Up },
        last_error: error.map(str::to_owned),
        last_scrape: Some(at(7)),
        duration_ms: 1.5,
        samples: 3,
    };
    let (a, b) = (target("http://a/metrics", None), target("http://b/metrics", Some("connection refused")));
    fresh.store.put_scrape_targets(std::slice::from_ref(&b)).unwrap();
    fresh.store.put_scrape_targets(std::slice::from_ref(&a)).unwrap();
    let fresh = fresh.reopened();
    assert_eq!(fresh.store.scrape_targets(), [a.clone(), b]);
    let down = crate::sql::rows(&fresh.store, "SELECT last_error FROM scrape_targets WHERE health = 'down'", &[]);
    assert_eq!(down, ["connection refused"]);
    fresh.store.retain_scrape_targets(&[("api".into(), "http://a/metrics".into())]).unwrap();
    let fresh = fresh.reopened();
    assert_eq!(fresh.store.scrape_targets(), [a]);
}

#[test]
fn advice_is_replaced_by_kind() {
    let fresh = Fresh::new();
    let verdict = |kind: &str, target: &str, state: AdviceState| AdviceStatusRow {
        kind: kind.into(),
        target: target.into(),
        state,
        reason: "because".into(),
        needs: json!([{ "what": "a label" }]),
        recommendation: (state == AdviceState::Proposed).then(|| "r1".into()),
        updated_at: at(1),
    };
    let (a, b) = (verdict("scaling", "a", AdviceState::Proposed), verdict("scaling", "b", AdviceState::Lacks));
    let toy = verdict("toy", "x", AdviceState::Kept);
    fresh.store.put_advice_status(&["scaling"], &[b.clone(), a.clone(), toy.clone()]).unwrap();
    let list = |fresh: &Fresh, filter: AdviceStatusFilter| fresh.store.advice_status(&filter).unwrap();
    assert_eq!(list(&fresh, AdviceStatusFilter::default()), [a.clone(), b, toy.clone()]);
    fresh.store.put_advice_status(&["scaling"], std::slice::from_ref(&a)).unwrap();
    let fresh = fresh.reopened();
    assert_eq!(list(&fresh, AdviceStatusFilter::default()), [a.clone(), toy.clone()]);
    let kept = AdviceStatusFilter { states: vec![AdviceState::Kept], ..AdviceStatusFilter::default() };
    assert_eq!(list(&fresh, kept), std::slice::from_ref(&toy));
    // A kind without targets has no rows.
    fresh.store.put_advice_status(&["scaling"], &[]).unwrap();
    assert_eq!(list(&fresh, AdviceStatusFilter::default()), [toy]);
    fresh.store.put_advice_status(&[], &[]).unwrap();
}
