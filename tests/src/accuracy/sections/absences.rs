//! Anomalies by absence, on series from seeds: a recurring job that does not run, counts that stop, long outages offline.

use std::error::Error;
use std::ops::Range;

use almanac_engine::{
    calendar::Calendar,
    learn::{Training, score_rows},
};

use super::synthetic::{counts, noise, pick};
use crate::accuracy::scorers::events::alarms;
use crate::document::{Settings, Table, each, number};

const SEEDS: u64 = 20;
const DAY_MINUTES: usize = 1_440;
const WEEK_MINUTES: f64 = 10_080.0;
/// Called rows less than this far apart are one alarm, or less than two steps where those are longer.
const JOIN_MS: i64 = 600_000;
/// Level of the series with jobs and height of a job above it, in standard deviations of the noise.
const BASE: f64 = 20.0;
const HEIGHT: f64 = 60.0;
/// Minutes of a step, minutes of the job, days with the job before the day without it.
const JOBS: [(usize, usize, usize); 8] =
    [(1, 5, 7), (1, 10, 7), (1, 60, 7), (5, 5, 7), (5, 30, 7), (5, 30, 21), (15, 15, 7), (15, 60, 7)];
/// Steps, and minutes at shorter steps, after a job within which its absence may be called.
const LATE: usize = 3;
const LATE_MINUTES: usize = 10;
/// Minutes of a step, mean of a step, size of the gamma variable (none: Poisson), minutes without an event.
const OUTAGES: [(usize, f64, Option<f64>, usize); 10] = [
    (1, 50.0, None, 60),
    (1, 50.0, Some(5.0), 60),
    (1, 4.0, None, 60),
    (1, 0.3, None, 300),
    (5, 50.0, Some(5.0), 60),
    (5, 12.0, Some(2.0), 120),
    (5, 4.0, None, 300),
    (5, 4.0, Some(2.0), 300),
    (5, 1.0, None, 300),
    (5, 0.3, None, 1_440),
];
/// Rows of the fault in the series that are judged offline.
const FAULTS: [(&str, usize); 7] = [
    ("zero", 12),
    ("zero", 60),
    ("zero", 288),
    ("one value repeated", 60),
    ("one value repeated", 288),
    ("level higher to the end", 600),
    ("ramp, nothing wrong", 0),
];
const OFFLINE_ROWS: usize = 4_032;

/// What was called in one series.
struct Called {
    /// Rows from the first of the fault to the first called one.
    delay: Option<usize>,
    /// Share of the rows of the fault that are called.
    share: f64,
    /// Alarms that touch no row of the fault.
    false_alarms: usize,
}

impl Called {
    /// Scores `y` and compares the rows from `from` on with the rows of the fault.
    fn of(y: &[f64], step_ms: i64, training: Training, from: usize, fault: Range<usize>) -> Self {
        let timestamps: Vec<i64> = (0..).map(|k: i64| k * step_ms).take(y.len()).collect();
        let called: Vec<bool> = score_rows(&timestamps, y, training, &Calendar::default())
            .iter()
            .enumerate()
            .map(|(row, scored)| row >= from && scored.score > 1.0)
            .collect();
        let hits = called[fault.clone()].iter().filter(|hit| **hit).count();
        let found = alarms(&timestamps, &called, JOIN_MS.max(2 * step_ms));
        Self {
            delay: called[fault.clone()].iter().position(|hit| *hit),
            share: hits as f64 / fault.len().max(1) as f64,
            false_alarms: found.iter().filter(|(first, last)| *last < fault.start || *first >= fault.end).count(),
        }
    }
}

/// Sums over the series of one row of a table.
struct Sums<'a>(&'a [Called]);

impl Sums<'_> {
    fn found(&self) -> String {
        let found = self.0.iter().filter(|one| one.delay.is_some()).count();
        format!("{found} of {}", self.0.len())
    }

    /// Median over the series in which the fault was called.
    fn delay_minutes(&self, step: usize) -> Option<f64> {
        let delays: Vec<f64> = self.0.iter().filter_map(|one| one.delay).map(|rows| (rows * step) as f64).collect();
        almanac_models::stats::median(&delays)
    }

    fn share(&self) -> f64 {
        100.0 * self.0.iter().map(|one| one.share).sum::<f64>() / self.0.len().max(1) as f64
    }

    fn false_alarms(&self) -> usize {
        self.0.iter().map(|one| one.false_alarms).sum()
    }

    fn false_alarms_a_week(&self, minutes: usize) -> f64 {
        self.false_alarms() as f64 / self.0.len().max(1) as f64 * WEEK_MINUTES / minutes as f64
    }
}

/// Absent jobs and absent counts as the detector of the service scores them, and long faults as the offline one does.
///
/// # Errors
/// When a series cannot be made.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let seeds: Vec<u64> = (0..if settings.quick { 4 } else { SEEDS }).collect();
    Ok(format!(
        "## Anomalies: what does not happen\n\n\
         Series from seeds, {} a row, one fault each.\n\n\
         A daily job of {HEIGHT} above {BASE} with noise of 1, at a time of day that the seed chooses, does not run on the last day\n\
         (causal). The delay is from the job's first row, and may reach three\n\
         steps past its last, when it cannot come late any more; false alarms are counted from the fifth day on.\n\n{}\n\
         Independent counts, Poisson or negative binomial, fall silent after two weeks (causal). The delay is from the first row\n\
         without an event; chance alone gives such a silence hardly ever once it has lasted for the mean's 10 events. False alarms\n\
         are counted from the third day on.\n\n{}\n\
         Two weeks of five minutes with a daily season of 8 and noise of 1 around 50, judged as a whole (offline).\n\n{}",
        seeds.len(),
        jobs(settings, &seeds)?,
        outages(settings, &seeds)?,
        offline(settings, &seeds)?,
    ))
}

