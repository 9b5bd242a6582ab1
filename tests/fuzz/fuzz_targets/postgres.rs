//! Runs the target `postgres` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("postgres").expect("it is in the table")(data));
