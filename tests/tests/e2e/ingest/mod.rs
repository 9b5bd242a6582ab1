//! Ingest of samples and events: acknowledged data are stored, invalid data are rejected with a reason.

mod busy;
mod crash;
mod events;
mod files;
mod full_disk;
mod native;
mod proto;
pub(crate) mod read;
mod remote_write;
mod scrape;
mod stamps;

use serde_json::{Value, json};

use crate::harness::Server;

/// Returns the body of a remote write of one series.
pub(crate) fn write_request(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
    proto::request(vec![proto::series(labels, samples)])
}

/// Returns every sample around 1970 of the selected series as sorted `[series, epoch milliseconds, value]`.
fn samples_of(server: &Server, selector: &str) -> Value {
    let query = [("query", format!("{selector}[10y]")), ("time", "100000".to_owned())];
    let reply = server.send(server.request("GET", "/api/v1/query").query(&query));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut rows = Vec::new();
    for series in reply.json()["data"]["result"].as_array().unwrap() {
        let labels = series["metric"].as_object().unwrap();
        let rest: Vec<String> = labels
            .iter()
            .filter(|(name, _)| *name != "__name__")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let name = labels["__name__"].as_str().unwrap();
        let name = if rest.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", rest.join(",")) };
        for sample in series["values"].as_array().unwrap() {
            #[expect(clippy::cast_possible_truncation, reason = "around 1970")]
            let millis = (sample[0].as_f64().unwrap() * 1000.0).round() as i64;
            rows.push((name.clone(), millis, sample[1].as_str().unwrap().parse::<f64>().unwrap()));
        }
    }
    rows.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    rows.into_iter().map(|(name, millis, value)| json!([name, millis, value])).collect()
}

/// Returns every sample of the store around 1970.
fn samples(server: &Server) -> Value {
    samples_of(server, "{__name__=~\".+\"}")
}
