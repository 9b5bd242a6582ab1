//! Prints the demo's cards: one for each recommendation, with the figures of its replay.

use std::io::{self, Write};

use almanac_engine::store::rows::{AdviceState, AdviceStatusRow, RecommendationRow};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use serde_json::Value;

use super::time_scale::TimeScale;

/// Width of the text, in characters.
const WIDTH: u16 = 100;
/// Table preset of comfy-table: a line under the header, no other lines.
const PRESET: &str = "     ──            ";

/// Builds the table of a recommendation's replay.
type Figures = fn(&RecommendationRow, TimeScale) -> Table;

/// Tables by kind; other kinds show the current and the proposed setting.
const FIGURES: [(&str, Figures); 4] =
    [("scaling", scaling), ("rightsizing", rightsizing), ("ttl", ttl), ("threshold", threshold)];

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
    let figures = FIGURES.iter().find(|(kind, _)| *kind == row.kind.as_str()).map_or(settings as Figures, |own| own.1);
    let table = figures(row, scale);
    writeln!(out, "{table}")?;
    let effect = &row.effect;
    // A rate per week counts weeks of the recording's short days.
    let (factor, unit) = match effect.unit.as_str() {
        "1/week" => (1.0 / scale.speed(), " per week of short days"),
        "1" => (100.0, " %"),
        other => (1.0, other),
    };
    writeln!(
        out,
        "  predicted {}: {}{unit} [{} to {}, {:.0} % interval]; confidence {:.2}; {}",
        effect.metric.replace('_', " "),
        number(effect.value * factor),
        number(effect.lower * factor),
        number(effect.upper * factor),
        effect.level * 100.0,
        row.confidence,
        row.patch.format,
    )?;
    writeln!(out)
}

/// Prints the targets without a recommendation, with the reasons.
pub(super) fn others(out: &mut impl Write, statuses: &[&AdviceStatusRow]) -> io::Result<()> {
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

/// Builds a table with the first column left-aligned and the others right-aligned.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(PRESET).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().enumerate().map(|(idx, text)| aligned(idx, text)));
    for row in rows {
        table.add_row(row.iter().enumerate().map(|(idx, text)| aligned(idx, text)));
    }
    table
}

fn aligned(column: usize, text: &str) -> Cell {
    Cell::new(text).set_alignment(if column == 0 { CellAlignment::Left } else { CellAlignment::Right })
}

/// Shows the current and the proposed setting.
fn settings(row: &RecommendationRow, _: TimeScale) -> Table {
    let line = |what: &str, setting: &Value| vec![what.to_owned(), setting.to_string()];
    table(&["", "setting"], vec![line("current", &row.current), line("recommended", &row.proposed)])
}

/// Compares the policies of a scaling replay.
fn scaling(row: &RecommendationRow, scale: TimeScale) -> Table {
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
    table(&header, rows.collect())
}

/// Compares the rules of a rightsizing replay.
fn rightsizing(row: &RecommendationRow, _: TimeScale) -> Table {
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
    table(&header, rows.collect())
}

/// Compares the current and the recommended time-to-live on the events that were not used to learn.
fn ttl(row: &RecommendationRow, scale: TimeScale) -> Table {
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
    table(&header, vec![line("current", &row.current), line("recommended", &row.proposed)])
}

/// Compares the current and the recommended rule on the later half of the data.
fn threshold(row: &RecommendationRow, scale: TimeScale) -> Table {
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

/// Formats a number with about three digits.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    let digits = if !(1e-12..100.0).contains(&magnitude) {
        0
    } else if magnitude >= 10.0 {
        1
    } else if magnitude >= 0.1 {
        2
    } else {
        4
    };
    format!("{value:.digits$}")
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

fn percent(share: &Value) -> String {
    share.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", share * 100.0))
}

fn percent_digits(share: &Value) -> String {
    share.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.2}", share * 100.0))
}

/// Prints text wrapped at [`WIDTH`] and indented by two.
pub(super) fn paragraph(out: &mut impl Write, text: &str) -> io::Result<()> {
    let mut line = String::from(" ");
    // No line break between a number and its percent sign.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" %", "\u{a0}%");
    for word in text.split(' ').map(|word| word.replace('\u{a0}', " ")) {
        if line.chars().count() + 1 + word.chars().count() > usize::from(WIDTH) && line.len() > 1 {
            writeln!(out, "{line}")?;
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(&word);
    }
    writeln!(out, "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        let mut out = Vec::new();
        paragraph(&mut out, &"word ".repeat(30)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert_eq!(text.split_whitespace().count(), 30);
    }

    #[test]
    fn numbers_keep_three_digits() {
        let texts = [1234.51, 12.34, 1.234, 0.0123, 0.0].map(number);
        assert_eq!(texts, ["1235", "12.3", "1.23", "0.0123", "0"]);
        assert_eq!(bound("sum(x) / sum(y) > 0.05"), "> 0.05");
        assert_eq!(bound("x < 1.9749999999999988"), "< 1.975");
    }
}
