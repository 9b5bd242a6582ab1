//! Paths of the files that `[server]` names; relative ones start in the folder of the configuration file.

use std::path::{Path, PathBuf};

use super::Config;

/// Name of the file of tokens beside the database.
const TOKENS_FILE: &str = "almanac.tokens";

impl Config {
    /// Returns the path of the file of tokens.
    #[must_use]
    pub fn tokens_file(&self) -> PathBuf {
        match &self.server.tokens_file {
            Some(path) => self.in_folder(path),
            None => self.store.path.with_file_name(TOKENS_FILE),
        }
    }

    /// Returns the path of the audit file, if there is one.
    #[must_use]
    pub fn audit_file(&self) -> Option<PathBuf> {
        self.server.audit_file.as_deref().map(|path| self.in_folder(path))
    }

    /// Returns the paths of the certificate and its key, if TLS is configured.
    #[must_use]
    pub fn tls_files(&self) -> Option<(PathBuf, PathBuf)> {
        let (cert, key) = (self.server.tls_cert.as_deref()?, self.server.tls_key.as_deref()?);
        Some((self.in_folder(cert), self.in_folder(key)))
    }

    /// Returns a path of the file; relative ones start in the file's folder.
    fn in_folder(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("conf/almanac.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_beside_the_database_or_in_the_folder_of_the_configuration() {
        let config = parse("[store]\npath = \"/data/a.duckdb\"\n[server]\naudit_file = \"audit.jsonl\"").unwrap();
        assert_eq!(config.tokens_file(), Path::new("/data/almanac.tokens"));
        assert_eq!(config.audit_file().unwrap(), Path::new("conf/audit.jsonl"));
        let config = parse("[server]\ntokens_file = \"t\"\ntls_cert = \"c.pem\"\ntls_key = \"/k.pem\"").unwrap();
        assert_eq!(config.tokens_file(), Path::new("conf/t"));
        assert_eq!(config.tls_files().unwrap(), (PathBuf::from("conf/c.pem"), PathBuf::from("/k.pem")));
    }
}
