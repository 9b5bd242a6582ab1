//! A real Prometheus reads samples from the service by remote read.

use std::{thread, time::Duration};

use almanac_engine::{ingest::remote_write::encode_v1, series::Labels};

use super::{
    answers::{Answer, instant, range},
    data,
    server::Prometheus,
};
use crate::{harness::Server, process::client};

/// Start of the data and time of the queries; a half second, because this Prometheus version includes the left end of
/// ranges.
const TIME_MS: i64 = 1_767_604_000_500;

/// Prometheus without samples of its own answers from those of the service, for several hundred series in chunks.
#[test]
fn prometheus_reads_from_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let service = Server::start(folder.path());
    let series = data::series();
    for first in (0..data::STEPS).step_by(100) {
        let steps = first..(first + 100).min(data::STEPS);
        let entries: Vec<(Labels, _)> =
            series.iter().map(|series| (series.labels.clone(), series.samples(steps.clone()))).collect();
        let reply = client()
            .post(format!("{}/api/v1/write", service.url))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .body(encode_v1(&entries))
            .send()
            .unwrap();
        assert!(reply.status().is_success());
    }
    let url = service.url.clone();
    let configuration = move |_| format!("remote_read:\n  - {{url: '{url}/api/v1/read', read_recent: true}}\n");
    let prometheus = Prometheus::start(folder.path(), configuration, &["--log.level=warn"]);

    let mut compared = 0;
    for expr in [
        "up",
        "http_requests_total",
        "rate(http_requests_total[5m])",
        "sum by (job) (rate(http_requests_total{code=~\"2..\"}[10m]))",
        "temperature{room!=\"none\"}",
        "{__name__=~\".+\"}",
        "count_over_time(http_requests_total[30m])",
        "sum by (__name__) ({__name__=~\"[a-m].*\"})",
        "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        "absent(no_such_metric)",
    ] {
        for answers in [
            [&prometheus.url, &service.url].map(|url| instant(url, expr, TIME_MS)),
            [&prometheus.url, &service.url].map(|url| range(url, expr, TIME_MS - 600_000, TIME_MS, 60_000)),
        ] {
            let [theirs, ours] = answers;
            assert!(matches!(theirs, Answer::Series(_)) && theirs.agrees(&ours), "{expr}\n{theirs:?}\n{ours:?}");
            compared += theirs.series().len();
        }
    }
    assert!(compared > 100, "{compared} series");
    println!("{compared} series agree");

    // What Prometheus read came in chunks, not in one message.
    let chunked = prometheus.own_metric("prometheus_remote_storage_read_queries_total");
    assert!(chunked > 10.0, "{chunked}");
    // Learned series are read when their name is asked for.
    let learned = instant(&prometheus.url, "almanac_signal_expected", TIME_MS);
    assert!(matches!(learned, Answer::Series(_)), "{learned:?}");
    thread::sleep(Duration::from_millis(1));
    prometheus.peer.stop();
    assert!(service.stop().success());
}
