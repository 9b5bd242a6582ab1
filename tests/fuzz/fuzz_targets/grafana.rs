//! Runs the target `grafana` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("grafana").expect("it is in the table")(data));
