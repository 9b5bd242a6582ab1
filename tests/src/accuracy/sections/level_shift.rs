//! Measures intervals after shifts of level and changes of variance.

use std::error::Error;

use super::synthetic::{Inside, forecast, noise};
use crate::document::{Settings, Table, each};

const SEEDS: u64 = 20;
const STEP_MS: i64 = 300_000;
const DAY: usize = 288;
const KNOWN: usize = 14 * DAY;

/// Name, and level and standard deviation at each step.
type Rule = (&'static str, fn(usize) -> (f64, f64));

const RULES: [Rule; 7] = [
    ("up, half way", |t| (if t < KNOWN / 2 { 10.0 } else { 55.0 }, 0.5)),
    ("down, half way", |t| (if t < KNOWN / 2 { 55.0 } else { 10.0 }, 0.5)),
    ("up, eight hours before the end", |t| (if t + 96 < KNOWN { 10.0 } else { 55.0 }, 0.5)),
    ("up, then half back", |t| {
        (
            if t < KNOWN / 3 {
                10.0
            } else if t < 2 * KNOWN / 3 {
                30.0
            } else {
                20.0
            },
            0.5,
        )
    }),
    ("six times the noise", |t| (30.0, if t < KNOWN / 2 { 0.5 } else { 3.0 })),
    ("a sixth of the noise", |t| (30.0, if t < KNOWN / 2 { 3.0 } else { 0.5 })),
    ("up, with four times the noise", |t| if t < KNOWN / 2 { (30.0, 0.5) } else { (60.0, 2.0) }),
];

/// Measures forecasts of random series with a lasting change.
///
/// # Errors
/// When a series cannot be generated or forecast.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let seeds: Vec<u64> = (0..if settings.quick { 4 } else { SEEDS }).collect();
    let header = ["change", "daily season", "95 % width over the ideal", "inside 50 %", "inside 80 %", "inside 95 %"];
    let mut table = Table::new(&header);
    for (name, rule) in RULES {
        for season in [0.0, 8.0] {
            let done = each(name, &seeds, settings.threads, |seed| {
                let unit = noise(*seed, KNOWN + DAY, 1.0)?;
                let value = |t: usize| {
                    let (level, sd) = rule(t.min(KNOWN - 1));
                    level + sd * unit[t] + season * (t as f64 / DAY as f64 * std::f64::consts::TAU).sin()
                };
                let y: Vec<f64> = (0..KNOWN + DAY).map(value).collect();
                let found = forecast(&y[..KNOWN], STEP_MS, DAY)?;
                let mut inside = Inside::default();
                inside.take(&found, &y[KNOWN..], 0..DAY);
                let ends = found.intervals[2].upper.iter().zip(&found.intervals[2].lower);
                Ok::<_, String>((ends.map(|(u, l)| u - l).sum::<f64>() / DAY as f64, inside))
            });
            let all = done.results.into_iter().collect::<Result<Vec<_>, _>>()?;
            // An interval of 3.92 standard deviations contains 95 % of normal noise.
            let ideal = 3.92 * rule(KNOWN - 1).1;
            let width = all.iter().map(|one| one.0).sum::<f64>() / all.len() as f64 / ideal;
            let inside = all.iter().map(|one| one.1).fold(Inside::default(), Inside::and);
            let head = [name.to_owned(), if season > 0.0 { "yes" } else { "no" }.to_owned(), format!("{width:.2}")];
            table.row(head.into_iter().chain(inside.cells()));
        }
    }
    Ok(format!(
        "## Forecasts: after a shift\n\n\
         Two weeks of five minutes from seeds, a day ahead, {} series a row; normal noise around a level that changes for good.\n\n{table}",
        seeds.len()
    ))
}
