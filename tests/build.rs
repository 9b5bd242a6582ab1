//! Links the program under test like the shipped one; see `api/build.rs`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg-bin=almanac-under-test=-Wl,-rpath,$ORIGIN/../lib/almanac");
    }
}
