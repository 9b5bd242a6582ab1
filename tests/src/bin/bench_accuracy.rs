//! `make bench-accuracy DATA=DIR`: measures every model on the public sets and writes `docs/measured/accuracy.md`.

use std::error::Error;

use almanac_tests::{accuracy, document};

fn main() -> Result<(), Box<dyn Error>> {
    document::write(&accuracy::PAPER, std::env::args().skip(1))
}
