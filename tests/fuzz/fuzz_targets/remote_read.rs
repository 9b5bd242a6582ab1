//! Runs the target `remote_read` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("remote_read").expect("it is in the table")(data));
