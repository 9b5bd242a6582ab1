//! Runs the target `remote_write_2` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("remote_write_2").expect("it is in the table")(data));
