//! KEDA's external scaler, called by a client that is generated from its interface.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use almanac_engine::{
    series::{Labels, METRIC_NAME},
    store::{SampleBatch, Store, StoreOptions},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{python, start};
use crate::harness::{Server, almanac, project, run};

const CONFIG: &str = r#"
[learn]
default_signals = 0

[advise]
every = "1h"

[[workload]]
name = "api"
demand = 'demand'
capacity_per_replica = 100
step = "4m"
startup = "12m"

[[workload]]
name = "idle"
demand = 'absent'
capacity_per_replica = 100
"#;

/// Writes a configuration and a store in which replicas of the workload `api` are recommended.
pub(super) fn prepare(folder: &Path) {
    fs::write(folder.join("almanac.toml"), CONFIG).unwrap();
    let store = Store::open(&folder.join("almanac.duckdb"), StoreOptions::default()).unwrap();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let id = store.resolve(&Labels::from_pairs([(METRIC_NAME, "demand")]).unwrap()).unwrap();
    let mut batch = SampleBatch::default();
    for step in 0..21 * 360 {
        let at = now - step * 240_000;
        // Demand that jumps every three hours: a rule that reacts falls short each time.
        let base = if at % 21_600_000 < 10_800_000 { 2_500.0 } else { 300.0 };
        let load = base + (step % 7) as f64 * 5.0;
        batch.push(id, at, load);
    }
    store.append(batch).unwrap().wait().unwrap();
    store.close().unwrap();
    let ended = run(folder, ["recommend"]);
    assert!(ended.code == Some(0) && ended.stdout.contains("scaling-api-1"), "{}\n{}", ended.stdout, ended.stderr);
}

