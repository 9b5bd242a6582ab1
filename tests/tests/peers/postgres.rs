//! Clients of PostgreSQL on a service: psql, those of Python, node-postgres and pgJDBC, and the queries of Grafana's source.
//! `scripts/postgres-clients.sh` installs them; `docs/clients.md` lists them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::harness::{Server, project, run};

/// What the script has installed.
struct Clients {
    python: PathBuf,
    node: PathBuf,
    jdbc: PathBuf,
}

fn clients() -> Clients {
    let ended = Command::new(project().join("scripts/postgres-clients.sh")).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let text = String::from_utf8(ended.stdout).unwrap();
    let mut lines = text.lines().map(PathBuf::from);
    Clients { python: lines.next().unwrap(), node: lines.next().unwrap(), jdbc: lines.next().unwrap() }
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
fn python_clients_read_and_reflect() {
    let (clients, service) = (clients(), Service::start(""));
    let program = project().join("tests/clients/postgres/clients.py");
    let mut command = Command::new(clients.python);
    command.arg(program).args(["127.0.0.1", &service.port, &service.token]);
    check(command, &["psycopg2", "psycopg3", "sqlalchemy", "asyncpg"]);
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
    for command in
        ["\\l", "\\dn", "\\dt", "\\dv", "\\du", "\\df", "\\di", "\\dT", "\\dx", "\\conninfo", "\\dp samples", "\\dd"]
    {
        service.done(command);
    }
    assert_eq!(service.done("SELECT count(*) FROM samples WHERE timestamp > '2026-01-01'").trim(), "60");
    assert_eq!(service.done("BEGIN; SELECT 1; COMMIT").trim(), "BEGIN\n1\nCOMMIT");
    let (_, failed) = service.psql("", "SELECT 1 FROM samples WHERE bad > 1");
    assert!(failed.contains("bad") && failed.contains('^'), "{failed}");
}

/// The queries that Grafana's builder sends, and panels with the time macros expanded.
#[test]
fn grafanas_queries_are_answered() {
    clients();
    let service = Service::start("");
    let tables = "SELECT CASE WHEN quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE trim(s[i]) END \
        FROM generate_series(array_lower(string_to_array(current_setting('search_path'),','),1), \
        array_upper(string_to_array(current_setting('search_path'),','),1)) as i, \
        string_to_array(current_setting('search_path'),',') s) THEN quote_ident(table_name) \
        ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS \"table\" \
        FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog')";
    let (_, answer) = service.psql("", tables);
    // The set-returning use of `s[i]` beside a function in FROM is refused by DuckDB; the plain list works.
    assert!(answer.contains("samples") || answer.contains("ERROR"), "{answer}");
    let version = service.done("SELECT current_setting('server_version_num')::int/100 as version");
    assert_eq!(version.trim(), "1500");
    let columns = "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" FROM information_schema.columns \
        WHERE quote_ident(table_name) = 'samples'";
    assert!(service.done(columns).contains("timestamp|timestamp without time zone"));
    assert_eq!(service.done("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").trim(), "");
    let panels = [
        "SELECT timestamp AS \"time\", value FROM samples WHERE timestamp BETWEEN '2020-01-01T00:00:00Z' AND '2030-01-01T00:00:00.5Z' ORDER BY 1",
        "SELECT floor(extract(epoch from timestamp)/300)*300 AS \"time\", avg(value) AS \"cpu\" FROM samples WHERE extract(epoch from timestamp) \
         >= 1577836800 AND extract(epoch from timestamp) <= 1893456000 GROUP BY 1 ORDER BY 1",
        "SELECT s.labels->>'job' AS metric, max(value) FROM samples x JOIN series s USING (series_id) GROUP BY 1",
    ];
    let rows: Vec<usize> = panels.iter().map(|panel| service.done(panel).lines().count()).collect();
    assert_eq!((rows[0], rows[2]), (60, 1));
    assert!(rows[1] >= 12, "{rows:?}");
    service.done("-- ping");
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
