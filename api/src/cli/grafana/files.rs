//! Writes exported files; never replaces a file that another program or person wrote.

use std::{fs, io, path::Path};

use serde_json::Value;

use crate::cli::{CliError, output::write_file};

/// Text by which a later export recognises its own files: a comment in YAML, the description in JSON.
pub(super) const MARK: &str = "Written by almanac grafana export";

/// A file of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Path below the export's folder.
    pub(super) path: String,
    /// Content, which contains [`MARK`].
    pub(super) text: String,
}

/// Result of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Exported {
    /// Files that were created or replaced.
    pub(super) written: usize,
    /// Files that had the same content already.
    pub(super) unchanged: usize,
}

/// Writes the files below `folder`. Checks all of them before it writes the first.
///
/// # Errors
/// A failure that names the file which cannot be read or written, or which is foreign.
pub(super) fn write_all(folder: &Path, files: &[File]) -> Result<Exported, CliError> {
    if folder.exists() && !folder.is_dir() {
        return Err(CliError::usage(format!("{} is a file; name a folder", folder.display())));
    }
    let mut exported = Exported::default();
    let mut pending = Vec::new();
    for file in files {
        let path = folder.join(&file.path);
        match fs::read_to_string(&path) {
            Ok(present) if present == file.text => exported.unchanged += 1,
            Ok(present) if is_ours(&file.path, &present) => pending.push((path, &file.text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => pending.push((path, &file.text)),
            Ok(_) => return Err(foreign(&path)),
            // Not text, so not written by this command.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(foreign(&path)),
            Err(error) => return Err(CliError::failed(format!("{} could not be read: {error}", path.display()))),
        }
    }
    for (path, text) in pending {
        if let Some(parent) = path.parent() {
            let failed = |error| CliError::failed(format!("{} could not be created: {error}", parent.display()));
            fs::create_dir_all(parent).map_err(failed)?;
        }
        write_file(&path, |out| Ok(out.write_all(text.as_bytes())?))?;
        exported.written += 1;
    }
    Ok(exported)
}

fn foreign(path: &Path) -> CliError {
    CliError::failed(format!(
        "{} exists and was not written by almanac grafana export; move it away or choose another folder. Nothing was written",
        path.display()
    ))
}

/// Returns whether a previous export wrote this content.
fn is_ours(path: &str, text: &str) -> bool {
    if !path.ends_with(".json") {
        return text.lines().next().is_some_and(|line| line.starts_with('#') && line.contains(MARK));
    }
    let description = serde_json::from_str::<Value>(text).ok();
    description.is_some_and(|json| json["description"].as_str().is_some_and(|text| text.contains(MARK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn own_files_are_replaced_and_foreign_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let yaml = |rest: &str| file("a/b.yaml", &format!("# {MARK}.\n{rest}\n"));
        let json = |rest: &str| file("c.json", &format!(r#"{{"description": "{MARK}.", "title": "{rest}"}}"#));
        let first = write_all(folder.path(), &[yaml("1"), json("1")]).unwrap();
        assert_eq!(first, Exported { written: 2, unchanged: 0 });
        let again = write_all(folder.path(), &[yaml("1"), json("2")]).unwrap();
        assert_eq!(again, Exported { written: 1, unchanged: 1 });
        for (path, foreign) in
            [("a/b.yaml", "apiVersion: 1\n"), ("c.json", "{}"), ("c.json", "# no JSON"), ("c.json", "")]
        {
            let before = fs::read_to_string(folder.path().join(path)).unwrap();
            fs::write(folder.path().join(path), foreign).unwrap();
            let refused = write_all(folder.path(), &[yaml("3"), json("3")]).unwrap_err().to_string();
            assert!(refused.contains(path) && refused.contains("not written by"), "{refused}");
            assert_eq!(fs::read_to_string(folder.path().join(path)).unwrap(), foreign);
            fs::write(folder.path().join(path), before).unwrap();
        }
        fs::write(folder.path().join("c.json"), [0xff, 0xfe]).unwrap();
        assert!(write_all(folder.path(), &[json("1")]).is_err());
        let in_the_way = write_all(&folder.path().join("c.json"), &[json("1")]).unwrap_err().to_string();
        assert!(in_the_way.contains("is a file"), "{in_the_way}");
    }
}
