//! Renders a soak as `docs/measured/soak.md`.

use std::fmt;

use super::{
    flat::Growth,
    probe::{QUANTITIES, Sample},
    run::Outcome,
};
use crate::document::{Table, number};

/// Most rows of the table of samples in the document.
const ROWS: usize = 24;

/// A soak with its verdicts.
#[derive(Debug)]
pub(super) struct Report {
    /// Measured commit.
    pub(super) commit: String,
    /// Day of the run.
    pub(super) date: String,
    pub(super) cores: usize,
    pub(super) minutes: f64,
    /// Number of series that are alive at once.
    pub(super) series: u64,
    /// Whether the run is too short for the document.
    pub(super) is_short: bool,
    pub(super) outcome: Outcome,
    pub(super) growth: Vec<Growth>,
    /// What failed, a line each.
    pub(super) failures: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commit, date, cores, minutes, series, outcome, .. } = self;
        let Outcome { raw_s, samples, .. } = outcome;
        writeln!(f, "# Soak\n")?;
        writeln!(
            f,
            "`make soak MINUTES={minutes:.0}` wrote this on {date} from commit {commit}, on {cores} cores that the service and its clients share.\n"
        )?;
        if self.is_short {
            writeln!(f, "SHORT run: it shows the format; whether the service stays flat needs an hour.\n")?;
        }
        writeln!(
            f,
            "The real service, everything at once: {series} samples a second by remote write, of {series} series that are alive at once; every 10 s a tenth of the series ends with a\n\
             stale marker and is replaced, two series in turn for each. The service scrapes itself each second, looks for work of compaction and retention every 2 s, and does a full compaction 5 s\n\
             after the last one (by itself it leaves samples of the last two hours as they are). It keeps samples for {raw_s} s and the rest for {} s, chooses and fits signals of steps of\n\
             one second again and again, and advises every 5 s. One reader each asks by PromQL, by SQL and for advice, with 0.3 s between questions, and 20 cache events a second arrive.\n",
            2 * raw_s
        )?;
        if !self.failures.is_empty() {
            writeln!(f, "**The run failed:**\n")?;
            self.failures.iter().try_for_each(|failure| writeln!(f, "- {failure}"))?;
            writeln!(f)?;
        }
        writeln!(f, "## Growth\n")?;
        writeln!(
            f,
            "Theil–Sen slope over the second half of the run, per hour, with its 95 % interval, which takes the samples, ten seconds apart, as independent. A growth above the bound is an error; in a run of less than four\n\
             retentions, or before every series was there, nothing is judged, since the service still fills up.\n"
        )?;
        let mut table =
            Table::new(&["quantity", "unit", "median", "growth per hour", "95 % interval", "bound", "verdict"]);
        for growth in &self.growth {
            let digits = growth.quantity.digits;
            let trend = growth.per_hour;
            let interval = trend.map_or_else(String::new, |trend| {
                format!("{} to {}", number(trend.lower, digits), number(trend.upper, digits))
            });
            table.row([
                growth.quantity.name.to_owned(),
                growth.quantity.unit.to_owned(),
                number(growth.median, digits),
                number(trend.map(|trend| trend.slope), digits),
                interval,
                number(growth.bound, digits),
                growth.verdict.describe().to_owned(),
            ]);
        }
        writeln!(f, "{table}")?;
        match &outcome.compared {
            Ok(compared) => writeln!(
                f,
                "At the end the store has what was acknowledged within its retention: {} samples of {} series are equal, bit by bit, SQL counts {} samples of all, and none is left that expired a minute before.\n",
                compared.samples, compared.slots, compared.counted
            )?,
            Err(_) => writeln!(f, "At the end the store differs from what was acknowledged, see above.\n")?,
        }
        writeln!(f, "## What ran\n")?;
        let mut table = Table::new(&["what", "count"]);
        outcome.ran.iter().for_each(|(name, count)| table.row([name.clone(), number(*count, 0)]));
        writeln!(f, "{table}\n## Samples of the run\n")?;
        write!(f, "{}", series_table(samples, ROWS))
    }
}

/// Returns at most `rows` of the samples, evenly spaced, with the last one.
pub(super) fn series_table(samples: &[Sample], rows: usize) -> Table {
    let name = |idx: usize| format!("{}, {}", QUANTITIES[idx].name, QUANTITIES[idx].unit);
    let mut header = vec!["s".to_owned()];
    header.extend((0..QUANTITIES.len()).map(name));
    header.push("errors".to_owned());
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = Table::new(&header);
    let step = samples.len().div_ceil(rows.max(1)).max(1);
    for sample in samples.iter().rev().step_by(step).collect::<Vec<_>>().into_iter().rev() {
        let mut cells = vec![number(sample.seconds, 0)];
        cells.extend(sample.values.iter().zip(QUANTITIES).map(|(value, of)| number(*value, of.digits)));
        cells.push(sample.errors.to_string());
        table.row(cells);
    }
    table
}
