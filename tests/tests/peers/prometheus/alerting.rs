//! Rules that the service evaluates: their alerts reach a real Alertmanager, and end there.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use serde_json::Value;

use crate::{
    harness::{Server, almanac},
    process::{Peer, client, free_ports},
};

const RULES: &str = "groups:
- name: shop
  interval: 1s
  rules:
  - record: job:queue_depth:max
    expr: max by (job) (queue_depth)
  - alert: QueueDeep
    expr: job:queue_depth:max > 100
    for: 2s
    labels: {severity: page}
    annotations: {summary: '{{ $labels.job }} has {{ $value | humanize }} messages'}
";

/// Starts an Alertmanager that sends nothing on.
fn alertmanager(folder: &Path) -> (Peer, String) {
    let [port] = free_ports();
    let file = folder.join("alertmanager.yml");
    fs::write(&file, "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
    let mut command = Command::new("prometheus-alertmanager");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("alertmanager-data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=");
    let mut peer = Peer::start(folder, "alertmanager", command);
    let url = format!("http://127.0.0.1:{port}");
    peer.wait_for(&format!("{url}/-/ready"));
    (peer, url)
}

fn alerts(url: &str) -> Vec<Value> {
    let answer = client().get(format!("{url}/api/v2/alerts")).send().unwrap();
    serde_json::from_str(&answer.text().unwrap()).unwrap()
}

/// Sends the depth of the queue, now.
fn send(service: &Server, depth: u32) {
    let now = chrono::Utc::now().timestamp_millis();
    let body = format!("queue_depth{{job=\"mail\"}} {depth} {now}\n");
    let reply = service.post("/v1/import", "text/plain; version=0.0.4", body);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn alerts_reach_an_alertmanager_and_end_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (receiver, url) = alertmanager(folder);
    fs::write(folder.join("rules.yml"), RULES).unwrap();
    let config = format!("[alerts]\nrule_files = [\"rules.yml\"]\nevaluate = true\nalertmanagers = [\"{url}\"]\n");
    fs::write(folder.join("almanac.toml"), config).unwrap();
    let mut command = almanac(folder);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config", "almanac.toml"]);
    let service = Server::from_command(command);
    let mut seen = None;
    for _ in 0..60 {
        send(&service, 150);
        thread::sleep(Duration::from_millis(500));
        seen = alerts(&url).pop();
        if seen.is_some() {
            break;
        }
    }
    let alert = seen.expect("the Alertmanager has the alert");
    assert_eq!(alert["labels"]["alertname"], "QueueDeep");
    assert_eq!(alert["labels"]["severity"], "page");
    assert_eq!(alert["annotations"]["summary"], "mail has 150 messages");

    let rules = service.get("/api/v1/rules").json();
    let group = &rules["data"]["groups"][0];
    assert_eq!((group["name"].as_str(), group["rules"].as_array().unwrap().len()), (Some("shop"), 2), "{rules}");
    assert_eq!(group["rules"][1]["state"], "firing", "{rules}");
    assert_eq!(service.get("/api/v1/alerts").json()["data"]["alerts"][0]["value"], "1.5e+02");
    let managers = service.get("/api/v1/alertmanagers").json();
    assert_eq!(managers["data"]["activeAlertmanagers"][0]["url"], format!("{url}/api/v2/alerts"));

    let mut left = 1;
    for _ in 0..60 {
        send(&service, 5);
        thread::sleep(Duration::from_millis(500));
        left = alerts(&url).len();
        if left == 0 {
            break;
        }
    }
    assert_eq!(left, 0, "{:?}", alerts(&url));
    // What the rules wrote is stored, with the states of the alert.
    let now = chrono::Utc::now().timestamp_millis();
    let query = |expr: &str| service.get(&format!("/api/v1/query?query={expr}&time={}", now / 1000)).json();
    assert_eq!(query("job:queue_depth:max")["data"]["result"][0]["value"][1], "5");
    let states = query("count_over_time(ALERTS%5B2m%5D)");
    assert_eq!(states["data"]["result"].as_array().unwrap().len(), 2, "{states}");
    receiver.stop();
    assert!(service.stop().success());
}
