//! Address of a database: where it is configured, and its parts.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use almanac_engine::advise::database::DatabaseSpec;
use tokio_postgres::config::{Config, SslMode};

use super::tls::{Roots, Verify};

/// Longest time to connect, unless the address has `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time without traffic after which the system asks whether the server still answers.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Address of a database, read and ready to connect to.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) verify: Verify,
    pub(super) roots: Roots,
}

impl fmt::Debug for Address {
    /// Shows hosts and database, not user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?} {:?})", self.config.get_hosts(), self.config.get_dbname())
    }
}

/// Why there is no usable address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// No address is configured.
    #[error("it has no address; set {variable}, or write url or url_file in the section")]
    Missing {
        /// Environment variable that may have it.
        variable: String,
    },
    /// The file with the address cannot be read.
    #[error("url_file {} cannot be read: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        detail: String,
    },
    /// The address has another form.
    #[error(
        "the address of {origin} cannot be read: {detail}; expected postgres://user@host:5432/database or host=… user=… dbname=…"
    )]
    Form {
        /// Where the address is.
        origin: String,
        /// The fault, without a part of the address.
        detail: String,
    },
}

impl Address {
    /// Returns the address of a configured database: from its environment variable, else its file, else the section.
    /// `folder`: where relative paths start.
    ///
    /// # Errors
    /// [`AddressError`], which does not repeat the address.
    pub fn of(spec: &DatabaseSpec, folder: &Path) -> Result<Self, AddressError> {
        let variable = spec.variable();
        if let Ok(text) = std::env::var(&variable)
            && !text.trim().is_empty()
        {
            return Self::parse(&text, &variable);
        }
        if let Some(file) = &spec.url_file {
            let path = folder.join(file);
            let failed = |error: std::io::Error| AddressError::File { path: path.clone(), detail: error.to_string() };
            return Self::parse(&fs::read_to_string(&path).map_err(failed)?, &format!("url_file {}", path.display()));
        }
        match &spec.url {
            Some(url) => Self::parse(url.expose(), &format!("[[database]] {:?}", spec.name)),
            None => Err(AddressError::Missing { variable }),
        }
    }

    /// Reads an address as libpq does: a URL or `key=value` pairs, with `sslmode` (`disable`, `allow`, `prefer`,
    /// `require`, `verify-ca`, `verify-full`) and `sslrootcert`. `origin` names it in messages.
    ///
    /// # Errors
    /// [`AddressError::Form`].
    pub fn parse(text: &str, origin: &str) -> Result<Self, AddressError> {
        let wrong = |detail: &str| AddressError::Form { origin: origin.to_owned(), detail: detail.to_owned() };
        let (rest, options) = split(text.trim()).map_err(wrong)?;
        let mut config: Config = rest.parse().map_err(|_| wrong("a part is invalid or an option is not known"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(wrong("it has no host"));
        }
        let option = |name: &str| options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let roots = match option("sslrootcert") {
            None | Some("system") => Roots::System,
            Some(path) => Roots::File(PathBuf::from(path)),
        };
        let has_file = matches!(roots, Roots::File(_));
        let (mode, verify) = match option("sslmode") {
            Some("disable") => (SslMode::Disable, Verify::Nothing),
            // As libpq: the authorities of the system issue certificates for anybody, so that the name is checked.
            None if option("sslrootcert") == Some("system") => (SslMode::Require, Verify::Name),
            None | Some("allow" | "prefer") => (SslMode::Prefer, Verify::Nothing),
            // As libpq: with a file of authorities the certificate is checked.
            Some("require") if has_file => (SslMode::Require, Verify::Chain),
            Some("require") => (SslMode::Require, Verify::Nothing),
            Some("verify-ca") => (SslMode::Require, Verify::Chain),
            Some("verify-full") => (SslMode::Require, Verify::Name),
            Some(_) => {
                return Err(wrong("sslmode is not disable, allow, prefer, require, verify-ca or verify-full"));
            }
        };
        config.ssl_mode(mode).application_name("almanac").keepalives_idle(KEEPALIVE_IDLE);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        Ok(Self { config, verify, roots })
    }
}

/// Options of TLS by name.
type Options = Vec<(String, String)>;

/// Splits the options of TLS off an address, since the client's parser does not know all of them.
fn split(text: &str) -> Result<(String, Options), &'static str> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        split_url(text)
    } else {
        split_pairs(text)
    }
}

fn is_own(key: &str) -> bool {
    ["sslmode", "sslrootcert", "application_name"].contains(&key)
}

