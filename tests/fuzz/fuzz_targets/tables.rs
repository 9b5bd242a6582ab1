//! Runs the target `tables` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("tables").expect("it is in the table")(data));
