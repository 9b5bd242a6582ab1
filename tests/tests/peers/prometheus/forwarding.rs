//! A real Prometheus forwards its samples to the service by remote write.

use std::{collections::BTreeMap, path::Path, thread, time::Duration};

use super::{
    answers::{Labels, instant},
    exporters::Exporters,
    server::Prometheus,
};
use crate::{
    harness::{Server, almanac},
    process::free_ports,
};

/// Prometheus scrapes real exporters and remote-writes to Almanac, which is stopped and restarted meanwhile. In the end
/// both must have the same samples and the same ended series.
#[test]
fn nothing_that_prometheus_forwards_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [port] = free_ports();
    let service = serve(folder, port);
    let mut exporters = Exporters::start(folder);
    let targets = exporters.targets.clone();
    let prometheus =
        Prometheus::start(folder, |own_port| configuration(own_port, &targets, port), &["--log.level=warn"]);

    thread::sleep(Duration::from_secs(8));
    let sent_before = prometheus.own_metric("prometheus_remote_storage_samples_total");
    assert!(sent_before > 1000.0, "only {sent_before} samples were sent");
    assert!(service.stop().success());
    thread::sleep(Duration::from_secs(4));
    let pending = prometheus.own_metric("prometheus_remote_storage_samples_pending");
    assert!(pending > 0.0, "nothing waited while the service was stopped");
    let service = serve(folder, port);
    // A target that disappears ends its series with stale markers.
    exporters.stop_redis_exporter();
    thread::sleep(Duration::from_secs(6));

    // The span starts before the first scrape and ends at a time that is already delivered.
    let end_ms = chrono::Utc::now().timestamp_millis();
    wait_for_delivery(&prometheus, end_ms);
    let forwarded = raw(&service.url, end_ms);
    let scraped = raw(&prometheus.url, end_ms);
    assert!(scraped.len() > 500, "only {} series were scraped", scraped.len());
    compare(&scraped, &forwarded);
    let samples: usize = scraped.values().map(Vec::len).sum();
    println!("{} series with {samples} samples agree", scraped.len());

    // Only the series of the stopped exporter are gone from both.
    let up = |url: &str| instant(url, "sort(up)", end_ms).series();
    assert_eq!(up(&prometheus.url), up(&service.url));
    let live = |url: &str| instant(url, "count by (job) ({__name__!=\"\"})", end_ms).series();
    assert_eq!(live(&prometheus.url), live(&service.url));
    assert!(instant(&service.url, "redis_up", end_ms).series().is_empty());
    assert!(!instant(&service.url, "pg_up", end_ms).series().is_empty());

    prometheus.peer.stop();
    assert!(service.stop().success());
}

fn serve(folder: &Path, port: u16) -> Server {
    let mut command = almanac(folder);
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--log", "info"]);
    Server::from_command(command)
}

fn configuration(own_port: u16, [node, redis, postgres]: &[String; 3], almanac_port: u16) -> String {
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - {{job_name: prometheus, static_configs: [{{targets: ['127.0.0.1:{own_port}']}}]}}
  - {{job_name: node, static_configs: [{{targets: ['{node}']}}]}}
  - {{job_name: redis, static_configs: [{{targets: ['{redis}']}}]}}
  - {{job_name: postgres, static_configs: [{{targets: ['{postgres}']}}]}}
remote_write:
  - url: http://127.0.0.1:{almanac_port}/api/v1/write
    queue_config: {{batch_send_deadline: 300ms, min_backoff: 30ms, max_backoff: 300ms}}
"
    )
}

/// Waits until Prometheus has delivered everything up to `time_ms`.
fn wait_for_delivery(prometheus: &Prometheus, time_ms: i64) {
    for _ in 0..200 {
        let delivered = prometheus.own_metric("prometheus_remote_storage_queue_highest_sent_timestamp_seconds");
        #[expect(clippy::cast_precision_loss, reason = "epoch seconds")]
        if delivered > time_ms as f64 / 1000.0 + 1.0 {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("Prometheus has not delivered what it scraped");
}

/// Returns every stored sample of every series up to `end_ms`.
fn raw(url: &str, end_ms: i64) -> BTreeMap<Labels, Vec<(i64, f64)>> {
    instant(url, "{__name__!=\"\"}[5m]", end_ms).series()
}

fn compare(scraped: &BTreeMap<Labels, Vec<(i64, f64)>>, forwarded: &BTreeMap<Labels, Vec<(i64, f64)>>) {
    for (labels, samples) in scraped {
        let other = forwarded.get(labels).unwrap_or_else(|| panic!("series {labels:?} is missing"));
        let bits = |samples: &[(i64, f64)]| -> Vec<(i64, u64)> {
            samples.iter().map(|(time, value)| (*time, if value.is_nan() { 0 } else { value.to_bits() })).collect()
        };
        assert_eq!(bits(samples), bits(other), "samples of {labels:?}");
    }
    assert_eq!(scraped.len(), forwarded.len(), "series that Prometheus does not have");
}
