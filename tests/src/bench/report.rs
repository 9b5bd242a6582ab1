use std::fmt;

use super::Outcome;

/// The tables of a bench, in Markdown.
#[derive(Debug, Clone)]
pub struct Report {
    /// One column for each number of connections.
    pub outcomes: Vec<Outcome>,
    /// Cores of the machine.
    pub cores: usize,
    /// Runs of which the medians are shown.
    pub runs: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let samples = self.outcomes.first().map_or(0, |outcome| outcome.samples);
        writeln!(f, "# Ingest and queries\n")?;
        writeln!(
            f,
            "`make bench` wrote this: the real server on {} cores shared with the sender, remote write 1.0, {samples} samples of\n\
             4,000 series at a step of 10 s, ten labels, one sample to a TimeSeries entry, 2,000 samples a request. Values: 40 %\n\
             whole counters, 15 % counters of two decimals, 15 % bytes, 10 % gauges of two decimals, 10 % random doubles, 10 %\n\
             constants. Acknowledged means committed on disk. Medians of {} runs, each on an empty store.\n",
            self.cores, self.runs
        )?;
        self.row(f, "connections", |o| o.connections.to_string())?;
        writeln!(f, "|---|{}", "---:|".repeat(self.outcomes.len()))?;
        let ms = |time: std::time::Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        self.row(f, "samples/s acknowledged", |o| format!("{:.0}", o.samples_per_second))?;
        self.row(f, "acknowledgement p50, ms", |o| ms(o.ack_p50))?;
        self.row(f, "acknowledgement p99, ms", |o| ms(o.ack_p99))?;
        self.row(f, "server CPU s per million samples", |o| format!("{:.2}", o.cpu_per_million))?;
        self.row(f, "peak memory, MiB", |o| format!("{:.0}", o.peak_mib))?;
        self.row(f, "bytes a sample on disk after compaction", |o| format!("{:.2}", o.bytes_per_sample))?;
        self.row(f, "compaction of the whole stream, ms", |o| ms(o.compaction))?;
        let questions = self.outcomes.first().map_or(0, |outcome| outcome.fresh.len());
        for idx in 0..questions {
            let name = self.outcomes.first().map_or("", |outcome| outcome.fresh[idx].0);
            self.row(f, &format!("{name}, ms: fresh / compacted"), |o| {
                format!("{} / {}", ms(o.fresh[idx].1), ms(o.compacted[idx].1))
            })?;
        }
        Ok(())
    }
}

impl Report {
    fn row(&self, f: &mut fmt::Formatter<'_>, name: &str, cell: impl Fn(&Outcome) -> String) -> fmt::Result {
        let cells: Vec<String> = self.outcomes.iter().map(cell).collect();
        writeln!(f, "| {name} | {} |", cells.join(" | "))
    }
}
