//! Copies the chart library of the web page, which `scripts/setup.sh` fetches, to where the compiler includes it, and lets
//! an installed program find DuckDB's library beside it, in `../lib/almanac`; see `scripts/install.sh`.

use std::{env, error::Error, fs, path::PathBuf};

/// Files of the package `uplot`, and their names in its archive.
const FILES: [(&str, &str); 3] =
    [("uplot.js", "uPlot.iife.min.js"), ("uplot.css", "uPlot.min.css"), ("uplot-license.txt", "LICENSE")];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ALMANAC_UPLOT_DIR");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib/almanac");
    }
    let into = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let from = env::var_os("ALMANAC_UPLOT_DIR").map(PathBuf::from);
    for (name, packed) in FILES {
        let content = match &from {
            Some(from) => fs::read(from.join(packed))?,
            None => Vec::new(),
        };
        fs::write(into.join(name), content)?;
    }
    if from.is_none() {
        println!(
            "cargo::warning=ALMANAC_UPLOT_DIR is not set (run make setup): the web page will have tables in place of charts"
        );
    }
    Ok(())
}
