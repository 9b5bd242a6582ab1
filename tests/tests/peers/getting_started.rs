//! Follows `docs/getting-started.md` with a real Prometheus, up to a learned signal.

use super::{browser::install_browser, harness::follow_getting_started};

#[test]
fn the_page_leads_from_prometheus_to_a_learned_signal() {
    let ended = follow_getting_started(Some(install_browser().trim()));
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{stdout}\n{stderr}");
    // What `check-config` says, the state of the signal, its forecasts in the format of the HTTP API, and the page of the
    // signal in a browser, where a script draws the chart.
    for part in [
        "prometheus_cpu_cores: evaluates ",
        "prometheus_cpu_cores,ready",
        "\"signal\":\"prometheus_cpu_cores\"",
        "<title>prometheus_cpu_cores · Almanac</title>",
        "<canvas",
        "<title>Overview · Almanac</title>",
    ] {
        assert!(stdout.contains(part), "{part:?} is missing in\n{stdout}\n{stderr}");
    }
}
