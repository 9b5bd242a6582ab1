//! The dashboard "User experience": page load and vitals, calls, error boundaries, session length, with forecasts.

use serde_json::Value;

use super::{
    board::{Board, Section},
    learned,
    panel::Panel,
    query::{promql, quantile},
    variable,
};

/// A vital: title, metric without its prefix, unit, and the bounds of "needs improvement" and "poor".
type Vital = (&'static str, &'static str, &'static str, f64, f64);

/// The vitals with their published bounds; time to interactive has the application's target.
const VITALS: [Vital; 6] = [
    ("Largest contentful paint", "vitals_lcp_seconds", "s", 2.5, 4.0),
    ("Interaction to next paint", "vitals_inp_seconds", "s", 0.2, 0.5),
    ("Cumulative layout shift", "vitals_cls", "none", 0.1, 0.25),
    ("First contentful paint", "vitals_fcp_seconds", "s", 1.8, 3.0),
    ("Time to first byte", "vitals_ttfb_seconds", "s", 0.8, 1.8),
    ("Time to interactive", "time_to_interactive_seconds", "s", 3.0, 7.3),
];

/// Returns the dashboard.
pub(super) fn board() -> Board {
    Board {
        uid: "almanac-experience",
        title: "User experience",
        about: "Page load, web vitals, calls, error boundaries and sessions in browsers, with forecasts and recommendations.",
        variables: vec![
            variable::textbox("prefix", "Prefix of metrics", "web"),
            variable::textbox("selector", "Labels", ""),
            variable::signals(&[
                "web_page_load",
                "web_lcp",
                "web_call_failures",
                "web_error_boundaries",
                "web_session",
            ]),
        ],
        sections: vec![
            Section { title: "Web vitals now, 75th percentile", panels: VITALS.iter().map(vital).collect() },
            Section { title: "Page load, calls, errors, sessions", panels: pages() },
            Section {
                title: "Expected, unusual and forecast",
                panels: vec![learned::bands(), learned::anomalies(), learned::suspected()],
            },
            Section { title: "Recommended", panels: vec![learned::breaches(), learned::recommended()] },
        ],
    }
}

/// Returns the query of a quantile of a browser's metric.
fn browser(q: &str, metric: &str, legend: &str) -> Value {
    promql(&quantile(q, &format!("${{prefix}}_{metric}"), "$selector", ""), legend)
}

/// Returns the query of the largest value of a browser's gauge.
fn largest(metric: &str, legend: &str) -> Value {
    promql(&format!("max(${{prefix}}_{metric}{{$selector}})"), legend)
}

fn vital(&(title, metric, unit, good, poor): &Vital) -> Panel {
    Panel::stat(title, unit, vec![browser("0.75", metric, title)])
        .bounds(&[("green", None), ("orange", Some(good)), ("red", Some(poor))])
        .about(&format!("Good up to {good}, poor from {poor}."))
        .size(4, 4)
}

fn pages() -> Vec<Panel> {
    let seconds = VITALS.iter().filter(|vital| vital.2 == "s").map(|vital| browser("0.75", vital.1, vital.0));
    vec![
        Panel::chart("Page load", "s", vec![browser("0.75", "page_load_seconds", "p75")]).size(8, 8),
        Panel::chart("Web vitals, p75", "s", seconds.collect()).size(8, 8),
        Panel::chart("Cumulative layout shift, p75", "none", vec![browser("0.75", "vitals_cls", "p75")])
            .bounds(&[("green", None), ("orange", Some(0.1)), ("red", Some(0.25))])
            .size(8, 8),
        Panel::chart(
            "Successful calls",
            "percentunit",
            vec![promql("1 - max(${prefix}_call_failure_ratio{$selector})", "success")],
        )
        .about("Share of the browsers' calls that succeed.")
        .any_minimum()
        .max(1.0)
        .size(6, 8),
        Panel::chart("Error boundaries", "short", vec![largest("error_boundaries_per_minute", "per minute")])
            .about("Errors per minute that an error boundary of the page caught.")
            .size(6, 8),
        Panel::chart("Session length", "s", vec![browser("0.5", "session_seconds", "median")]).size(6, 8),
        Panel::chart("Bundle size", "bytes", vec![largest("bundle_bytes", "bundle")])
            .about("Target: below 500 KB. The warning fires at 20 % more than a day before.")
            .bounds(&[("green", None), ("orange", Some(500_000.0))])
            .size(6, 8),
    ]
}
