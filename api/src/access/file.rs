//! The file of tokens: reads it, and appends a new token to it.
//!
//! The file is TOML with one `[[token]]` table per token. It has hashes and no secret.

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Limits, Scope, Scopes,
    hash::{TokenNotMade, hash, is_hash, new_salt, new_token},
    scram::{ITERATIONS, Verifier},
};
use crate::config::ConfigError;

/// Largest size of the file; a token takes about 400 bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Longest name of a token.
const MAX_NAME_BYTES: usize = 64;
/// Names that the ledger and the audit use for the service itself, for callers without a token, and for `server.token`.
const RESERVED_NAMES: [&str; 4] = ["almanac", "anonymous", "api", "server.token"];

/// Why the file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensFileError {
    /// The file cannot be read or written.
    #[error("the tokens file {} could not be {action}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML, or has an unknown key.
    #[error(transparent)]
    Content(#[from] ConfigError),
    /// A token of the file is invalid.
    #[error("{}: token {name:?}: {message}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Name of the token.
        name: String,
        /// What is wrong, and what would be valid.
        message: String,
    },
    /// No token could be made.
    #[error(transparent)]
    NotMade(#[from] TokenNotMade),
}

/// A token of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredToken {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scopes: Scopes,
    pub(super) hash: String,
    /// Verifier of SCRAM; tokens of releases without it have none.
    pub(super) scram: Option<Verifier>,
    pub(super) limits: Limits,
}

/// What a new token is to be.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// Its name, the actor of what is done with it; left out: its id.
    pub name: Option<String>,
    /// Its scopes.
    pub scopes: Scopes,
    /// Its own limits; left out: those of the configuration.
    pub limits: Limits,
    /// Time of creation, RFC 3339.
    pub created: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, rename = "token")]
    tokens: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    id: String,
    name: Option<String>,
    scopes: Vec<String>,
    hash: String,
    scram: Option<String>,
    #[serde(default, rename = "created")]
    _created: Option<String>,
    rate: Option<f64>,
    concurrency: Option<usize>,
}

/// Reads the bytes of the file; `None` when it does not exist.
///
/// # Errors
/// [`TokensFileError::System`].
pub(super) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, TokensFileError> {
    let failed = |source| TokensFileError::System { path: path.to_path_buf(), action: "read", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(failed(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes"))));
    }
    Ok(Some(bytes))
}

/// Parses the content of the file.
///
/// # Errors
/// [`TokensFileError`], which names the line or the token; no hash is part of a message.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<StoredToken>, TokensFileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| TokensFileError::System {
        path: path.to_path_buf(),
        action: "read",
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })?;
    let document: Document = toml::from_str(text)
        .map_err(|error| ConfigError::from_toml(path.to_path_buf(), text, &error, &["id", "name", "scopes", "hash"]))?;
    let (mut tokens, mut seen) = (Vec::new(), HashSet::new());
    for table in document.tokens {
        let name = table.name.clone().unwrap_or_else(|| table.id.clone());
        let wrong = |message: String| TokensFileError::Token { path: path.to_path_buf(), name: name.clone(), message };
        check_name(&name).map_err(wrong)?;
        for unique in [format!("id {}", table.id), format!("name {name}")] {
            if !seen.insert(unique.clone()) {
                return Err(wrong(format!("another token has the {unique}; delete one of them")));
            }
        }
        if !is_hash(&table.hash) {
            return Err(wrong("its hash is not a hash of almanac token new".to_owned()));
        }
        let scram = table.scram.as_deref().map(|text| {
            Verifier::parse(text).ok_or_else(|| wrong("its scram is not a verifier of almanac token new".to_owned()))
        });
        let scopes = table.scopes.iter().map(|scope| scope.parse::<Scope>()).collect::<Result<Scopes, _>>();
        let limits = Limits { rate: table.rate, concurrency: table.concurrency };
        limits.check().map_err(wrong)?;
        let (scram, scopes) = (scram.transpose()?, scopes.map_err(wrong)?);
        tokens.push(StoredToken { id: table.id, scopes, hash: table.hash, scram, limits, name });
    }
    Ok(tokens)
}

/// Makes a token, appends its hash to the file (which is created with mode 0600), and returns the token's text and name.
///
/// # Errors
/// [`TokensFileError`] when the file is invalid or cannot be written, or when the name is invalid or taken.
pub fn append_token(path: &Path, new: &NewToken) -> Result<(String, String), TokensFileError> {
    let present = read_bytes(path)?.unwrap_or_default();
    let (id, token) = new_token()?;
    // The salt of the other tokens, so that a sign-in by SCRAM does not have to name its token.
    let others = parse(path, &present)?;
    let salt = match others.iter().find_map(|other| other.scram.as_ref()) {
        Some(verifier) => verifier.salt.clone(),
        None => new_salt()?.to_vec(),
    };
    let scram = Verifier::derive(&token, &salt, ITERATIONS);
    let name = new.name.clone().unwrap_or_else(|| id.clone());
    let scopes = new.scopes.iter().map(|scope| format!("{:?}", scope.as_str())).collect::<Vec<_>>().join(", ");
    let mut table = String::new();
    // A file that was edited may lack its last newline.
    if present.last().is_some_and(|byte| *byte != b'\n') {
        table.push('\n');
    }
    let _ = write!(
        table,
        "[[token]]\nid = {id:?}\nname = {}\nscopes = [{scopes}]\nhash = {:?}\nscram = \"{scram}\"\n",
        toml::Value::from(name.as_str()),
        hash(&token)?
    );
    let _ = writeln!(table, "created = {:?}", new.created);
    if let Some(rate) = new.limits.rate {
        let _ = writeln!(table, "rate = {rate:?}");
    }
    if let Some(concurrency) = new.limits.concurrency {
        let _ = writeln!(table, "concurrency = {concurrency}");
    }
    // Rejects an invalid name and a file that is already invalid before anything is written.
    parse(path, &[present.as_slice(), table.as_bytes()].concat())?;
    write_private(path, table.as_bytes()).map_err(|source| TokensFileError::System {
        path: path.to_path_buf(),
        action: "written",
        source,
    })?;
    Ok((token, name))
}

