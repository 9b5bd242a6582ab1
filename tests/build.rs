//! Links the program under test like the shipped one (see `api/build.rs`), and compiles the shim of `make faults`.

use std::{env, error::Error, path::PathBuf, process::Command};

/// Source of the shim.
const SHIM: &str = "src/faults/harness/faulty_disk.c";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={SHIM}");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if is_linux {
        println!("cargo:rustc-link-arg-bin=almanac-under-test=-Wl,-rpath,$ORIGIN/../lib/almanac");
    }
    let shim = if is_linux { compile()? } else { PathBuf::new() };
    println!("cargo:rustc-env=FAULTY_DISK={}", shim.display());
    Ok(())
}

/// Compiles the shim to a library that `LD_PRELOAD` takes, and returns its path.
fn compile() -> Result<PathBuf, Box<dyn Error>> {
    let shim = PathBuf::from(env::var("OUT_DIR")?).join("libfaulty_disk.so");
    let compiler = cc::Build::new().opt_level(1).pic(true).warnings(true).try_get_compiler()?;
    let mut command: Command = compiler.to_command();
    let done = command.args(["-shared", "-o"]).arg(&shim).arg(SHIM).args(["-ldl", "-lpthread"]).status()?;
    if !done.success() {
        return Err(format!("{SHIM} cannot be compiled: {done}").into());
    }
    Ok(shim)
}
