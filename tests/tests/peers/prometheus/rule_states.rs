//! The states of alerts are those of Prometheus at every evaluation: `promtool test rules` evaluates the same rules on
//! the same samples, and expects the alerts that the engine has.

use std::{collections::BTreeMap, fmt::Write, fs, process::Command, time::Duration};

use almanac_engine::{
    advise::threshold::AlertState,
    rules::RuleBook,
    series::{Labels, METRIC_NAME, stale_marker},
    signal::{EvalLimits, VectorSample},
    store::{SampleBatch, Store, StoreOptions},
};

const RULES: &str = "groups:
- name: states
  interval: 1m
  rules:
  - record: job:errors:rate5m
    expr: sum by (job) (rate(errors_total[270s]))
  - alert: AtOnce
    expr: level > 5
    labels: {severity: page}
    annotations: {summary: '{{ $labels.room }} at {{ $value }}'}
  - alert: Held
    expr: level > 5
    for: 3m
  - alert: Kept
    expr: level > 7
    for: 1m
    keep_firing_for: 4m
  - alert: Missing
    expr: absent(level{room=\"c\"})
    for: 2m
  - alert: Errors
    expr: job:errors:rate5m > 0.05
    for: 2m
    annotations: {summary: 'rate {{ $value | humanize }}'}
  - alert: Gone
    expr: level offset 2m unless level
";
/// Values of three rooms and a counter by minute; `_` is no sample, `s` a stale marker. No sample is at the left end of a
/// range or of the look-back, which count in this version of Prometheus.
const SERIES: [(&str, &str); 4] = [
    ("level{room=\"a\"}", "1 6 6 6 8 8 2 9 9 9 1 1 1 1 1 1 6 s _ _ _ _ _ _ 6 6 6 6 1 1"),
    ("level{room=\"b\"}", "8 8 8 s _ _ 8 8 1 8 1 8 8 8 8 8 8 8 8 8 8 2 2 2 2 2 2 2 2 2"),
    ("level{room=\"c\"}", "_ _ _ _ 1 1 1 s _ _ _ _ 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    (
        "errors_total{job=\"api\"}",
        "0 0 0 5 10 20 40 40 40 40 40 40 0 9 20 40 60 80 80 80 80 80 80 80 80 80 80 80 80 80",
    ),
];

/// Returns the labels of a series as written above.
fn labels(text: &str) -> Labels {
    let query = almanac_engine::signal::parse(text).unwrap();
    let matchers = query.plain_selector().unwrap();
    Labels::from_pairs(matchers.iter().map(|one| (one.name(), one.value()))).unwrap()
}

fn put(store: &Store, at_ms: i64, samples: &[(Labels, f64)]) {
    let mut batch = SampleBatch::default();
    for (labels, value) in samples {
        batch.push(store.resolve(labels).unwrap(), at_ms, *value);
    }
    store.append(batch).unwrap().wait().unwrap();
}

/// Appends what promtool is to expect of one alert at one minute.
fn expect(text: &mut String, minute: i64, alert: &str, firing: &[(Labels, BTreeMap<String, String>)]) {
    writeln!(text, "  - {{eval_time: {minute}m, alertname: {alert}, exp_alerts: [").unwrap();
    for (labels, annotations) in firing {
        let of = |pairs: Vec<(&str, &str)>| {
            let all: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}: '{value}'")).collect();
            all.join(", ")
        };
        let labels = of(labels.iter().filter(|(name, _)| *name != "alertname").collect());
        let annotations = of(annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect());
        writeln!(text, "    {{exp_labels: {{{labels}}}, exp_annotations: {{{annotations}}}}},").unwrap();
    }
    text.push_str("  ]}\n");
}

#[test]
fn alerts_fire_at_the_evaluations_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
    let mut book = RuleBook::default();
    book.add("rules.yml", RULES, 60_000);
    assert!(book.faults.is_empty(), "{:?}", book.faults);
    let mut test =
        "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n".to_owned();
    for (series, values) in SERIES {
        let values = values.replace('s', "stale");
        writeln!(test, "  - {{series: '{series}', values: '{values}'}}").unwrap();
    }
    test.push_str("  alert_rule_test:\n");
    let (mut fired, mut evaluations) = (0, 0);
    for minute in 0..30 {
        let now_ms = minute * 60_000;
        let point = |values: &str| values.split(' ').nth(usize::try_from(minute).unwrap()).unwrap().to_owned();
        let samples = SERIES.iter().filter_map(|(series, values)| match point(values).as_str() {
            "_" => None,
            "s" => Some((labels(series), stale_marker())),
            value => Some((labels(series), value.parse().unwrap())),
        });
        put(&store, now_ms, &samples.collect::<Vec<_>>());
        let mut write = |at_ms: i64, samples: &[VectorSample]| {
            put(&store, at_ms, &samples.iter().map(|sample| (sample.labels.clone(), sample.value)).collect::<Vec<_>>());
            Ok(())
        };
        let group = &mut book.groups[0];
        let done = group.evaluate(&store, now_ms, &EvalLimits::default(), &|| Duration::ZERO, &mut write);
        assert!(done.failures.is_empty(), "{:?}", done.failures);
        for rule in group.rules.iter().filter(|rule| rule.name() != "job:errors:rate5m") {
            let firing = rule.active().into_iter().filter(|alert| alert.state == AlertState::Firing);
            let firing: Vec<_> = firing.map(|alert| (alert.labels.clone(), alert.annotations.clone())).collect();
            fired += firing.len();
            evaluations += 1;
            expect(&mut test, minute, rule.name(), &firing);
        }
    }
    assert!(fired > 60, "{fired} alerts fired in {evaluations} evaluations");
    assert!(store.series(&[], i64::MIN, i64::MAX).unwrap().iter().any(|one| one.get(METRIC_NAME) == Some("ALERTS")));
    fs::write(folder.path().join("rules.yml"), RULES).unwrap();
    fs::write(folder.path().join("test.yml"), &test).unwrap();
    let done = Command::new("promtool").args(["test", "rules", "test.yml"]).current_dir(folder.path()).output();
    let done = done.unwrap_or_else(|error| panic!("promtool does not start ({error}): run scripts/peers.sh"));
    let output = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && output.contains("SUCCESS"), "{output}\n{test}");
    println!("{evaluations} evaluations agree, {fired} firing alerts");
    store.close().unwrap();
}
