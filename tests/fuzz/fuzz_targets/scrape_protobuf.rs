//! Runs the target `scrape_protobuf` under `cargo fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| almanac_tests::fuzz::target("scrape_protobuf").expect("it is in the table")(data));
