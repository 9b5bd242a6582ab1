//! Clients of PostgreSQL on a service: psql, node-postgres and pgJDBC. `scripts/postgres-clients.sh` installs them;
//! `docs/clients.md` lists them with those of Python and Rust, whose tests are in `tests/tests/e2e/postgres`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::harness::{Server, project, run};

/// What the script has installed.
struct Clients {
    node: PathBuf,
    jdbc: PathBuf,
}

fn clients() -> Clients {
    let ended = Command::new(project().join("scripts/postgres-clients.sh")).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let text = String::from_utf8(ended.stdout).unwrap();
    let mut lines = text.lines().map(PathBuf::from);
    Clients { node: lines.next().unwrap(), jdbc: lines.next().unwrap() }
}

/// A service with an hour of samples, its port for PostgreSQL's clients, and a token.
struct Service {
    _folder: tempfile::TempDir,
    _server: Server,
    port: String,
    token: String,
}

impl Service {
    fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ended = run(folder.path(), ["token", "new", "--scope", "sql,ingest", "--name", "analyst"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let token = ended.stdout.trim().to_owned();
        fs::write(folder.path().join("almanac.toml"), settings).unwrap();
        let server = Server::start_with(folder.path(), &["--postgres-listen", "127.0.0.1:0"]).with_token(&token);
        let text: String = (0..60_u64)
            .map(|minute| format!("cpu{{job=\"api\"}} {minute} {}\n", 1_790_000_000_000 + minute * 60_000))
            .collect();
        if settings.is_empty() {
            let reply = server.post("/v1/import", "text/plain; version=0.0.4", text);
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let log = server.log();
        let line = log.iter().find(|line| line.contains("clients of PostgreSQL")).unwrap();
        let port = line.rsplit_once(':').unwrap().1.to_owned();
        Self { _folder: folder, _server: server, port, token }
    }

    /// Runs psql with a connection string and a command; returns whether it succeeded and what it printed.
    fn psql(&self, connection: &str, command: &str) -> (bool, String) {
        let base = format!("host=127.0.0.1 port={} user=anyone dbname=anything {connection}", self.port);
        let ended =
            Command::new("psql").args(["-X", "-A", "-t", &base, "-c", command]).env("PGPASSWORD", &self.token).output();
        let ended = ended.unwrap_or_else(|error| panic!("psql ({error}): run scripts/postgres-clients.sh"));
        let text = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (ended.status.success(), text)
    }

    fn done(&self, command: &str) -> String {
        let (succeeded, text) = self.psql("", command);
        assert!(succeeded, "{command}: {text}");
        text
    }
}

/// Runs a program of a client; each expected line has to be printed.
fn check(mut command: Command, expected: &[&str]) {
    let ended = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{stdout}\n{stderr}");
    let lines: Vec<&str> = stdout.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert_eq!(lines, expected, "{stdout}\n{stderr}");
}

#[test]
fn node_postgres_reads_by_cursors_too() {
    let (clients, service) = (clients(), Service::start(""));
    let mut command = Command::new("node");
    command.current_dir(clients.node).args(["client.mjs", "127.0.0.1", &service.port, &service.token]);
    check(command, &["node-postgres"]);
}

#[test]
fn pgjdbc_reads_binary_values_metadata_and_by_portions() {
    let (clients, service) = (clients(), Service::start(""));
    let mut command = Command::new("java");
    command.arg("-cp").arg(clients.jdbc).arg(project().join("tests/clients/postgres/Jdbc.java"));
    command.args(["127.0.0.1", &service.port, &service.token]);
    check(command, &["pgjdbc statements", "pgjdbc metadata", "pgjdbc fetch size"]);
}

/// Commands of psql that list something.
const LISTS: [&str; 52] = [
    "\\d+",
    "\\dt *.*",
    "\\dv+",
    "\\dn+",
    "\\df",
    "\\df+",
    "\\dd",
    "\\l+",
    "\\du+",
    "\\dg",
    "\\di",
    "\\ds",
    "\\dT",
    "\\dT+",
    "\\dx",
    "\\dp",
    "\\z samples",
    "\\db",
    "\\da",
    "\\do",
    "\\dO",
    "\\dc",
    "\\dC",
    "\\dD",
    "\\dE",
    "\\des",
    "\\det",
    "\\deu",
    "\\dew",
    "\\dF",
    "\\dFd",
    "\\dFp",
    "\\dFt",
    "\\dL",
    "\\dm",
    "\\dP",
    "\\drds",
    "\\dRp",
    "\\dRs",
    "\\dy",
    "\\ddp",
    "\\dA",
    "\\dl",
    "\\dconfig",
    "\\dS",
    "\\d pg_class",
    "\\sv samples",
    "\\encoding",
    "\\d public.*",
    "\\d pg_catalog.*",
    "\\dt information_schema.*",
    "\\x",
];

/// Statements like those that psql sends to complete a word, with a name that it offers.
const COMPLETIONS: [(&str, &str); 4] = [
    (
        "SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'sam%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') LIMIT 1000",
        "samples",
    ),
    (
        "SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'pub%' AND n.nspname NOT LIKE E'pg\\\\_%' LIMIT 1000",
        "public",
    ),
    (
        "SELECT a.attname, NULL::pg_catalog.text FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE a.attnum > 0 AND NOT a.attisdropped AND c.oid = a.attrelid AND (a.attname) LIKE 'series_i%' AND c.relname = 'samples' AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000",
        "series_id",
    ),
    (
        "SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser') AND pg_catalog.lower(name) LIKE pg_catalog.lower('TimeZ%') LIMIT 1000",
        "timezone",
    ),
];

#[test]
fn psql_lists_and_describes_views() {
    clients();
    let service = Service::start("");
    let listed = service.done("\\d");
    assert!(
        listed.contains("public|samples|view|almanac") && listed.contains("public|series|view|almanac"),
        "{listed}"
    );
    let described = service.done("\\d samples");
    for column in ["series_id|bigint|", "timestamp|timestamp without time zone|", "value|double precision|"] {
        assert!(described.contains(column), "{described}");
    }
    assert!(service.done("\\d+ series").contains("labels|json|"));
    for command in LISTS {
        service.done(command);
    }
    assert!(service.done("\\l").contains("almanac|almanac|UTF8"));
    assert_eq!(service.done("\\dn").trim(), "public|almanac");
    assert_eq!(service.done("\\du").trim(), "almanac||{}");
    assert!(service.done("\\dv samp*").contains("public|samples|view|almanac"));
    assert_eq!(service.done("\\dt").trim(), "Did not find any relations.");
    assert!(service.done("\\conninfo").contains("You are connected to database \"anything\" as user \"anyone\""));
    assert!(service.done("\\timing").contains("Timing is on"));
    assert_eq!(
        service.done("\\copy (SELECT max(value), 'a,b' AS t FROM samples) TO STDOUT CSV HEADER"),
        "max,t\n59,\"a,b\"\n"
    );
    assert_eq!(service.done("SELECT count(*) FROM samples WHERE timestamp > '2026-01-01'").trim(), "60");
    assert_eq!(service.done("BEGIN; SELECT 1; COMMIT").trim(), "BEGIN\n1\nCOMMIT");
    for (completion, expected) in COMPLETIONS {
        assert!(service.done(completion).contains(expected), "{completion}");
    }
    let (_, failed) = service.psql("", "SELECT 1 FROM samples WHERE bad > 1");
    assert!(failed.contains("bad") && failed.contains('^'), "{failed}");
}

/// Writes a certificate without an authority, with its key.
fn write_certificate(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn psql_uses_tls_where_it_is_configured() {
    clients();
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let settings =
        format!("[server]\ntls_cert = \"{0}/cert.pem\"\ntls_key = \"{0}/key.pem\"\n", folder.path().display());
    let service = Service::start(&settings);
    for mode in ["prefer", "require", "disable"] {
        let (succeeded, text) = service.psql(&format!("sslmode={mode}"), "SELECT 42");
        assert!(succeeded && text.trim() == "42", "{mode}: {text}");
    }
    let (_, shown) = service.psql("sslmode=require", "\\conninfo");
    assert!(shown.contains("SSL connection"), "{shown}");
}

#[test]
fn without_tls_a_client_that_requires_it_is_refused_and_wrong_tokens_too() {
    clients();
    let service = Service::start("");
    let (succeeded, text) = service.psql("sslmode=require", "SELECT 1");
    assert!(!succeeded && text.contains("does not support SSL"), "{text}");
    let (succeeded, text) = service.psql("password=wrong", "SELECT 1");
    assert!(!succeeded && text.contains("the token is not valid for this service"), "{text}");
}
