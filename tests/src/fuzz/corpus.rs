//! Reads the corpora: small real examples of every format, and inputs that failed once.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Returns the folder of a target's corpus.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join("corpus").join(target)
}

/// Reads the corpus of a target, ordered by name, as names and contents.
///
/// # Errors
/// When the folder or a file cannot be read, or when the folder is empty.
pub fn read(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = folder(target);
    let mut paths = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    if paths.is_empty() {
        return Err(io::Error::other(format!("{} has no files", folder.display())));
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| Ok((name(path), fs::read(path)?))).collect()
}
