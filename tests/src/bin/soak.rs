//! `make soak`: the real service under ingest, compaction, retention, learning and queries at once; memory and disk must stay
//! flat. `soak --help` lists the options.

use std::{env, process::ExitCode};

use almanac_tests::soak;

fn main() -> ExitCode {
    let almanac = env::current_exe().map(|file| file.with_file_name(format!("almanac{}", env::consts::EXE_SUFFIX)));
    let done = almanac.map_err(Into::into).and_then(|almanac| soak::write(&almanac, env::args().skip(1)));
    if let Err(error) = done {
        eprintln!("soak: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
