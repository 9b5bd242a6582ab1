//! Stores that earlier releases wrote: they open, are converted, and answer as before.

mod answers;
mod conversion;
mod schemas;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Unpacks a compressed fixture into a folder and returns its path.
pub(crate) fn unpacked(fixture: &str, folder: &Path) -> PathBuf {
    let path = folder.join(fixture);
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{fixture}.gz"));
    let mut decoder = flate2::read::GzDecoder::new(fs::File::open(packed).unwrap());
    std::io::copy(&mut decoder, &mut fs::File::create(&path).unwrap()).unwrap();
    path
}
