//! Runs the target `traces` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("traces").expect("it is in the table")(data));
