//! Measures forecasts of daily jobs: the error of their height, and coverage at their steps.

use std::error::Error;

use super::synthetic::{Inside, forecast, noise, pick};
use crate::document::{Settings, Table, each};

const SEEDS: u64 = 20;
const DAY_MINUTES: usize = 1_440;
const BASE: f64 = 20.0;
const HEIGHT: f64 = 60.0;
/// Minutes per step, duration of the job in minutes, days of history, whether the job may start a step early or late.
const RULES: [(usize, usize, usize, bool); 8] = [
    (5, 5, 7, false),
    (5, 5, 21, false),
    (5, 30, 7, false),
    (5, 30, 21, false),
    (1, 10, 7, false),
    (15, 60, 7, false),
    (5, 5, 21, true),
    (5, 30, 21, true),
];

/// Measures forecasts of random daily jobs.
///
/// # Errors
/// When a series cannot be generated or forecast.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let seeds: Vec<u64> = (0..if settings.quick { 4 } else { SEEDS }).collect();
    let header =
        ["step", "job", "days known", "starts", "error of the height, %", "inside 50 %", "inside 80 %", "inside 95 %"];
    let mut table = Table::new(&header);
    for (minutes, long, days, jitters) in RULES {
        let day = DAY_MINUTES / minutes;
        let width = (long / minutes).max(1);
        let done = each("recurring jobs", &seeds, settings.threads, |seed| {
            let mut y = noise(*seed, (days + 1) * day, 1.0)?;
            y.iter_mut().for_each(|v| *v += BASE);
            let at = 2 + pick(seed + 1_000, day - width - 4);
            for d in 0..=days {
                let moved = if jitters { pick(seed * 100 + d as u64, 3) } else { 1 };
                let start = d * day + at + moved - 1;
                y[start..start + width].iter_mut().for_each(|v| *v += HEIGHT);
            }
            let found = forecast(&y[..days * day], i64::try_from(minutes).unwrap_or(1) * 60_000, day)?;
            let error = (at..at + width).map(|k| (found.point[k] - BASE - HEIGHT).abs()).sum::<f64>() / width as f64;
            let mut inside = Inside::default();
            inside.take(&found, &y[days * day..], at - 1..at + width + 1);
            Ok::<_, String>((error / HEIGHT, inside))
        });
        let all = done.results.into_iter().collect::<Result<Vec<_>, _>>()?;
        let error = 100.0 * all.iter().map(|one| one.0).sum::<f64>() / all.len() as f64;
        let inside = all.iter().map(|one| one.1).fold(Inside::default(), Inside::and);
        let error = if jitters { "–".to_owned() } else { format!("{error:.1}") };
        let starts = if jitters { "± a step" } else { "on time" };
        let head = [format!("{minutes} min"), format!("{long} min"), days.to_string(), starts.to_owned(), error];
        table.row(head.into_iter().chain(inside.cells()));
    }
    Ok(format!(
        "## Forecasts: recurring jobs\n\n\
         A job a day of {HEIGHT} above {BASE} with noise of 1, at a time of day that the seed chooses, {} series a row. Shares inside are\n\
         those of the job's steps and of one before and after it.\n\n{table}",
        seeds.len()
    ))
}
