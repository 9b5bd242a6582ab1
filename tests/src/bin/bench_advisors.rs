//! `make bench-advisors DATA=DIR`: measures every advisor and its usual alternatives and writes `docs/measured/advisors.md`.

use std::error::Error;

use almanac_tests::{advisors, document};

fn main() -> Result<(), Box<dyn Error>> {
    document::write(&advisors::PAPER, std::env::args().skip(1))
}
