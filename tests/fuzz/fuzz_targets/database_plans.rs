//! Runs the target `database_plans` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("database_plans").expect("it is in the table")(data));
