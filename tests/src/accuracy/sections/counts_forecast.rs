//! Measures forecasts of counts: means, whole quantiles and coverage.

use std::error::Error;

use super::synthetic::{Inside, counts, forecast};
use crate::document::{Settings, Table, each};

const MEANS: [f64; 6] = [0.05, 0.3, 1.0, 4.0, 12.0, 50.0];
const SIZES: [Option<f64>; 3] = [None, Some(2.0), Some(0.7)];
const SEEDS: u64 = 20;
/// Step of five minutes, two weeks of history and a horizon of a day.
const STEP_MS: i64 = 300_000;
const KNOWN: usize = 4_032;
const AHEAD: usize = 288;

/// Measures forecasts of random counts.
///
/// # Errors
/// When a series cannot be generated or forecast.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let seeds: Vec<u64> = (0..if settings.quick { 4 } else { SEEDS }).collect();
    let mut table =
        Table::new(&["mean", "variance over mean", "forecast mean", "inside 50 %", "inside 80 %", "inside 95 %"]);
    for mean in MEANS {
        for size in SIZES {
            let done = each(&format!("counts of {mean}"), &seeds, settings.threads, |seed| {
                let y = counts(*seed, KNOWN + AHEAD, mean, size)?;
                let found = forecast(&y[..KNOWN], STEP_MS, AHEAD)?;
                let mut inside = Inside::default();
                inside.take(&found, &y[KNOWN..], 0..AHEAD);
                Ok::<_, String>((found.point.iter().sum::<f64>() / AHEAD as f64, inside))
            });
            let all = done.results.into_iter().collect::<Result<Vec<_>, _>>()?;
            let point = all.iter().map(|one| one.0).sum::<f64>() / all.len() as f64;
            let inside = all.iter().map(|one| one.1).fold(Inside::default(), Inside::and);
            let dispersion = size.map_or(1.0, |size| 1.0 + mean / size);
            let head = [format!("{mean}"), format!("{dispersion:.2}"), format!("{point:.3}")];
            table.row(head.into_iter().chain(inside.cells()));
        }
    }
    Ok(format!(
        "## Forecasts: counts\n\n\
         Independent counts from seeds, Poisson and negative binomial, two weeks of five minutes, a day ahead, {} series a row.\n\
         Ends of intervals are whole, so that the smallest counts lie inside more often than is promised.\n\n{table}",
        seeds.len()
    ))
}
