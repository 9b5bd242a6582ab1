//! Runs the target `database_schema` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("database_schema").expect("it is in the table")(data));
