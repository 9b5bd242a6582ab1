//! `make bench`: measures ingest and queries of the real server and writes `docs/measured/ingest.md`.
//!
//! `bench-ingest [--streams a,b,day,million] [--runs N] [--output FILE|-]`: N runs of each short stream (default 3),
//! one run of each long one.

use std::{error::Error, fs, path::PathBuf, thread::available_parallelism};

use almanac_tests::bench::{Options, Report, Section, Shape, run};

/// Stream with its numbers of connections.
struct Stream {
    name: &'static str,
    title: &'static str,
    shape: Shape,
    connections: &'static [usize],
    /// Whether the stream is measured only once, since it is long.
    once: bool,
    /// Whether query latencies are measured.
    asks: bool,
}

const STREAMS: [Stream; 4] = [
    Stream {
        name: "a",
        title: "A: a small fleet, four hours",
        shape: Shape { series: 4_000, steps: 1_440, request: 2_000 },
        connections: &[2, 16],
        once: false,
        asks: true,
    },
    Stream {
        name: "b",
        title: "B: many series, four minutes",
        shape: Shape { series: 100_000, steps: 24, request: 5_000 },
        connections: &[2, 16],
        once: false,
        asks: true,
    },
    Stream {
        name: "day",
        title: "A whole day",
        shape: Shape { series: 2_000, steps: 8_640, request: 2_000 },
        connections: &[2],
        once: true,
        asks: true,
    },
    Stream {
        name: "million",
        title: "A million series",
        shape: Shape { series: 1_000_000, steps: 4, request: 5_000 },
        connections: &[2],
        once: true,
        asks: false,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut runs = 3;
    let mut wanted: Vec<String> = STREAMS.iter().map(|stream| stream.name.to_owned()).collect();
    let mut output = PathBuf::from("docs/measured/ingest.md");
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--runs" => runs = value.parse()?,
            "--streams" => wanted = value.split(',').map(str::to_owned).collect(),
            "--output" => output = value.into(),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    if runs == 0 {
        return Err("--runs 0 measures nothing".into());
    }
    if let Some(unknown) = wanted.iter().find(|name| !STREAMS.iter().any(|stream| stream.name == **name)) {
        return Err(format!("--streams {unknown}: known are a, b, day, million").into());
    }
    let almanac = std::env::current_exe()?.with_file_name(format!("almanac{}", std::env::consts::EXE_SUFFIX));
    let mut sections = Vec::new();
    for stream in STREAMS.iter().filter(|stream| wanted.iter().any(|name| name == stream.name)) {
        eprintln!("{}", stream.title);
        let runs = if stream.once { 1 } else { runs };
        let measure = |connections: &usize| {
            run(&Options {
                almanac: almanac.clone(),
                shape: stream.shape,
                connections: *connections,
                runs,
                asks: stream.asks,
            })
        };
        let outcomes = stream.connections.iter().map(measure).collect::<Result<Vec<_>, _>>()?;
        sections.push(Section { title: stream.title.to_owned(), shape: stream.shape, runs, outcomes });
    }
    let report = Report { cores: available_parallelism().map_or(1, usize::from), sections }.to_string();
    eprintln!("\n{report}");
    if output.as_os_str() != "-" {
        fs::write(&output, report)?;
        eprintln!("written to {}", output.display());
    }
    Ok(())
}
