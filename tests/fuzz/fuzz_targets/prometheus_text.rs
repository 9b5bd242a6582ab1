//! Runs the target `prometheus_text` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("prometheus_text").expect("it is in the table")(data));
