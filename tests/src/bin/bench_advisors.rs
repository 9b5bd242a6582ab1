//! `make bench-advisors DATA=DIR`: measures every advisor beside what its users would do otherwise and writes
//! `docs/advisors.md`.

use std::error::Error;

use almanac_tests::{advisors, document};

fn main() -> Result<(), Box<dyn Error>> {
    document::write(&advisors::PAPER, std::env::args().skip(1))
}
