//! Results: stdout by the block, files whole or not at all.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::CliError;

/// Stdout, buffered; flush it before returning.
#[must_use]
pub fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Writes a file through a temporary neighbour, so that an error leaves what was there before.
///
/// # Errors
/// What `write` says, or a failure that names the file.
pub fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), CliError>) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::failed(format!("{} could not be written: {error}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut file = tempfile::Builder::new().prefix(".almanac-").tempfile_in(&folder).map_err(failed)?;
    {
        let mut buffered = BufWriter::new(file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush().map_err(failed)?;
    }
    set_usual_mode(file.path()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Temporary files are made for their owner's eyes alone; results are for everybody.
#[cfg(unix)]
fn set_usual_mode(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_usual_mode(path: &Path) -> io::Result<()> {
    fs::metadata(path).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        write_file(&path, |out| Ok(out.write_all(b"first")?)).unwrap();
        let error = write_file(&path, |out| {
            out.write_all(b"half")?;
            Err(CliError::failed("no more"))
        });
        assert_eq!(error.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write_file(Path::new("/nowhere/at/all.csv"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at/all.csv could not be written: "), "{error}");
    }
}
