//! What the service has learned, as parts of every dashboard: expected bands, forecasts, anomalies, expected breaches,
//! recommendations, and annotations.

use serde_json::{Value, json};

use super::{
    panel::Panel,
    query::{Rows, infinity, number, text, time},
};

/// Parameters of the dashboard's span.
const FROM: (&str, &str) = ("from", "${__timeFrom}");
const TO: (&str, &str) = ("to", "${__timeTo}");
/// The selected signals, separated by commas.
const SIGNALS: (&str, &str) = ("signal", "${signal:csv}");
/// States of recommendations that are neither over nor dismissed.
const CURRENT: (&str, &str) = ("state", "proposed,accepted,applied,verified,regressed");

/// Returns a chart for each selected signal: value, expected band, anomalies and forecast.
pub(super) fn bands() -> Panel {
    let scored = Rows::new(
        "/v1/anomalies",
        &[("signal", "${signal}"), ("min_score", "0"), FROM, TO],
        &[
            time("time", "time"),
            number("value", "value"),
            number("yhat", "expected"),
            number("yhat_lower", "band lower"),
            number("yhat_upper", "band upper"),
        ],
    );
    let anomalies = Rows::new(
        "/v1/anomalies",
        &[("signal", "${signal}"), FROM, TO],
        &[time("time", "time"), number("value", "anomaly")],
    );
    // Without an end: the forecast is also read when the dashboard's span ends in the past.
    let forecast = Rows::new(
        "/v1/forecasts",
        &[("signal", "${signal}"), ("from", "now")],
        &[
            time("time", "time"),
            number("yhat", "forecast"),
            number("yhat_lower_95", "forecast lower"),
            number("yhat_upper_95", "forecast upper"),
        ],
    );
    let about = "The measured value, the band in which it was expected, anomalies outside of the band, and the forecast \
                 with its 95 % interval. The forecast is visible if the dashboard's span ends after the present.";
    let queries = vec![scored.series(), anomalies.series(), forecast.series()];
    let mut panel =
        Panel::chart("$signal", "short", queries).about(about).size(12, 8).any_minimum().repeat("signal", 2);
    let line = |name: &'static str, color: &str, width: u32| {
        vec![
            ("displayName", json!(name)),
            ("color", fixed(color)),
            ("custom.lineWidth", json!(width)),
            ("custom.fillOpacity", json!(0)),
        ]
    };
    for (name, color, width) in [("value", "blue", 1), ("expected", "green", 1), ("forecast", "purple", 2)] {
        panel = panel.field(name, &line(name, color, width));
    }
    for (lower, upper, color) in [("band lower", "band upper", "green"), ("forecast lower", "forecast upper", "purple")]
    {
        panel = panel.field(lower, &line(lower, color, 0));
        let mut properties = line(upper, color, 0);
        properties.extend([("custom.fillBelowTo", json!(lower)), ("custom.fillOpacity", json!(12))]);
        panel = panel.field(upper, &properties);
    }
    let mut points = line("anomaly", "red", 0);
    points.extend([
        ("custom.drawStyle", json!("points")),
        ("custom.showPoints", json!("always")),
        ("custom.pointSize", json!(7)),
    ]);
    panel.field("anomaly", &points)
}

/// Returns the table of the anomalies of the selected signals.
pub(super) fn anomalies() -> Panel {
    let rows = Rows::new(
        "/v1/anomalies",
        &[SIGNALS, FROM, TO],
        &[
            time("time", "Time"),
            text("signal", "Signal"),
            number("score", "Score"),
            number("value", "Value"),
            number("yhat", "Expected"),
            number("yhat_lower", "Lower"),
            number("yhat_upper", "Upper"),
            text("kind", "Kind"),
        ],
    );
    Panel::table("Anomalies", &rows)
        .about("Points of the selected signals outside of their band. The score is the distance from the centre of the band in half-widths.")
        .size(12, 8)
}

/// Returns the table of groups of coinciding anomalies.
pub(super) fn suspected() -> Panel {
    let rows = Rows::new(
        "/v1/suspected_incidents",
        &[FROM, TO],
        &[
            time("time", "Start"),
            time("time_end", "End"),
            text("first_mover", "First mover"),
            number("confidence", "Confidence"),
            text("signals", "Signals"),
            number("peak", "Peak score"),
        ],
    );
    Panel::table("Suspected incidents", &rows)
        .about("Anomalies that coincide, and the signal that most likely deviated first.")
        .field("Confidence", &[("unit", json!("percentunit"))])
        .size(12, 8)
}

