//! Runs the target `otlp_json` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("otlp_json").expect("it is in the table")(data));
