//! Compares the answers of Prometheus and of the service to the same expressions over the same samples.

use std::{fs, thread};

use almanac_engine::{ingest::remote_write::encode_v1, series::Labels};

use super::{
    answers::{Answer, instant, range},
    data,
    expressions::{BOTH, DIFFER, REFUSED},
    server::Prometheus,
};
use crate::{harness::Server, process::client};

/// Times of the instant queries and start of the range queries. They are half seconds, since the ranges of this
/// Prometheus version include their left end: no sample and no step of a subquery is at such a time.
const TIMES_MS: [i64; 3] = [1_767_602_347_500, 1_767_604_000_500, 1_767_606_900_500];

/// Loads the same samples into both and expects the same answers.
#[test]
fn answers_are_those_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(
        folder.path(),
        |_| "global: {}\n".to_owned(),
        &["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--log.level=warn"],
    );
    let features = "[promql]\nfeatures = [\"promql-experimental-functions\"]\n";
    fs::write(folder.path().join("almanac.toml"), features).unwrap();
    let service = Server::start(folder.path());
    let urls = [prometheus.url.as_str(), service.url.as_str()];
    load(&urls);

    let mut wrong = Vec::new();
    thread::scope(|scope| {
        let parts = BOTH.chunks(BOTH.len().div_ceil(4));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || disagreements(&urls, part))).collect();
        threads.into_iter().for_each(|thread| wrong.extend(thread.join().unwrap()));
    });
    assert!(wrong.is_empty(), "{} of {} expressions:\n{}", wrong.len(), BOTH.len(), wrong.join("\n"));
    assert!(BOTH.len() >= 100);
    println!("{} expressions agree at {} times and over ranges", BOTH.len(), TIMES_MS.len());

    for (expr, time_ms, reason) in DIFFER {
        let [theirs, ours] = urls.map(|url| instant(url, expr, *time_ms));
        assert!(!theirs.agrees(&ours), "{expr} no longer differs ({reason}): {ours:?}");
        assert!(matches!(ours, Answer::Series(_)), "{expr}: {ours:?}");
    }
    for expr in REFUSED {
        for url in urls {
            let answer = instant(url, expr, TIMES_MS[0]);
            assert!(matches!(answer, Answer::Error(400 | 422, _)), "{url} {expr}: {answer:?}");
        }
    }
    prometheus.peer.stop();
    assert!(service.stop().success());
}

/// Sends every sample to both, in time order.
fn load(urls: &[&str; 2]) {
    let series = data::series();
    let client = client();
    for first in (0..data::STEPS).step_by(40) {
        let steps = first..(first + 40).min(data::STEPS);
        let entries: Vec<(Labels, _)> =
            series.iter().map(|series| (series.labels.clone(), series.samples(steps.clone()))).collect();
        let body = encode_v1(&entries);
        for url in urls {
            let reply = client
                .post(format!("{url}/api/v1/write"))
                .header("content-type", "application/x-protobuf")
                .header("content-encoding", "snappy")
                .header("x-prometheus-remote-write-version", "0.1.0")
                .body(body.clone())
                .send()
                .unwrap();
            let status = reply.status();
            assert!(status.is_success(), "{url}: {status}: {}", reply.text().unwrap());
        }
    }
}

/// Describes each expression with different answers.
fn disagreements(urls: &[&str; 2], expressions: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for expr in expressions {
        let instants = TIMES_MS.iter().map(|time_ms| urls.map(|url| instant(url, expr, *time_ms)));
        // Half an hour in steps that are not a multiple of the samples' distance, and the whole data in long steps.
        let ranges = [
            urls.map(|url| range(url, expr, TIMES_MS[0], TIMES_MS[0] + 1_800_000, 37_000)),
            urls.map(|url| range(url, expr, TIMES_MS[0] - 500_000, TIMES_MS[2] + 900_000, 241_000)),
        ];
        for [theirs, ours] in instants.chain(ranges) {
            if !matches!(theirs, Answer::Series(_)) || !theirs.agrees(&ours) {
                wrong.push(format!("{expr}\n  Prometheus: {}\n  Almanac:    {}", excerpt(&theirs), excerpt(&ours)));
                break;
            }
        }
    }
    wrong
}

fn excerpt(answer: &Answer) -> String {
    format!("{answer:?}").chars().take(600).collect()
}