/// Returns the table of alerting rules whose signals trend towards their bounds.
pub(super) fn breaches() -> Panel {
    let rows = Rows::new(
        "/v1/breaches",
        &[],
        &[
            text("alert", "Alert"),
            time("time", "Expected"),
            time("earliest", "Earliest"),
            time("latest", "Latest"),
            number("slope_per_day", "Change per day"),
            text("element", "Series"),
            text("expr", "Expression"),
        ],
    );
    Panel::table("Time to breach", &rows)
        .about(
            "When the peaks of a signal pass the bound of its alerting rule if the trend continues, with a 95 % interval. \
             The rules are those of alerts.rule_files.",
        )
        .field("Expected", &[("unit", json!("dateTimeFromNow"))])
        .size(24, 7)
}

/// Returns the table of current recommendations.
pub(super) fn recommended() -> Panel {
    let rows = Rows::new(
        "/v1/recommendations",
        &[CURRENT],
        &[
            text("kind", "Kind"),
            text("target", "Target"),
            text("reason", "Recommended"),
            text("state", "State"),
            number("confidence", "Confidence"),
            text("effect.metric", "Effect"),
            number("effect.value", "Predicted"),
            number("effect.lower", "Lower"),
            number("effect.upper", "Upper"),
            time("created_at", "Since"),
            text("id", "Id"),
        ],
    )
    .root("recommendations");
    Panel::table("Recommended", &rows)
        .about("Every recommendation that is not over, with its predicted effect. Its patch and evidence are at /v1/recommendations/ID.")
        .field("Recommended", &[("custom.width", json!(620)), ("custom.cellOptions", json!({ "type": "auto", "wrapText": true }))])
        .field("Confidence", &[("unit", json!("percentunit"))])
        .size(24, 9)
}

/// Returns the table of replicas and requests: now and recommended.
pub(super) fn capacity() -> Panel {
    let rows = Rows::new(
        "/v1/recommendations",
        &[("kind", "scaling,rightsizing"), CURRENT],
        &[
            text("target", "Target"),
            number("current.replicas", "Replicas now"),
            number("proposed.replicas", "Replicas recommended"),
            text("current.quantity", "Request now"),
            text("proposed.quantity", "Request recommended"),
            number("confidence", "Confidence"),
            text("reason", "Reason"),
        ],
    )
    .root("recommendations");
    Panel::table("Recommended replicas and requests", &rows)
        .about("Replicas of workloads and requests of containers. A missing present request is unknown.")
        .field("Confidence", &[("unit", json!("percentunit"))])
        .field("Reason", &[("custom.width", json!(620))])
        .size(24, 7)
}

/// Returns the table of the verdict on each target, also where nothing is recommended.
pub(super) fn advice() -> Panel {
    let rows = Rows::new(
        "/v1/advice",
        &[],
        &[
            text("kind", "Kind"),
            text("target", "Target"),
            text("state", "Verdict"),
            text("reason", "Reason"),
            time("updated_at", "Decided"),
        ],
    )
    .root("advice");
    Panel::table("Verdicts", &rows)
        .about("The verdict of each advisor on each target: proposed, kept (the present setting is as good), or lacks (something is missing).")
        .field("Reason", &[("custom.width", json!(820))])
        .size(24, 8)
}

/// Returns the annotations of every dashboard.
pub(super) fn annotations() -> Vec<Value> {
    let built_in = json!({
        "builtIn": 1, "datasource": { "type": "grafana", "uid": "-- Grafana --" }, "enable": true, "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
    });
    let own = [
        (
            "Anomalies",
            "red",
            Rows::new(
                "/v1/anomalies",
                &[SIGNALS, FROM, TO],
                &[time("time", "time"), text("signal", "title"), text("score", "text"), text("kind", "tags")],
            ),
        ),
        (
            "Deploys",
            "blue",
            Rows::new(
                "/v1/deploys",
                &[FROM, TO],
                &[time("time", "time"), text("service", "title"), text("version", "text")],
            ),
        ),
        (
            "Incidents",
            "orange",
            Rows::new(
                "/v1/incidents",
                &[("verdict", "real"), FROM, TO],
                &[time("time", "time"), time("time_end", "timeEnd"), text("target", "tags"), text("title", "text")],
            ),
        ),
        (
            "Recommendations",
            "purple",
            Rows::new(
                "/v1/recommendations",
                &[("since", "${__timeFrom}"), CURRENT],
                &[time("created_at", "time"), text("target", "title"), text("reason", "text"), text("kind", "tags")],
            )
            .root("recommendations"),
        ),
    ];
    let own = own.into_iter().map(|(name, color, rows)| {
        let mut target = rows.table();
        target["refId"] = "Anno".into();
        json!({
            "name": name, "datasource": infinity(), "enable": true, "hide": false, "iconColor": color, "target": target,
        })
    });
    std::iter::once(built_in).chain(own).collect()
}

fn fixed(color: &str) -> Value {
    json!({ "mode": "fixed", "fixedColor": color })
}
