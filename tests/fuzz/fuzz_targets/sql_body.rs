//! Runs the target `sql_body` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("sql_body").expect("it is in the table")(data));
