//! Prints a card, the recommendations without a card, and the targets without a recommendation.

use std::io::{self, Write};

use almanac_engine::{
    database::memory::about,
    store::rows::{AdviceState, AdviceStatusRow, Effect, RecommendationRow},
};
use serde_json::Value;

use super::{
    database, load, replayed,
    text::{BELOW_LEAST_WAIT, LEAST_WAIT, duration, number, paragraph, table},
};
use crate::cli::demo::time_scale::TimeScale;

/// Formats the figures of a recommendation.
type Figures = fn(&RecommendationRow, TimeScale) -> String;

/// Figures by kind; other kinds show the current and the proposed setting.
const FIGURES: [(&str, Figures); 9] = [
    ("scaling", replayed::scaling),
    ("rightsizing", replayed::rightsizing),
    ("ttl", replayed::ttl),
    ("threshold", replayed::threshold),
    ("index", database::index),
    ("query", database::query),
    ("settings", database::setting),
    ("batch", load::batch),
    ("pool", load::pool),
];

/// Prints one recommendation, headed by the title of its advisor.
pub(crate) fn recommendation(
    out: &mut impl Write,
    title: &str,
    row: &RecommendationRow,
    scale: TimeScale,
) -> io::Result<()> {
    let title = title.to_uppercase();
    writeln!(
        out,
        "── {title} · {} {}",
        row.target,
        "─".repeat(80_usize.saturating_sub(title.chars().count() + row.target.chars().count()))
    )?;
    paragraph(out, &row.reason)?;
    let figures = FIGURES.iter().find(|(kind, _)| *kind == row.kind.as_str()).map_or(setting as Figures, |own| own.1);
    writeln!(out, "{}", figures(row, scale).trim_end_matches('\n'))?;
    writeln!(
        out,
        "  predicted {}; confidence {:.2}; {}",
        predicted(&row.effect, scale),
        row.confidence,
        row.patch.format
    )?;
    writeln!(out)
}

/// Prints a table of the recommendations of an advisor that have no card.
pub(in crate::cli::demo) fn further(
    out: &mut impl Write,
    title: &str,
    rows: &[&RecommendationRow],
    scale: TimeScale,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let lines = rows
        .iter()
        .map(|row| vec![row.target.clone(), predicted(&row.effect, scale), format!("{:.2}", row.confidence)]);
    let head = format!("{title}, further recommendations");
    writeln!(out, "{}\n", table(&[&head, "predicted", "confidence"], lines.collect()))
}

/// Prints the targets without a recommendation, with the reasons.
pub(in crate::cli::demo) fn others(out: &mut impl Write, statuses: &[&AdviceStatusRow]) -> io::Result<()> {
    for (state, head) in
        [(AdviceState::Kept, "Kept unchanged:"), (AdviceState::Lacks, "Without enough data or configuration:")]
    {
        let of_state: Vec<_> = statuses.iter().filter(|status| status.state == state).collect();
        if of_state.is_empty() {
            continue;
        }
        writeln!(out, "{head}")?;
        for AdviceStatusRow { kind, target, reason, .. } in of_state {
            paragraph(out, &format!("- {kind} {target}: {reason}"))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Formats a promise: `statement time saved: 8427 s/day [6733 to 8448, 80 % interval]`.
fn predicted(effect: &Effect, scale: TimeScale) -> String {
    let whole = |unit: &str| -> (Box<dyn Fn(f64) -> String>, String) { (Box::new(number), unit.to_owned()) };
    let (format, unit): (Box<dyn Fn(f64) -> String>, String) = match effect.unit.as_str() {
        // A rate per week counts weeks of the recording's short days.
        "1/week" => (Box::new(move |value| number(value / scale.speed())), " per week of short days".to_owned()),
        "1" if effect.metric.ends_with("connections") => whole(""),
        "1" => (Box::new(|value| number(100.0 * value)), " %".to_owned()),
        "s" => (Box::new(duration), String::new()),
        "bytes" => (Box::new(about), String::new()),
        "bytes/day" => (Box::new(about), " a day".to_owned()),
        other => whole(&format!(" {other}")),
    };
    // These metrics are differences to the present.
    let gained = match effect.metric.as_str() {
        "statement_time" | "temporary_bytes" => " saved",
        "index_size" => " freed",
        _ => "",
    };
    let metric = effect.metric.replace('_', " ");
    // No model of waits is exact enough to promise none.
    if effect.unit == "s" && effect.upper < LEAST_WAIT {
        return format!("{metric}: {BELOW_LEAST_WAIT} [{:.0} % interval]", effect.level * 100.0);
    }
    format!(
        "{metric}{gained}: {}{unit} [{} to {}, {:.0} % interval]",
        format(effect.value),
        format(effect.lower),
        format(effect.upper),
        effect.level * 100.0,
    )
}

/// Shows the current and the proposed setting.
fn setting(row: &RecommendationRow, _: TimeScale) -> String {
    let line = |what: &str, setting: &Value| vec![what.to_owned(), setting.to_string()];
    table(&["", "setting"], vec![line("current", &row.current), line("recommended", &row.proposed)]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_have_their_units() {
        let check = |metric: &str, unit: &str, value: f64, expected: &str| {
            let effect = Effect {
                metric: metric.to_owned(),
                unit: unit.to_owned(),
                value,
                lower: value / 2.0,
                upper: 2.0 * value,
                level: 0.8,
            };
            assert_eq!(predicted(&effect, TimeScale::of_day(600.0)), expected);
        };
        check("statement_time", "s/day", 300.0, "statement time saved: 300 s/day [150 to 600, 80 % interval]");
        check("index_size", "bytes", 2_097_152.0, "index size freed: 2 MB [1 MB to 4 MB, 80 % interval]");
        check(
            "temporary_bytes",
            "bytes/day",
            2_097_152.0,
            "temporary bytes saved: 2 MB a day [1 MB to 4 MB, 80 % interval]",
        );
        check("pool_wait_p95", "s", 0.01, "pool wait p95: 10.0 ms [5.00 ms to 20.0 ms, 80 % interval]");
        check("pool_wait_p95", "s", 0.0, "pool wait p95: less than 0.01 ms [80 % interval]");
        check("pool_idle_connections", "1", 4.0, "pool idle connections: 4.00 [2.00 to 8.00, 80 % interval]");
        check("hit_ratio", "1", 0.5, "hit ratio: 50.0 % [25.0 to 100, 80 % interval]");
        check(
            "alerts_per_week",
            "1/week",
            144.0,
            "alerts per week: 1.00 per week of short days [0.50 to 2.00, 80 % interval]",
        );
    }
}
