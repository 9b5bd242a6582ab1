//! Renders the results of the bench as `docs/performance.md`.

use std::fmt;

use almanac_api::grouped;

use super::{
    learning::Learning,
    profile::{Profile, QUERY_RATIO, RESTART},
    queries::Query,
    run::Outcome,
    stream::Shape,
    system::System,
};
use crate::document::{Table, number};

/// Results of one stream: a table for each number of connections.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Measured stream.
    pub(super) profile: Profile,
    /// Size of the stream, which is smaller in a quick run.
    pub(super) shape: Shape,
    /// Number of runs of each system; the tables show medians.
    pub(super) runs: usize,
    /// Number of connections, and the results of all systems.
    pub(super) tables: Vec<(usize, Vec<Outcome>)>,
}

/// Document of the bench, in Markdown.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// Measured commit.
    pub(super) commit: String,
    /// Day of the run.
    pub(super) date: String,
    /// Duration of the whole run in minutes.
    pub(super) minutes: f64,
    /// Cores of the machine.
    pub(super) cores: usize,
    /// Whether small streams were measured once.
    pub(super) quick: bool,
    /// Names and versions of the measured systems.
    pub(super) systems: Vec<String>,
    /// Systems that are not installed.
    pub(super) absent: Vec<System>,
    /// Results by stream.
    pub(super) sections: Vec<Section>,
    /// Memory with learning, if it was measured.
    pub(super) learning: Option<Learning>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Performance\n")?;
        writeln!(
            f,
            "`make bench` wrote this on {} from commit {}, in {:.0} minutes, on {} cores that server and sender share. Measured in one run: {}.\n",
            self.date,
            self.commit,
            self.minutes,
            self.cores,
            self.systems.join(", ")
        )?;
        if self.quick {
            writeln!(
                f,
                "QUICK run: small streams, each measured once. The figures show the format; they are no measurement.\n"
            )?;
        }
        for system in &self.absent {
            writeln!(f, "{} is not installed, so that its columns are left out.\n", system.name())?;
        }
        writeln!(f, "{METHOD}")?;
        self.sections.iter().try_for_each(|section| write!(f, "\n{section}"))?;
        self.learning.iter().try_for_each(|learning| write!(f, "\n{learning}"))?;
        writeln!(
            f,
            "\n## More\n\n[The soak](measured/soak.md) has memory and disk over time, and [the faults](measured/faults.md) what is left after kills at random points."
        )
    }
}

/// How the figures came about, and what is unlike.
const METHOD: &str = "\
Each system gets the same stream by remote write 1.0: series of ten labels, one sample per TimeSeries entry, 40 % whole counters, 15 % counters of two decimals, 15 % bytes, 10 % gauges
of two decimals, 10 % random doubles, 10 % constants. No connection leads another by more than half an hour of samples. Runs of the systems alternate, each on an empty folder. Then follow:

- **Queries** through the API of Prometheus, without compression of answers: the median of seven. Before the kill, a second or more after the last acknowledgement, since VictoriaMetrics shows samples that late; and after
  the merge. Answers are checked to be complete, and one sum to be
  the same in all systems.
- **Kill and restart**: a further twentieth of the stream is sent (in the tables with a merge at least fifteen seconds later, since VictoriaMetrics writes to disk after up to ten), and `kill -9` follows the last
  acknowledgement at once. The restart ends with the first answer to a query (`vector(1)`); `count_over_time` counts the
  samples then.
- **Merge**: Almanac compacts (`/v1/admin/compact`), VictoriaMetrics merges (`/internal/force_merge`), Prometheus writes a snapshot, in which its head is a block too. Then each is stopped and started again.
- **Bytes per sample**: the whole file and log of Almanac; the data folder of VictoriaMetrics without its caches; the blocks of Prometheus' snapshot, without its write-ahead log, which keeps the last hours again.

What is unlike:

- Almanac acknowledges a sample after it is flushed to disk (fsync). VictoriaMetrics and Prometheus acknowledge before; what they lose at a kill is the row of missing samples, at a power cut it can be more: up to some
  seconds in VictoriaMetrics, and in Prometheus whatever the kernel had not written.
- VictoriaMetrics runs with `-search.disableCache`, since its cache of answers would answer repeated queries, and with a retention and limits that admit the stream. Prometheus has its default block of two hours, and
  room for a stream of any age. Everything else is each system's default.
- Processor time counts up to the last acknowledgement. Almanac and VictoriaMetrics compress most of the stream in the merge, Prometheus while it receives.
- Almanac keeps hourly rollups in its file; the other two have none.
- The versions of the other two are those of the distribution, not their newest.

`wanted` has the project's goals for Almanac. A latency is also wanted to be at most 1.5 times that of VictoriaMetrics.";

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.shape;
        writeln!(f, "## {}\n", self.profile.title)?;
        let runs = if self.runs == 1 { "One run".to_owned() } else { format!("Medians of {} runs", self.runs) };
        writeln!(
            f,
            "{} series, {} samples each at a step of 10 s, {} samples per request. {runs}.",
            grouped(shape.series as u64),
            grouped(shape.steps as u64),
            grouped(shape.request as u64),
        )?;
        for (idx, (connections, outcomes)) in self.tables.iter().enumerate() {
            write!(f, "\n{}", table(&self.profile, shape, *connections, outcomes, idx == 0))?;
        }
        Ok(())
    }
}

