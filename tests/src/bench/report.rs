//! Renders the results of the bench as `docs/measured/ingest.md`.

use std::{fmt, time::Duration};

use super::{Outcome, Shape, queries::range_ms};

/// Results of one stream: a column for each number of connections.
#[derive(Debug, Clone)]
pub struct Section {
    /// Title of the stream.
    pub title: String,
    /// Size of the stream.
    pub shape: Shape,
    /// Number of runs; the tables show medians.
    pub runs: usize,
    /// Results by number of connections.
    pub outcomes: Vec<Outcome>,
}

/// Document of the bench, in Markdown.
#[derive(Debug, Clone)]
pub struct Report {
    /// Cores of the machine.
    pub cores: usize,
    /// Results by stream.
    pub sections: Vec<Section>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Ingest and queries\n")?;
        writeln!(
            f,
            "`make bench` wrote this: the real server on {} cores shared with the sender, remote write 1.0, a step of 10 s, ten labels,\n\
             one sample per TimeSeries entry. Values: 40 % whole counters, 15 % counters of two decimals, 15 % bytes, 10 % gauges of\n\
             two decimals, 10 % random doubles, 10 % constants. Acknowledged means committed on disk. Each run starts with an empty store and\n\
             ends with `kill -9`; the restart is timed until `/readyz` answers, and every acknowledged sample must be there. Bytes per\n\
             sample count the whole file: samples, rollups, series.",
            self.cores
        )?;
        self.sections.iter().try_for_each(|section| write!(f, "{section}"))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.shape;
        writeln!(f, "\n## {}\n", self.title)?;
        writeln!(
            f,
            "{} series, {} samples each, {} samples per request. {}.\n",
            shape.series,
            shape.steps,
            shape.request,
            if self.runs == 1 { "One run".to_owned() } else { format!("Medians of {} runs", self.runs) }
        )?;
        self.row(f, "connections", |o| o.connections.to_string())?;
        writeln!(f, "|---|{}", "---:|".repeat(self.outcomes.len()))?;
        self.row(f, "samples/s acknowledged", |o| format!("{:.0}", o.samples_per_second))?;
        self.row(f, "acknowledgement p50, ms", |o| ms(o.ack_p50))?;
        self.row(f, "acknowledgement p99, ms", |o| ms(o.ack_p99))?;
        self.row(f, "server CPU s per million samples", |o| format!("{:.2}", o.cpu_per_million))?;
        self.row(f, "peak memory, MiB", |o| format!("{:.0}", o.peak_mib))?;
        self.row(f, "restart after kill -9, ms", |o| ms(o.restart))?;
        self.row(f, "compaction of the whole stream, ms", |o| ms(o.compaction))?;
        self.row(f, "bytes per sample on disk after compaction", |o| format!("{:.2}", o.bytes_per_sample))?;
        let n_queries = self.outcomes.first().map_or(0, |outcome| outcome.fresh.len());
        for idx in 0..n_queries {
            let name = self.outcomes.first().map_or("", |outcome| outcome.fresh[idx].0);
            let name = name.replace("range", &duration(range_ms(shape)));
            self.row(f, &format!("{name}, ms: fresh / compacted"), |o| {
                format!("{} / {}", ms(o.fresh[idx].1), ms(o.compacted[idx].1))
            })?;
        }
        Ok(())
    }
}

impl Section {
    fn row(&self, f: &mut fmt::Formatter<'_>, name: &str, cell: impl Fn(&Outcome) -> String) -> fmt::Result {
        let cells: Vec<String> = self.outcomes.iter().map(cell).collect();
        writeln!(f, "| {name} | {} |", cells.join(" | "))
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

fn duration(ms: i64) -> String {
    if ms >= 3_600_000 { format!("{} h", ms / 3_600_000) } else { format!("{} s", ms / 1000) }
}
