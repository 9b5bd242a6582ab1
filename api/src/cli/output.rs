//! Writes results: buffered to stdout, atomically to files.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::CliError;

/// Returns a buffered stdout; the caller has to flush it.
#[must_use]
pub fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Writes a file by way of a temporary file in the same folder, so that an error leaves the old content.
///
/// Symbolic links are followed, and an existing file keeps its permissions. Anything but a regular file (a terminal, a
/// pipe, `/dev/null`) is written to directly and never replaced.
///
/// # Errors
/// The error of `write`, or a failure that names the file.
pub fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), CliError>) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::failed(format!("{} could not be written: {error}", path.display()));
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let before = fs::metadata(&real).ok();
    if before.as_ref().is_some_and(|old| !old.is_file()) {
        let mut out = BufWriter::new(File::options().write(true).open(&real).map_err(failed)?);
        write(&mut out)?;
        return out.flush().map_err(failed);
    }
    let folder = match real.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".almanac-");
    // The umask still applies, as for a file that is created directly; the default of a temporary file is 0600.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(&folder).map_err(failed)?;
    {
        let mut buffered = BufWriter::new(file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush().map_err(failed)?;
    }
    if let Some(before) = before {
        fs::set_permissions(file.path(), before.permissions()).map_err(failed)?;
    }
    file.persist(&real).map_err(|error| failed(error.error))?;
    Ok(())
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

    #[cfg(unix)]
    #[test]
    fn links_are_followed_modes_are_kept_and_devices_are_written_into() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("secret.yml"), folder.path().join("link.yml"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&path, &link).unwrap();
        write_file(&link, |out| Ok(out.write_all(b"new")?)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let null = Path::new("/dev/null");
        write_file(null, |out| Ok(out.write_all(b"nothing")?)).unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write_file(Path::new("/nowhere/at/all.csv"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at/all.csv could not be written: "), "{error}");
    }
}
