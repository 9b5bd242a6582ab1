//! Makes a copy of a database with `pg_dump` and `pg_restore`.

use std::{
    future::Future,
    process::{Child, Command, Stdio},
    time::Duration,
};

use almanac_engine::{advise::database::verify::literal, database::statement::quote};
use tokio_postgres::config::{Host, SslMode};

use super::{
    VerifyError,
    place::{Relation, SAME_SERVER, relation},
    session::Session,
};
use crate::database::{
    Address, DatabaseClient,
    tls::{Roots, Verify},
};

/// Largest database that is copied unless another limit is given, in bytes.
pub const MAX_BYTES: u64 = 2 << 30;
/// Encoding and locale of the original, which decide whether an index serves a pattern.
const LOCALE: &str = "SELECT pg_catalog.format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_catalog.pg_encoding_to_char(encoding), \
    datcollate, datctype) FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
/// Longest time of a statement beside the copying.
const TIMEOUT: Duration = Duration::from_secs(1_800);

/// Makes the database that `copy` names, which must not exist, with everything of `original`: `pg_dump` reads it in one
/// transaction that blocks nothing but changes of the schema.
///
/// # Errors
/// [`VerifyError`]: it exists, it is on the server of the original without `allow_same_server`, the original is larger than
/// `max_bytes`, a program fails, or `interrupted` is ready first; what was made is removed then.
pub async fn make_copy(
    original: &Address,
    copy: &Address,
    max_bytes: u64,
    allow_same_server: bool,
    interrupted: impl Future<Output = ()>,
) -> Result<(), VerifyError> {
    let name = copy.config.get_dbname().map(str::to_owned);
    let name = name.ok_or_else(|| VerifyError::Refused("--copy names no database".to_owned()))?;
    let source = Session::connect(original, TIMEOUT).await?;
    source.run("the session", "SET default_transaction_read_only = on").await?;
    let size = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";
    let bytes =
        source.run("the size of the original", size).await?.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let locale = source.run("the locale of the original", LOCALE).await?.unwrap_or_default();
    drop(source);
    if bytes > max_bytes {
        return Err(VerifyError::Refused(format!(
            "the original has {} MiB, and --max-size allows {}; raise it, or restore a backup and give its address to --copy",
            bytes >> 20,
            max_bytes >> 20
        )));
    }
    let mut maintenance = copy.clone();
    maintenance.config.dbname("postgres");
    let server = Session::connect(&maintenance, TIMEOUT).await?;
    // Before anything is made there.
    let watched = DatabaseClient::connect(original).await?;
    let is_same = matches!(relation(&server, &watched).await?, Relation::SameDatabase | Relation::SameServer);
    drop(watched);
    if is_same && !allow_same_server {
        return Err(VerifyError::Refused(SAME_SERVER.to_owned()));
    }
    let exists = format!("SELECT true FROM pg_catalog.pg_database WHERE datname = {}", literal(&name));
    if server.holds("the databases of the copy's server", &exists).await? {
        return Err(VerifyError::Refused(format!("the database {name} exists; --make-copy makes a new one")));
    }
    let create = format!("CREATE DATABASE {} TEMPLATE template0 {locale}", quote(&name));
    server.run("creating the database of the copy", &create).await?;
    let (from, to) = (original.clone(), copy.clone());
    let copying = async {
        let copied = tokio::task::spawn_blocking(move || pipe(&from, &to)).await;
        copied.unwrap_or_else(|error| Err(VerifyError::Program(error.to_string())))?;
        // Plans depend on statistics, and scans of an index alone on the visibility map.
        let session = Session::connect(copy, TIMEOUT).await?;
        session.run("VACUUM", "VACUUM (ANALYZE)").await.map(|_| ())
    };
    let result = tokio::select! {
        result = copying => result,
        () = interrupted => Err(VerifyError::Interrupted),
    };
    if result.is_err() {
        // FORCE ends the session of pg_restore, and pipe() stops pg_dump then.
        let remedy = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(&name));
        if let Err(error) = server.run("dropping the unfinished copy", &remedy).await {
            let what = format!("the unfinished database {name}");
            return Err(VerifyError::Left { what, detail: error.to_string(), remedy });
        }
    }
    result
}

fn pipe(from: &Address, to: &Address) -> Result<(), VerifyError> {
    let failed = |name: &str, error: &std::io::Error| {
        VerifyError::Program(format!("{name} cannot be started ({error}); install the client programs of PostgreSQL"))
    };
    let mut dump = Command::new("pg_dump");
    // Dropping a restored subscription would drop the slot of its publisher.
    dump.args(["--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-password"]);
    dump.args(["--no-subscriptions", "--no-publications", "--lock-wait-timeout=60s"]);
    environment(&mut dump, from);
    let mut dump = dump.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let dump = dump.as_mut().map_err(|error| failed("pg_dump", error))?;
    let mut restore = Command::new("pg_restore");
    restore.args(["--no-owner", "--no-privileges", "--no-password", "--exit-on-error"]);
    restore.args(["--dbname", to.config.get_dbname().unwrap_or_default()]);
    environment(&mut restore, to);
    let input = dump.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let restore = restore.stdin(input).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let restored =
        restore.map_err(|error| failed("pg_restore", &error)).and_then(|restore| ended("pg_restore", restore));
    if restored.is_err() {
        // A reader that is gone ends it as well, unless it waits for the server.
        let _ = dump.kill();
    }
    let status = dump.wait().map_err(|error| VerifyError::Program(error.to_string()))?;
    let said = dump.stderr.take().map(std::io::read_to_string).and_then(Result::ok).unwrap_or_default();
    if !status.success() && !said.trim().is_empty() {
        return Err(VerifyError::Program(format!("pg_dump: {}", said.lines().next().unwrap_or_default())));
    }
    restored
}

fn ended(name: &str, child: Child) -> Result<(), VerifyError> {
    let output = child.wait_with_output().map_err(|error| VerifyError::Program(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(VerifyError::Program(format!("{name}: {}", text.lines().next().unwrap_or_default())))
}

/// Gives a program the address; the list of processes shows no password.
fn environment(command: &mut Command, address: &Address) {
    let config = &address.config;
    let list = |parts: Vec<String>| (!parts.is_empty()).then(|| parts.join(","));
    let name = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    };
    let host = list(config.get_hosts().iter().map(name).collect());
    let host_address = list(config.get_hostaddrs().iter().map(ToString::to_string).collect());
    let port = list(config.get_ports().iter().map(ToString::to_string).collect());
    let user = config.get_user().map(str::to_owned);
    let password = config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let mode = match (config.get_ssl_mode(), address.verify) {
        (SslMode::Disable, _) => "disable",
        (_, Verify::Chain) => "verify-ca",
        (_, Verify::Name) => "verify-full",
        (SslMode::Require, Verify::Nothing) => "require",
        _ => "prefer",
    };
    let values = [
        ("PGHOST", host),
        ("PGHOSTADDR", host_address),
        ("PGPORT", port),
        ("PGUSER", user),
        ("PGPASSWORD", password),
        ("PGDATABASE", config.get_dbname().map(str::to_owned)),
        ("PGSSLMODE", Some(mode.to_owned())),
    ];
    // The environment of the caller must not lead to another server; a service has precedence over the variables below.
    for name in ["PGSERVICE", "PGOPTIONS", "PGTARGETSESSIONATTRS"] {
        command.env_remove(name);
    }
    for (name, value) in values {
        command.env_remove(name);
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    if let Roots::File(path) = &address.roots {
        command.env("PGSSLROOTCERT", path);
    }
}
