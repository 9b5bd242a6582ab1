//! Tests of the text parser.

use proptest::prelude::*;

use super::*;
use crate::store::rows::MetricType;

type Pairs = Vec<(String, String)>;

fn parse(dialect: Dialect, text: &str) -> Result<Vec<(Pairs, f64, Option<i64>)>, String> {
    let mut parser = TextParser::new(dialect);
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(sample) = parser.line(line.as_bytes()).map_err(|error| error.to_string())? {
            let labels = sample.labels().into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            samples.push((labels, sample.value, sample.timestamp_ms));
        }
    }
    parser.finish().map_err(|error| error.to_string())?;
    Ok(samples)
}

fn pairs(all: &[(&str, &str)]) -> Pairs {
    all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

/// The difficult parts of the example in the format's documentation.
#[test]
fn prometheus_text() {
    let text = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
http_request_duration_seconds_bucket{le="+Inf",} 144320
	spaced { a = "b" , c="d" }	-1e-3
nothing NaN
{"a.b c", "x y"="1"} 2
"#;
    let samples = parse(Dialect::Prometheus, text).unwrap();
    let names: Vec<&str> = samples.iter().map(|(labels, ..)| labels[0].1.as_str()).collect();
    assert_eq!(
        names,
        [
            "http_requests_total",
            "http_requests_total",
            "msdos_file_access_time_seconds",
            "metric_without_timestamp_and_labels",
            "something_weird",
            "http_request_duration_seconds_bucket",
            "spaced",
            "nothing",
            "a.b c",
        ]
    );
    assert_eq!(samples[1].0, pairs(&[("__name__", "http_requests_total"), ("method", "post"), ("code", "400")]));
    assert_eq!((samples[1].1, samples[1].2), (3.0, Some(1_395_066_363_000)));
    assert_eq!(samples[2].0[1].1, r"C:\DIR\FILE.TXT");
    assert_eq!(samples[2].0[2].1, "Cannot find file:\n\"FILE.TXT\"");
    assert_eq!((samples[4].1, samples[4].2), (f64::INFINITY, Some(-3_982_045)));
    assert_eq!(samples[6].0, pairs(&[("__name__", "spaced"), ("a", "b"), ("c", "d")]));
    assert!(samples[7].1.is_nan());
    assert_eq!(samples[8].0, pairs(&[("__name__", "a.b c"), ("x y", "1")]));
}

#[test]
fn open_metrics() {
    let text = "# TYPE acme_http_router_request_seconds summary\n\
                # UNIT acme_http_router_request_seconds seconds\n\
                acme_http_router_request_seconds_sum{path=\"/api/v1\",method=\"GET\"} 9036.32 1520879607.789\n\
                acme_http_router_request_seconds_created{path=\"/api/v1\",method=\"GET\"} 1605281325.0\n\
                # TYPE foo counter\n\
                foo_total 17.0 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n\
                foo_bucket{le=\"1\"} 5 # {a=\"} # {\"} 0.67 1520879607.789\n\
                # EOF\n";
    let samples = parse(Dialect::OpenMetrics, text).unwrap();
    let seen: Vec<(&str, f64, Option<i64>)> =
        samples.iter().map(|(labels, value, stamp)| (labels[0].1.as_str(), *value, *stamp)).collect();
    let expected = [
        ("acme_http_router_request_seconds_sum", 9036.32, Some(1_520_879_607_789)),
        ("acme_http_router_request_seconds_created", 1_605_281_325.0, None),
        ("foo_total", 17.0, Some(1_520_879_607_789)),
        ("foo_bucket", 5.0, None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn every_fault_names_its_line() {
    let check = |dialect, text: &str, expected: &str| assert_eq!(parse(dialect, text).unwrap_err(), expected, "{text}");
    let old = |text: &str, expected: &str| check(Dialect::Prometheus, text, expected);
    old("ok 1\n=bad 1", "line 2: \"=bad\" is not a metric name");
    old("1abc 1", "line 1: \"1abc\" is not a metric name");
    old("a.b 1", "line 1: \"a.b\" is not a metric name");
    old("up", "line 1: the value is missing");
    old("up{} ", "line 1: the value is missing");
    old("up abc", "line 1: value \"abc\" is not a number");
    old("up 1 1.5", "line 1: timestamp \"1.5\" is not integer epoch milliseconds");
    old("up 1 1767225600000000000", "line 1: timestamp \"1767225600000000000\" is not integer epoch milliseconds");
    old("up 1 2 3", "line 1: unexpected \"3\" after the sample");
    old("up{a=\"b} 1", "line 1: the line ends before the closing quote");
    old("up{a=\"b\" 1", "line 1: expected a comma or a closing brace, found \"1\"");
    old("up{a=\"b\"", "line 1: the line ends before the closing brace");
    old("up{a=b} 1", "line 1: label \"a\" has no value in quotes");
    old("up{a} 1", "line 1: label \"a\" has no value in quotes");
    old("up{-=\"1\"} 1", "line 1: \"-=\\\"1\\\"}\" is not a label name");
    old("up{\"down\"} 1", "line 1: duplicate metric name");
    old("{a=\"b\"} 1", "line 1: the metric has no name");
    old("# TYPE up thing", "line 1: \"thing\" is not a metric type");
    let open = |text: &str, expected: &str| check(Dialect::OpenMetrics, text, expected);
    open("up 1", "line 1: the text is truncated: it does not end with \"# EOF\"");
    open("up 1\n\n# EOF", "line 2: OpenMetrics does not allow empty lines");
    open("# EOF\nup 1", "line 2: text after \"# EOF\"");
    open("up 1 x\n# EOF", "line 1: timestamp \"x\" is not epoch seconds");
    let error = TextParser::new(Dialect::Prometheus).line(b"up{a=\"\xff\"} 1").unwrap_err();
    assert_eq!(error.to_string(), "line 1: the line is not UTF-8 text");
}

/// Bounds of typed histograms and summaries are normalised as in Prometheus 3; the `le` of a gauge is an ordinary
/// label.
#[test]
fn bounds_of_histograms_and_summaries_are_normalized() {
    let labels = |dialect, text: &str| -> Vec<String> {
        parse(dialect, text).unwrap().into_iter().map(|(labels, ..)| labels.last().unwrap().1.clone()).collect()
    };
    let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1e6\"} 2\nh_bucket{le=\"+Inf\"} 3\n\
                # TYPE s summary\ns{quantile=\"0.50\"} 1\ns{le=\"1\"} 1\n# TYPE g gauge\ng{le=\"1\"} 1\n";
    let expected = ["1.0", "1e+06", "+Inf", "0.5", "1", "1"];
    assert_eq!(labels(Dialect::Prometheus, text), expected);
    assert_eq!(labels(Dialect::OpenMetrics, &format!("{text}# EOF\n")), expected);
    assert_eq!(labels(Dialect::Prometheus, "h_bucket{le=\"1\"} 1\n"), ["1"]);
}

#[test]
fn comments_declare_type_description_and_unit() {
    let declared = |dialect, text: &str| -> Vec<(String, MetricType, String, String)> {
        let mut parser = TextParser::new(dialect);
        text.lines().for_each(|line| assert!(parser.line(line.as_bytes()).is_ok()));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        parser.declared().map(|one| (text(one.metric), one.metric_type, text(one.help), text(one.unit))).collect()
    };
    let row = |metric: &str, metric_type, help: &str, unit: &str| {
        (metric.to_owned(), metric_type, help.to_owned(), unit.to_owned())
    };
    let text = "# HELP up Whether the \\\\ target\\nanswers.\n# TYPE up gauge\nup 1\n# TYPE \"a.b c\" counter\n# a comment\n#TYPE x\n# HELP\n# TYPE old untyped\n";
    let expected = [
        row("up", MetricType::Gauge, "Whether the \\ target\nanswers.", ""),
        row("a.b c", MetricType::Counter, "", ""),
        row("old", MetricType::Unknown, "", ""),
    ];
    assert_eq!(declared(Dialect::Prometheus, text), expected);
    let text = "# TYPE lag_seconds histogram\n# UNIT lag_seconds seconds\n# HELP lag_seconds How late.\n# EOF";
    assert_eq!(
        declared(Dialect::OpenMetrics, text),
        [row("lag_seconds", MetricType::Histogram, "How late.", "seconds")]
    );
}

#[test]
fn the_dialect_is_detected_from_the_content_type() {
    let check = |text: Option<&str>, expected| assert_eq!(Dialect::of_content_type(text), expected);
    check(Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), Dialect::OpenMetrics);
    check(Some("text/plain; version=0.0.4"), Dialect::Prometheus);
    check(None, Dialect::Prometheus);
}

proptest! {
    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
            if let Ok(Some(sample)) = TextParser::new(dialect).line(&line) {
                prop_assert!(sample.labels().iter().any(|(name, _)| name == "__name__"));
            }
        }
    }

    #[test]
    fn no_likely_line_panics(line in "[a-c{}\"\\\\=, #\t0-9.eN+-]{0,40}") {
        for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
            if let Ok(Some(sample)) = TextParser::new(dialect).line(line.as_bytes()) {
                prop_assert!(sample.labels().iter().any(|(name, _)| name == "__name__"));
            }
        }
    }

    #[test]
    fn any_label_value_survives(value in ".*") {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let line = format!("up{{a=\"{escaped}\"}} 1");
        let sample = TextParser::new(Dialect::Prometheus).line(line.as_bytes()).unwrap().unwrap();
        prop_assert_eq!(&sample.labels()[1].1, &value);
    }
}