/// The generated client as a process that answers commands.
pub(super) struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    pub(super) fn start(address: &str, ca: Option<&Path>) -> Self {
        let mut command = Command::new(python());
        command.arg(project().join("tests/clients/keda/scaler.py")).arg(address).args(ca);
        command.env("no_proxy", "*").env("GRPC_VERBOSITY", "NONE");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.input, "{command}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} to {command}"))
    }

    pub(super) fn call(&mut self, method: &str, scaler: &Value) -> Value {
        self.ask(&json!({"call": method, "scaler": scaler, "metric": "almanac_recommended_replicas"}))
    }

    fn open(&mut self, method: &str, name: &str, scaler: &Value) {
        self.ask(&json!({"open": method, "as": name, "scaler": scaler}));
    }

    fn read(&mut self, name: &str, seconds: u32) -> Value {
        self.ask(&json!({"read": name, "seconds": seconds}))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `GetMetricSpec` and `StreamMetricSpec` send.
pub(super) fn spec() -> Value {
    json!({"metricSpecs": [{"metricName": "almanac_recommended_replicas", "targetSize": "1", "targetSizeFloat": 1.0}]})
}

fn replicas(server: &Server) -> u64 {
    server.get("/v1/scaling/api").json()["replicas"].as_u64().unwrap()
}

#[test]
fn every_call_of_the_scaler_is_answered() {
    let folder = tempdir().unwrap();
    prepare(folder.path());
    let (server, address) = start(folder.path(), &[]);
    let mut client = Client::start(&address, None);
    let api = json!({"workload": "api", "scalerAddress": address});
    assert_eq!(client.call("GetMetricSpec", &api), spec());
    let expected = replicas(&server);
    assert!(expected > 0);
    let metrics = client.call("GetMetrics", &api);
    let value = json!({"metricName": "almanac_recommended_replicas", "metricValue": expected.to_string(),
        "metricValueFloat": expected as f64});
    assert_eq!(metrics, json!({"metricValues": [value]}));
    assert_eq!(client.call("IsActive", &api), json!({"result": true}));
    client.open("StreamMetricSpec", "specs", &api);
    client.open("StreamIsActive", "active", &api);
    assert_eq!(client.read("specs", 30), spec());
    assert_eq!(client.read("active", 30), json!({"result": true}));
    assert_eq!(client.read("specs", 1), json!({"nothing": true}), "the stream stays open");

    // The metric exists before there is a number; a missing number is an error and not a small number.
    let idle = json!({"workload": "idle"});
    assert_eq!(client.call("GetMetricSpec", &idle), spec());
    for method in ["GetMetrics", "IsActive"] {
        let refused = client.call(method, &idle);
        assert!(refused["error"] == "NOT_FOUND", "{method}: {refused}");
    }
    for (scaler, code, message) in [
        (json!({}), "INVALID_ARGUMENT", "write workload: NAME"),
        (json!({"workload": "other"}), "NOT_FOUND", "no [[workload]] has the name \"other\""),
    ] {
        for method in ["GetMetricSpec", "GetMetrics", "IsActive"] {
            let refused = client.call(method, &scaler);
            assert!(refused["error"] == code && refused["message"].as_str().unwrap().contains(message), "{refused}");
        }
        client.open("StreamMetricSpec", "wrong", &scaler);
        assert_eq!(client.read("wrong", 30)["error"], code);
    }
    let other = client.ask(&json!({"call": "GetMetrics", "scaler": api, "metric": "cpu"}));
    assert_eq!(other["error"], "INVALID_ARGUMENT", "{other}");
    // Both streams end when the service stops.
    assert!(server.stop().success());
    for stream in ["specs", "active"] {
        let end = client.read(stream, 30);
        assert!(end["end"] == true || end["error"] == "UNAVAILABLE", "{end}");
    }
}

#[test]
fn an_autoscaler_keeps_its_metric_over_a_restart() {
    let folder = tempdir().unwrap();
    prepare(folder.path());
    let (server, address) = start(folder.path(), &[]);
    // One channel for everything, as in KEDA; it outlives the service.
    let mut client = Client::start(&address, None);
    let api = json!({"workload": "api"});
    assert_eq!(client.call("GetMetricSpec", &api), spec());
    client.open("StreamMetricSpec", "before", &api);
    assert_eq!(client.read("before", 30), spec());
    let before = client.call("GetMetrics", &api);
    // As in a crash: no stream is ended in order.
    server.kill();
    assert!(client.read("before", 60).get("metricSpecs").is_none());
    let mut command = almanac(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--grpc-listen", &address]);
    let server = Server::from_command(command);
    client.open("StreamMetricSpec", "after", &api);
    client.open("StreamIsActive", "active", &api);
    assert_eq!(client.read("after", 60), spec());
    assert_eq!(client.read("active", 60), json!({"result": true}));
    assert_eq!(client.call("GetMetricSpec", &api), spec());
    let after = client.call("GetMetrics", &api);
    assert_eq!(after["metricValues"][0]["metricName"], before["metricValues"][0]["metricName"]);
    assert_eq!(after["metricValues"][0]["metricValueFloat"], replicas(&server) as f64, "{before} {after}");
}

#[test]
fn a_token_comes_from_the_trigger_or_from_the_metadata() {
    let folder = tempdir().unwrap();
    prepare(folder.path());
    let token = |scope: &str| {
        let ended = run(folder.path(), ["token", "new", "--scope", scope, "--name", scope]);
        ended.stdout.trim().to_owned()
    };
    let (read, ingest) = (token("read"), token("ingest"));
    let (_server, address) = start(folder.path(), &[]);
    let mut client = Client::start(&address, None);
    for scaler in [json!({"workload": "api", "token": read}), json!({"workload": "api", "tokenFromEnv": read})] {
        assert_eq!(client.call("GetMetricSpec", &scaler), spec());
        assert_eq!(client.call("IsActive", &scaler), json!({"result": true}));
        client.open("StreamMetricSpec", "specs", &scaler);
        assert_eq!(client.read("specs", 30), spec());
    }
    let api = json!({"workload": "api"});
    let header =
        json!({"call": "GetMetricSpec", "scaler": api, "headers": {"authorization": format!("Bearer {read}")}});
    assert_eq!(client.ask(&header), spec());
    for (scaler, code) in [
        (api.clone(), "UNAUTHENTICATED"),
        (json!({"workload": "api", "token": "wrong"}), "UNAUTHENTICATED"),
        (json!({"workload": "api", "token": ingest}), "PERMISSION_DENIED"),
    ] {
        for method in ["GetMetricSpec", "GetMetrics", "IsActive"] {
            assert_eq!(client.call(method, &scaler)["error"], code, "{method}");
        }
        client.open("StreamIsActive", "refused", &scaler);
        assert_eq!(client.read("refused", 30)["error"], code);
    }
}
