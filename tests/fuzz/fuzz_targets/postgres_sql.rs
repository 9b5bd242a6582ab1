//! Runs the target `postgres_sql` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("postgres_sql").expect("it is in the table")(data));