/// Returns the table of one number of connections. `is_first`: whether the wanted figures are of this number.
fn table(profile: &Profile, shape: Shape, connections: usize, outcomes: &[Outcome], is_first: bool) -> Table {
    let wanted = if is_first { profile.wanted } else { super::profile::Wanted::default() };
    let mut rows = Rows::new(&format!("{connections} connections"), outcomes);
    rows.add(
        "samples/s acknowledged",
        0,
        |o| o.samples_per_second,
        |value, _| wanted.samples_per_second.map(|least| at_least(value, least)),
    );
    rows.add("acknowledgement p50, ms", 1, |o| o.ack_p50 * 1e3, |_, _| None);
    rows.add("acknowledgement p99, ms", 1, |o| o.ack_p99 * 1e3, |_, _| None);
    rows.add("server CPU s per million samples", 2, |o| o.cpu_per_million, |_, _| None);
    rows.add(
        "peak memory during ingest, MiB",
        0,
        |o| o.peak_mib,
        |value, _| wanted.peak_mib.map(|most| at_most(value, most, 0)),
    );
    rows.add("restart after kill -9, ms", 0, |o| o.restart * 1e3, |value, _| Some(at_most(value, RESTART * 1e3, 0)));
    rows.add("acknowledged samples missing then", 0, |o| o.lost, |value, _| Some(at_most(value, 0.0, 0)));
    if !is_first {
        return rows.table;
    }
    rows.add("merge of the whole stream, ms", 0, |o| o.merge * 1e3, |_, _| None);
    rows.add(
        "bytes per sample on disk after the merge",
        2,
        |o| o.bytes_per_sample,
        |value, _| wanted.bytes_per_sample.map(|most| at_most(value, most, 2)),
    );
    if outcomes.iter().any(|outcome| outcome.fresh.is_empty()) {
        return rows.table;
    }
    for (idx, query) in Query::ALL.into_iter().enumerate() {
        let most = match query {
            Query::Raw => wanted.raw,
            Query::Last => wanted.last,
            _ => None,
        };
        let judge = |value: f64, ratio: Option<f64>| {
            let mut limits: Vec<(String, bool)> = Vec::new();
            limits.extend(most.map(|most| (format!("< {} ms", number(most * 1e3, 0)), value < most * 1e3)));
            limits.extend(ratio.map(|ratio| (format!("≤ {QUERY_RATIO} times"), ratio <= QUERY_RATIO)));
            judged(&limits)
        };
        let name = query.describe(shape);
        rows.add(&format!("{name}, ms: before"), 2, |o| o.fresh[idx] * 1e3, judge);
        rows.add("… after the merge", 2, |o| o.merged[idx] * 1e3, judge);
    }
    rows.table
}

/// Table with a column for each system, the ratio and what is wanted.
struct Rows<'a> {
    outcomes: &'a [Outcome],
    table: Table,
}

impl<'a> Rows<'a> {
    fn new(title: &str, outcomes: &'a [Outcome]) -> Self {
        let mut header = vec![title];
        header.extend(outcomes.iter().map(|outcome| outcome.system.name()));
        if has_ratio(outcomes) {
            header.push("Almanac / VictoriaMetrics");
        }
        header.push("wanted");
        Self { outcomes, table: Table::new(&header) }
    }

    /// Adds a row; `judge` gets Almanac's value and the ratio, if there is one.
    fn add(
        &mut self,
        name: &str,
        digits: usize,
        value: impl Fn(&Outcome) -> f64,
        judge: impl Fn(f64, Option<f64>) -> Option<String>,
    ) {
        let of = |system: System| self.outcomes.iter().find(|outcome| outcome.system == system).map(&value);
        let ratio = of(System::Almanac).zip(of(System::VictoriaMetrics)).map(|(ours, theirs)| ours / theirs);
        let mut cells = vec![name.to_owned()];
        cells.extend(self.outcomes.iter().map(|outcome| cell(value(outcome), digits)));
        if has_ratio(self.outcomes) {
            cells.push(number(ratio, 2));
        }
        cells.push(of(System::Almanac).and_then(|ours| judge(ours, ratio)).unwrap_or_default());
        self.table.row(cells);
    }
}

fn has_ratio(outcomes: &[Outcome]) -> bool {
    [System::Almanac, System::VictoriaMetrics].iter().all(|one| outcomes.iter().any(|outcome| outcome.system == *one))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a large, positive number")]
fn cell(value: f64, digits: usize) -> String {
    if digits == 0 && (1e3..1e15).contains(&value) { grouped(value.round() as u64) } else { number(value, digits) }
}

/// Returns a lower limit, and whether the value meets it.
fn at_least(value: f64, least: f64) -> String {
    judged(&[(format!("≥ {}", cell(least, 0)), value >= least)]).unwrap_or_default()
}

/// Returns an upper limit, and whether the value meets it.
pub(super) fn at_most(value: f64, most: f64, digits: usize) -> String {
    judged(&[(format!("≤ {}", cell(most, digits)), value <= most)]).unwrap_or_default()
}

fn judged(limits: &[(String, bool)]) -> Option<String> {
    let text: Vec<String> =
        limits.iter().map(|(limit, met)| format!("{limit}: {}", if *met { "met" } else { "**missed**" })).collect();
    (!text.is_empty()).then(|| text.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_judged() {
        assert_eq!(at_least(1.3e6, 1.2e6), "≥ 1,200,000: met");
        assert_eq!(at_most(1.77, 1.76, 2), "≤ 1.76: **missed**");
        assert_eq!(at_most(f64::NAN, 1.0, 0), "≤ 1: **missed**");
        assert_eq!(judged(&[]), None);
    }
}
