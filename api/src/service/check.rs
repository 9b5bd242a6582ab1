//! Looks for what would stop the service at its start, without starting it. Called by `almanac check-config`.

use std::path::Path;

use rustix::fs::{Access, access};

use super::listen::Tls;
use crate::{chain, config::Config, database::Address};

/// Returns what would stop a start with this configuration: the certificate, and folders and files that cannot be used.
///
/// Neither the address is bound nor the store opened, since a running service has them.
#[must_use]
pub fn start_faults(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some((cert, key)) = config.tls_files()
        && let Err(error) = Tls::open(cert, key)
    {
        faults.push(chain(&error));
    }
    for spec in &config.databases {
        if let Err(error) = Address::of(spec, &config.folder) {
            faults.push(format!("[[database]] {:?}: {error}", spec.name));
        }
    }
    let files = [("store.path", Some(config.store.path.clone())), ("server.audit_file", config.audit_file())];
    for (key, path) in files {
        faults.extend(path.and_then(|path| unwritable(&path)).map(|fault| format!("{key}: {fault}")));
    }
    faults
}

/// Returns why a file cannot be written, or made.
fn unwritable(path: &Path) -> Option<String> {
    let shown = path.display();
    if path.is_dir() {
        return Some(format!("{shown} is a folder; write the path of a file in it"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Some(format!("the folder of {shown} does not exist; make it with mkdir -p {}", folder.display()));
    }
    // The store writes files beside its own.
    for place in [folder, path].into_iter().filter(|place| place.exists()) {
        if let Err(error) = access(place, Access::WRITE_OK) {
            // So that the working directory is not named `.`.
            let place = std::path::absolute(place).unwrap_or_else(|_| place.to_path_buf());
            return Some(format!("{} cannot be written: {error}", place.display()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_and_unusable_certificates_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
        let faults = |text: &str| {
            let config = Config::parse(text, &folder.path().join("almanac.toml")).unwrap();
            start_faults(&config)
        };
        assert_eq!(faults("[server]\naudit_file = \"audit.jsonl\""), Vec::<String>::new());
        let all = faults(
            "[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\naudit_file = \"logs/a\"\n[store]\npath = \"/nowhere/a.duckdb\"",
        );
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].contains("key.pem could not be read"), "{all:?}");
        assert!(all[1].starts_with("store.path: the folder of /nowhere/a.duckdb does not exist"), "{all:?}");
        assert!(all[2].contains("mkdir -p") && all[2].contains("logs"), "{all:?}");
        let path = folder.path().display();
        assert!(faults(&format!("[store]\npath = {path:?}", path = path.to_string()))[0].contains("is a folder"));
    }
}
