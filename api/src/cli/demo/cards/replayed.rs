//! Tables of recommendations that were replayed on recorded data: scaling, rightsizing, times-to-live, thresholds.

use almanac_engine::store::rows::RecommendationRow;
use serde_json::Value;

use super::text::{number, optional, percent, percent_digits, table};
use crate::cli::demo::time_scale::TimeScale;

/// Compares the policies of a scaling replay.
pub(super) fn scaling(row: &RecommendationRow, scale: TimeScale) -> String {
    let policies = row.evidence["policies"].as_object().cloned().unwrap_or_default();
    let rows = policies.iter().map(|(name, figures)| {
        let hours = figures["replica_hours"].as_f64().map(|hours| hours * scale.speed());
        vec![
            name.replace('_', " "),
            percent(&figures["under_provisioned_share"]),
            percent(&figures["unserved_share"]),
            hours.map_or_else(|| "–".to_owned(), number),
            optional(figures["replica_hours_over_oracle"].as_f64()),
            optional(figures["scale_changes_per_day"].as_f64().map(|changes| changes / scale.speed())),
        ]
    });
    let header = ["replayed policy", "under-provisioned", "unserved", "replica-hours", "÷ oracle", "changes per day"];
    table(&header, rows.collect()).to_string()
}

/// Compares the rules of a rightsizing replay.
pub(super) fn rightsizing(row: &RecommendationRow, _: TimeScale) -> String {
    let evidence = &row.evidence;
    let rules = evidence["rules"].as_object().cloned().unwrap_or_default();
    let rows = rules.iter().filter(|(_, figures)| figures.is_object()).map(|(name, figures)| {
        let whole = figures["request_mean"].as_f64().zip(evidence["rules"]["leading"]["request_mean"].as_f64());
        vec![
            name.clone(),
            percent(&figures["idle_share"]),
            percent(&figures["above_share"]),
            percent(&figures["unserved_share"]),
            optional(whole.map(|(mean, ours)| mean / ours)),
            optional(figures["changes_per_day"].as_f64()),
        ]
    });
    let header = ["replayed rule", "idle", "time above", "usage above", "request ÷ leading", "changes per day"];
    table(&header, rows.collect()).to_string()
}

/// Compares the current and the recommended time-to-live on the events that were not used to learn.
pub(super) fn ttl(row: &RecommendationRow, scale: TimeScale) -> String {
    let figures = |setting: &Value| {
        let wanted = setting["ttl_seconds"].as_f64()?;
        if setting["invalidate_on_write"] == true {
            return Some((wanted, row.evidence["replay"]["gains"]["invalidate_on_write"].clone()));
        }
        let ttls = row.evidence["replay"]["ttls"].as_array()?;
        let close = |ttl: &&Value| ttl["ttl_seconds"].as_f64().is_some_and(|ttl| (ttl - wanted).abs() < 1e-9);
        Some((wanted, ttls.iter().find(close)?.clone()))
    };
    let line = |what: &str, setting: &Value| {
        let Some((seconds, figures)) = figures(setting) else { return vec![what.to_owned(); 1] };
        let figure = |name: &str| {
            let predicted = &figures[name]["predicted"];
            let (lower, upper) = (percent_digits(&predicted["lower"]), percent_digits(&predicted["upper"]));
            format!("{} [{lower} to {upper}]", percent(&figures[name]["replayed"]))
        };
        vec![
            what.to_owned(),
            format!("{} s = {} real time", number(seconds), scale.real_time(seconds)),
            figure("hit_ratio"),
            figure("stale_share"),
            optional(figures["resident_keys_mean"]["replayed"].as_f64()),
        ]
    };
    let header = ["", "time-to-live", "hits, replayed [predicted]", "stale, replayed [predicted]", "keys held"];
    table(&header, vec![line("current", &row.current), line("recommended", &row.proposed)]).to_string()
}

/// Compares the current and the recommended rule on the later half of the data.
pub(super) fn threshold(row: &RecommendationRow, scale: TimeScale) -> String {
    let line = |what: &str, setting: &Value, figures: &Value| {
        let weekly = |name: &str| optional(figures[name].as_f64().map(|count| count / scale.speed()));
        let caught = match (figures["incidents_caught"].as_u64(), figures["incidents"].as_u64()) {
            (Some(caught), Some(all)) => format!("{caught} of {all}"),
            _ => "–".to_owned(),
        };
        let lead =
            figures["median_lead_seconds"].as_f64().map_or_else(|| "–".to_owned(), |lead| format!("{lead:.0} s"));
        vec![
            what.to_owned(),
            bound(setting["expr"].as_str().unwrap_or_default()),
            setting["for"].as_str().unwrap_or("0s").to_owned(),
            caught,
            weekly("alerts_per_week"),
            weekly("false_alerts_per_week"),
            percent(&figures["false_time_share"]),
            lead,
        ]
    };
    let header =
        ["", "fires when", "for", "incidents caught", "alerts per week", "false per week", "false time", "lead"];
    table(
        &header,
        vec![
            line("current", &row.current, &row.evidence["present"]),
            line("recommended", &row.proposed, &row.evidence["recommended"]),
        ],
    )
    .to_string()
}

/// Returns the comparison at the end of an expression, with the bound rounded to four decimals: `> 0.5`.
fn bound(expr: &str) -> String {
    let at = expr.rfind(['>', '<']).unwrap_or(0);
    let (comparison, value) = expr[at..].split_once(' ').unwrap_or((&expr[at..], ""));
    match value.trim().parse::<f64>() {
        Ok(value) => format!("{comparison} {}", (value * 1e4).round() / 1e4),
        Err(_) => expr[at..].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn bounds_are_rounded() {
        assert_eq!(bound("sum(x) / sum(y) > 0.05"), "> 0.05");
        assert_eq!(bound("x < 1.9749999999999988"), "< 1.975");
    }
}
