//! Lets an installed program find DuckDB's library beside it, in `../lib/almanac`; see `scripts/install.sh`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib/almanac");
    }
}