/// Appends bytes to a file that only its owner may read; one write, so that a reader sees all of it or nothing.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open_private(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Opens a file for appending; creates it with mode 0600.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether other users of the machine may read the file.
pub(super) fn is_readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = fs::metadata(path);
        false
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(plain) {
        return Err(format!(
            "a name has 1 to {MAX_NAME_BYTES} letters, digits, underscores, hyphens, dots and at signs"
        ));
    }
    if RESERVED_NAMES.contains(&name) {
        return Err("this name is reserved; choose another".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, scopes: &str) -> NewToken {
        NewToken { name: Some(name.to_owned()), scopes: scopes.parse().unwrap(), ..NewToken::default() }
    }

    #[test]
    fn a_new_token_is_appended_as_a_hash_to_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("almanac.tokens");
        assert!(read_bytes(&path).unwrap().is_none());
        let (token, _) = append_token(&path, &new("prometheus", "ingest")).unwrap();
        // An edited file without a last newline.
        let edited = fs::read_to_string(&path).unwrap() + "# a comment";
        fs::write(&path, edited).unwrap();
        let limits = Limits { rate: Some(2.0), concurrency: Some(3) };
        append_token(&path, &NewToken { limits, ..new("ci@home", "read,sql") }).unwrap();
        let bytes = read_bytes(&path).unwrap().unwrap();
        assert!(!String::from_utf8(bytes.clone()).unwrap().contains(&token));
        let tokens = parse(&path, &bytes).unwrap();
        let shown: Vec<String> = tokens.iter().map(|token| format!("{} {}", token.name, token.scopes)).collect();
        assert_eq!(shown, ["prometheus ingest", "ci@home read,sql"]);
        assert_eq!((tokens[0].limits, tokens[1].limits), (Limits::default(), limits));
        assert!(super::super::hash::verify(token.as_bytes(), &tokens[0].hash));
        let verifiers: Vec<&Verifier> = tokens.iter().filter_map(|token| token.scram.as_ref()).collect();
        assert!(verifiers.len() == 2 && verifiers[0].salt == verifiers[1].salt && verifiers[0] != verifiers[1]);
        assert_eq!(*verifiers[0], Verifier::derive(&token, &verifiers[0].salt, ITERATIONS));
        assert!(!is_readable_by_others(&path));
    }

    #[test]
    fn invalid_names_and_files_are_named_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        append_token(&path, &new("ci", "read")).unwrap();
        let before = fs::read(&path).unwrap();
        for (name, message) in [
            ("ci", "token \"ci\": another token has the name ci; delete one of them"),
            ("", "a name has 1 to 64"),
            ("a b", "a name has 1 to 64"),
            ("a\n[[token]]", "a name has 1 to 64"),
            ("almanac", "this name is reserved"),
        ] {
            let error = append_token(&path, &new(name, "read")).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), before);
        let hash = hash("alm_a_b").unwrap();
        for (text, message) in [
            ("[[token]]\nid = \"a\"\nscops = []", "unknown key \"scops\"; did you mean \"scopes\"?"),
            ("[[token]]\nid = \"a\"\nscopes = [\"raed\"]\nhash = \"H\"", "did you mean \"read\"?"),
            ("[[token]]\nid = \"a\"\nscopes = [\"read\"]\nhash = \"plain\"", "not a hash of almanac token new"),
            ("[[token]]\nid = \"a\"\nscopes = [\"read\"]\nhash = \"H\"\nscram = \"x\"", "its scram is not a verifier"),
            ("[[token]]\nid = \"a\"\nscopes = [\"read\"]\nhash = \"H\"\nrate = -1.0", "rate -1 is not above 0"),
            ("[[token]]\nid = \"a\"\nscopes = [\"read\"]\nhash = \"H\"\nconcurrency = 0", "concurrency is at least 1"),
        ] {
            let error = parse(&path, text.replace("\"H\"", &format!("{hash:?}")).as_bytes()).unwrap_err();
            let error = crate::chain(&error);
            assert!(error.contains(message) && !error.contains("argon2"), "{error}");
        }
        let error = append_token(folder.path(), &new("x", "read")).unwrap_err();
        assert!(crate::chain(&error).contains("could not be read"), "{}", crate::chain(&error));
    }
}