fn split_url(text: &str) -> Result<(String, Options), &'static str> {
    let Some((base, query)) = text.split_once('?') else { return Ok((text.to_owned(), Vec::new())) };
    let mut options = Vec::new();
    let mut others = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match form_urlencoded::parse(part.as_bytes()).next() {
            Some((key, value)) if is_own(&key) => options.push((key.into_owned(), value.into_owned())),
            _ => others.push(part),
        }
    }
    let mark = if others.is_empty() { "" } else { "?" };
    Ok((format!("{base}{mark}{}", others.join("&")), options))
}

fn split_pairs(text: &str) -> Result<(String, Options), &'static str> {
    let mut options = Vec::new();
    let mut others: Vec<&str> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once('=') else { return Err("a key has no value") };
        let after = after.trim_start();
        let quoted = after.starts_with('\'');
        let (mut escaped, mut value, mut end) = (false, String::new(), after.len());
        for (idx, c) in after.char_indices().skip(usize::from(quoted)) {
            match c {
                c if escaped => {
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '\'' if quoted => {
                    end = idx + 1;
                    break;
                }
                c if c.is_whitespace() && !quoted => {
                    end = idx;
                    break;
                }
                c => value.push(c),
            }
        }
        let (_, behind) = after.split_at_checked(end).ok_or("a value does not end")?;
        let whole = rest.get(..rest.len() - behind.len()).unwrap_or_default();
        if is_own(key.trim()) {
            options.push((key.trim().to_owned(), value));
        } else {
            others.push(whole);
        }
        rest = behind.trim_start();
    }
    Ok((others.join(" "), options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_tls_are_those_of_libpq() {
        let check = |text: &str, mode: SslMode, verify: Verify| {
            let address = Address::parse(text, "test").unwrap();
            assert_eq!((address.config.get_ssl_mode(), address.verify), (mode, verify), "{text}");
            assert_eq!(address.config.get_dbname(), Some("app"));
            assert_eq!(address.config.get_application_name(), Some("almanac"));
        };
        check("postgres://a:p%40ss@h/app", SslMode::Prefer, Verify::Nothing);
        check("postgresql://a@h:5433/app?sslmode=disable&connect_timeout=3", SslMode::Disable, Verify::Nothing);
        check("postgres://a@h/app?sslmode=require", SslMode::Require, Verify::Nothing);
        check("postgres://a@h/app?sslmode=require&sslrootcert=%2Fca.pem", SslMode::Require, Verify::Chain);
        check("postgres://a@h/app?sslrootcert=system", SslMode::Require, Verify::Name);
        check("host=h user=a dbname=app sslmode=verify-ca", SslMode::Require, Verify::Chain);
        check(
            "host=/run/postgresql password='it\\'s = x' dbname=app sslmode = 'verify-full' user=a",
            SslMode::Require,
            Verify::Name,
        );
        let address = Address::parse("host=h password='it\\'s = x' dbname=app", "test").unwrap();
        assert_eq!(address.config.get_password(), Some(&b"it's = x"[..]));
    }

    #[test]
    fn no_error_repeats_a_part_of_the_address() {
        let check = |text: &str, expected: &str| {
            let message = Address::parse(text, "ALMANAC_DATABASE_APP_URL").unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("ALMANAC_DATABASE_APP_URL"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        };
        check("mysql://a:secret@h/app", "a key has no value");
        check("postgres://a:secret@h:notaport/app", "a part is invalid");
        check("postgres://a:secret@h/app?sslmode=sometimes", "sslmode is not disable");
        check("postgres://a:secret@h/app?secret=1", "an option is not known");
        check("dbname=app password=secret", "it has no host");
        check("host=h password='secret", "a part is invalid");
        assert!(!format!("{:?}", Address::parse("postgres://a:secret@h/app", "x").unwrap()).contains("secret"));
    }

    #[test]
    fn an_address_comes_from_a_file_or_the_section() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("url"), "postgres://a@from-file/app\n").unwrap();
        let mut spec = DatabaseSpec::new("of-this-test");
        let of = |spec: &DatabaseSpec| Address::of(spec, folder.path()).map(|address| format!("{address:?}"));
        assert!(of(&spec).unwrap_err().to_string().contains("set ALMANAC_DATABASE_OF_THIS_TEST_URL"));
        spec.url_file = Some("url".into());
        assert!(of(&spec).unwrap().contains("from-file"));
        spec.url_file = Some("missing".into());
        assert!(of(&spec).unwrap_err().to_string().contains("cannot be read: No such file"));
    }
}
