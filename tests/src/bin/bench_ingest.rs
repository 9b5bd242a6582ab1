//! `make bench`: measures ingest, restart, disk, memory and queries beside VictoriaMetrics and Prometheus, and writes
//! `docs/performance.md`. `bench-ingest --help` lists the options.

use std::{env, process::ExitCode};

use almanac_tests::bench;

fn main() -> ExitCode {
    let almanac = env::current_exe().map(|file| file.with_file_name(format!("almanac{}", env::consts::EXE_SUFFIX)));
    let done = almanac.map_err(Into::into).and_then(|almanac| bench::write(&almanac, env::args().skip(1)));
    if let Err(error) = done {
        eprintln!("bench-ingest: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
