//! Prints measurements as text, JSON or YAML.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use almanac_engine::advise::database::verify::{Comparison, Report};
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::{Value, json};

use super::command::Measured;
use crate::cli::{CliError, output, store::recommend::Format};

/// Width of the table in characters when the width of the terminal is unknown.
const WIDTH: u16 = 120;
/// Characters of a statement that are shown.
const STATEMENT: usize = 160;

/// Prints measurements.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn print(measured: &[Measured], format: Format) -> Result<(), CliError> {
    let mut out = output::stdout();
    match format {
        Format::Table => {
            for (subject, result) in measured {
                let text = match result {
                    Ok(report) => render(report),
                    Err(error) => format!("{}: not measured: {error}\n", subject.id),
                };
                writeln!(out, "{text}")?;
            }
            out.write_all(summary(measured).as_bytes())?;
        }
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &bodies(measured)).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Yaml => {
            let yaml = serde_saphyr::to_string(&bodies(measured)).map_err(|error| CliError::from_error(&error))?;
            out.write_all(yaml.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(())
}

fn bodies(measured: &[Measured]) -> Vec<Value> {
    let body = |(subject, result): &Measured| match result {
        Ok(report) => serde_json::to_value(report).unwrap_or_default(),
        Err(error) => json!({"id": subject.id, "target": subject.target, "error": error.to_string()}),
    };
    measured.iter().map(body).collect()
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    let verdict = if report.conclusion.confirmed { "confirmed" } else { "not confirmed" };
    let _ = writeln!(text, "{}: {verdict}, {}", report.id, report.conclusion.text);
    let _ = writeln!(text, "    {};", report.change);
    if let Some(build) = &report.build {
        let time = build.seconds.map_or_else(|| "was there".to_owned(), |seconds| format!("built in {seconds:.2} s"));
        let extension = build.extension.as_ref().map(|name| format!(", with the extension {name}")).unwrap_or_default();
        let _ = writeln!(text, "    {time}, {:.1} MiB{extension}", build.bytes / 1_048_576.0);
    }
    if !report.statements.is_empty() {
        let _ = writeln!(text, "{}", table(report));
        for statement in &report.statements {
            let short: String = statement.statement.chars().take(STATEMENT).collect();
            let _ = writeln!(text, "    {}: {short}\n        {}", statement.family, statement.plan_change);
        }
    }
    for skipped in &report.skipped {
        let _ = writeln!(text, "    {} is not measured: {}", skipped.family, skipped.reason);
    }
    if let Some(results) = &report.results {
        let equal = results.compared - results.different.min(results.compared);
        let _ = writeln!(
            text,
            "    the results are equal for {equal} of {} sets of values, with {} rows",
            results.compared, results.rows
        );
    }
    if let Some(other) = &report.difference {
        let _ = writeln!(
            text,
            "    {} would return other rows for {} of {} sets of values: {} of {} rows are missing, {} others are there",
            other.statement, other.different, other.compared, other.missing, other.rows, other.further
        );
    }
    if let Some(writes) = &report.writes {
        let _ = writeln!(
            text,
            "    an inserted row takes {:.1} µs before and {:.1} µs after ({} rows a round, {})",
            writes.before_us,
            writes.after_us,
            writes.rows,
            ratio(&writes.comparison)
        );
    }
    if let Some(planner) = &report.planner {
        let _ = writeln!(
            text,
            "    the planner expects costs of {:.0} instead of {:.0}, and uses the index in {} statements (HypoPG)",
            planner.cost_after, planner.cost_before, planner.uses
        );
    }
    if let Some(prediction) = &report.prediction {
        let factor = prediction.factor.map_or_else(|| "none".to_owned(), |factor| format!("{factor:.2}"));
        let _ = writeln!(
            text,
            "    predicted to save {:.0} % of the statements' time, measured {:.0} %: predicted/measured {factor}",
            prediction.predicted_share * 100.0,
            prediction.measured_share * 100.0
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "    {note}");
    }
    if report.kept {
        let _ = writeln!(text, "    The change is left in the copy.");
    }
    text
}

fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(["statement", "before ms", "after ms", "ratio (80 %)", "blocks", "rows", "verdict"]);
    for statement in &report.statements {
        let found = &statement.comparison;
        table.add_row([
            statement.family.clone(),
            format!("{:.3}", found.before_ms),
            format!("{:.3}", found.after_ms),
            ratio(found),
            format!("{:.0} → {:.0}", statement.before.blocks, statement.after.blocks),
            format!("{:.0}", statement.after.rows),
            found.outcome.as_str().to_owned(),
        ]);
    }
    table
}

fn ratio(found: &Comparison) -> String {
    format!("{:.3} ({:.3} to {:.3})", found.ratio, found.lower, found.upper)
}

fn summary(measured: &[Measured]) -> String {
    let reports: Vec<&Report> = measured.iter().filter_map(|(_, result)| result.as_ref().ok()).collect();
    let confirmed = reports.iter().filter(|report| report.conclusion.confirmed).count();
    let predictions: Vec<bool> =
        reports.iter().filter_map(|report| Some(report.prediction.as_ref()?.is_good)).collect();
    let good = predictions.iter().filter(|good| **good).count();
    format!(
        "{confirmed} of {} measured recommendations are confirmed; {good} of {} predictions are within a factor of 1.5\n",
        reports.len(),
        predictions.len()
    )
}