fn jobs(settings: &Settings, seeds: &[u64]) -> Result<Table, String> {
    let header = ["step", "job", "days known", "absence called", "delay, minutes", "false alarms a week"];
    let mut table = Table::new(&header);
    for (minutes, long, days) in JOBS {
        let (day, width) = (DAY_MINUTES / minutes, (long / minutes).max(1));
        let late = LATE.max(LATE_MINUTES / minutes);
        let done = each("absent jobs", seeds, settings.threads, |seed| {
            let mut y = noise(*seed, (days + 1) * day, 1.0)?;
            y.iter_mut().for_each(|v| *v += BASE);
            let at = 2 + pick(seed + 1_000, day - width - late - 2);
            for d in 0..days {
                y[d * day + at..d * day + at + width].iter_mut().for_each(|v| *v += HEIGHT);
            }
            // A job may come a little late: its absence is known once it cannot come any more.
            let fault = days * day + at..days * day + at + width + late;
            Ok::<_, String>(Called::of(&y, step_ms(minutes), Training::Online, 4 * day, fault))
        });
        let all = done.results.into_iter().collect::<Result<Vec<_>, _>>()?;
        let sums = Sums(&all);
        table.row([
            format!("{minutes} min"),
            format!("{long} min"),
            days.to_string(),
            sums.found(),
            number(sums.delay_minutes(minutes), 0),
            format!("{:.2}", sums.false_alarms_a_week((days + 1 - 4) * DAY_MINUTES)),
        ]);
    }
    Ok(table)
}

fn outages(settings: &Settings, seeds: &[u64]) -> Result<Table, String> {
    let header = [
        "step",
        "mean a step",
        "variance over mean",
        "silence",
        "called",
        "delay, minutes",
        "rows called, %",
        "false alarms a week",
    ];
    let mut table = Table::new(&header);
    for (minutes, mean, size, long) in OUTAGES {
        let (day, width) = (DAY_MINUTES / minutes, long / minutes);
        let done = each("silent counts", seeds, settings.threads, |seed| {
            let mut y = counts(*seed, 14 * day + 2 * width, mean, size)?;
            let fault = 14 * day..14 * day + width;
            y[fault.clone()].fill(0.0);
            Ok::<_, String>(Called::of(&y, step_ms(minutes), Training::Online, 2 * day, fault))
        });
        let all = done.results.into_iter().collect::<Result<Vec<_>, _>>()?;
        let sums = Sums(&all);
        table.row([
            format!("{minutes} min"),
            format!("{mean}"),
            format!("{:.2}", size.map_or(1.0, |size| 1.0 + mean / size)),
            format!("{long} min"),
            sums.found(),
            number(sums.delay_minutes(minutes), 0),
            format!("{:.0}", sums.share()),
            format!("{:.2}", sums.false_alarms_a_week(12 * DAY_MINUTES)),
        ]);
    }
    Ok(table)
}

fn offline(settings: &Settings, seeds: &[u64]) -> Result<Table, String> {
    let mut table = Table::new(&["fault", "rows", "found", "rows called, %", "false alarms in all"]);
    for (name, rows) in FAULTS {
        let done = each("offline", seeds, settings.threads, |seed| {
            let mut y = noise(*seed, OFFLINE_ROWS, 1.0)?;
            for (t, v) in y.iter_mut().enumerate() {
                *v += if name.starts_with("ramp") {
                    50.0 + 0.05 * t as f64
                } else {
                    50.0 + 8.0 * (t as f64 / 288.0 * std::f64::consts::TAU).sin()
                };
            }
            let start =
                if name.ends_with("to the end") { OFFLINE_ROWS - rows } else { 1_000 + pick(seed + 2_000, 2_000) };
            let fault = start..start + rows;
            match name {
                "zero" => y[fault.clone()].fill(0.0),
                "one value repeated" => {
                    let value = y[start];
                    y[fault.clone()].fill(value);
                }
                "level higher to the end" => y[fault.clone()].iter_mut().for_each(|v| *v += 30.0),
                _ => {}
            }
            Ok::<_, String>(Called::of(&y, step_ms(5), Training::Offline, 0, fault))
        });
        let all = done.results.into_iter().collect::<Result<Vec<_>, _>>()?;
        let sums = Sums(&all);
        let (found, share) =
            if rows > 0 { (sums.found(), format!("{:.0}", sums.share())) } else { ("–".into(), "–".into()) };
        table.row([name.to_owned(), rows.to_string(), found, share, sums.false_alarms().to_string()]);
    }
    Ok(table)
}

fn step_ms(minutes: usize) -> i64 {
    i64::try_from(minutes).unwrap_or(1) * 60_000
}
