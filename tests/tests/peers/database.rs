//! A real PostgreSQL server that Almanac reads: as the role of the grant script, through resets and restarts, with TLS,
//! without rights and extensions, with 50,000 families.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use almanac_engine::database::Catalogue;
use tempfile::TempDir;

use super::{
    harness::{Server, project},
    process::{Peer, free_ports},
};

/// Password of the role; it must appear nowhere.
const PASSWORD: &str = "s3cret-of-the-role";
/// Settings of a server that counts statements and logs plans.
const SETTINGS: &str = "shared_preload_libraries = 'pg_stat_statements,auto_explain'\n\
    auto_explain.log_min_duration = 0\nauto_explain.log_format = json\nauto_explain.log_analyze = on\nlogging_collector = on\n\
    log_directory = 'log'\nlog_filename = 'postgresql.log'\nlog_file_mode = 0644\n";

/// A cluster of the test. Root runs it as user `postgres`, since PostgreSQL does not run as root.
pub(super) struct Cluster {
    files: TempDir,
    pub(super) port: u16,
    owner: Option<(u32, u32)>,
    peer: Option<Peer>,
}

impl Cluster {
    pub(super) fn new(settings: &str) -> Self {
        let files = TempDir::with_prefix("almanac-database-").unwrap();
        let owner = (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])));
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(files.path(), Some(user), Some(group)).unwrap();
        }
        let [port] = free_ports();
        let mut cluster = Self { files, port, owner, peer: None };
        let mut initdb = cluster.program("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        cluster.write("data/postgresql.auto.conf", settings);
        cluster.write(
            "data/pg_hba.conf",
            "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
        );
        cluster.start();
        cluster
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(newest_postgres().join(name));
        command.current_dir(self.files.path()).arg("-D").arg(self.files.path().join("data"));
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Writes a file that the server's user owns and nobody else reads.
    fn write(&self, name: &str, text: &str) {
        let path = self.files.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.owner {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
    }

    fn start(&mut self) {
        let mut postgres = self.program("postgres");
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]);
        postgres.args(["-p", &self.port.to_string()]);
        let logs = TempDir::with_prefix("almanac-database-log-").unwrap();
        let mut peer = Peer::start(&logs.keep(), "postgres", postgres);
        let (ready, port) = (newest_postgres().join("pg_isready"), self.port.to_string());
        peer.wait_until("ready", || {
            let status = Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            status.is_ok_and(|status| status.success())
        });
        self.peer = Some(peer);
    }

    fn stop(&mut self) {
        // The log is written until the end, so that the server does not wait for clients.
        let mut stop = self.program("pg_ctl");
        assert!(stop.args(["stop", "-m", "fast", "-w"]).output().unwrap().status.success());
        self.peer = None;
    }

    /// Returns the path of a file of the cluster.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Runs SQL as the superuser and returns what psql prints.
    pub(super) fn sql(&self, sql: &str) -> String {
        self.psql(&["-c", sql])
    }

    pub(super) fn psql(&self, args: &[&str]) -> String {
        let mut psql = Command::new(newest_postgres().join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres", "-p"]);
        let ended = psql.arg(self.port.to_string()).args(args).output().unwrap();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    }

    /// Gives the role `almanac` its rights by the shipped script, and a password.
    fn grant(&self) {
        self.psql(&["-f", project().join("docs/advisors/database-grants.sql").to_str().unwrap()]);
        self.sql(&format!("ALTER ROLE almanac PASSWORD '{PASSWORD}'"));
    }

    fn url(&self, options: &str) -> String {
        format!("postgres://almanac:{PASSWORD}@127.0.0.1:{}/postgres{options}", self.port)
    }

    /// Starts a service that reads this server every five seconds.
    fn almanac(&self, url: &str, further: &str) -> Watcher {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("url"), url).unwrap();
        let config = format!("[[database]]\nname = \"app\"\nurl_file = \"url\"\nevery = \"5s\"\n{further}");
        fs::write(folder.path().join("almanac.toml"), config).unwrap();
        let server = Server::start(folder.path());
        Watcher { server, folder }
    }
}

/// A service that reads a cluster.
struct Watcher {
    server: Server,
    folder: TempDir,
}

impl Watcher {
    /// Waits until a query has an answer whose first value is true.
    fn wait_for(&self, sql: &str) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while self.server.sql(sql)[0][0] != true {
            assert!(Instant::now() < deadline, "{sql}: {}\n{:#?}", self.server.sql(sql), self.server.log());
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn wait_for_line(&self, part: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            if let Some(line) = self.server.log().into_iter().find(|line| line.contains(part)) {
                return line;
            }
            assert!(Instant::now() < deadline, "{part}: {:#?}", self.server.log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits for a sample of a series with at least this value.
    fn wait_for_sample(&self, series: &str, least: f64) {
        self.wait_for(&format!(
            "SELECT coalesce(max(v.value), -1) >= {least} FROM samples v JOIN series s USING (series_id) WHERE s.series LIKE '{series}'"
        ));
    }

    /// Sends a signal to the service.
    fn signal(&self, name: &str) {
        let pid = self.server.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Stops the service; it must end soon, and the password be nowhere.
    fn stop(self) {
        let answers = ["/api/v1/status/config", "/v1/advice", "/metrics"].map(|path| self.server.get(path).text());
        let log = self.server.log().join("\n");
        for text in answers.iter().chain([&log]) {
            assert!(!text.contains(PASSWORD), "{text}");
        }
        let started = Instant::now();
        assert!(self.server.stop().success());
        assert!(started.elapsed() < Duration::from_secs(20));
        let store = fs::read(self.folder.path().join("almanac.duckdb")).unwrap();
        assert!(!store.windows(PASSWORD.len()).any(|bytes| bytes == PASSWORD.as_bytes()));
    }
}

fn newest_postgres() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: run scripts/peers.sh");
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.unwrap().path()).max_by_key(number);
    newest.expect("PostgreSQL has a version").join("bin")
}

fn id(args: &[&str]) -> u32 {
    let output = Command::new("id").args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

const TABLES: &str = "CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE);
    CREATE TABLE tasks (id bigserial PRIMARY KEY, user_id bigint REFERENCES users, status text NOT NULL);
    CREATE INDEX tasks_status ON tasks (status) WHERE status = 'open';
    INSERT INTO users (email) SELECT 'person' || i || '@example.org' FROM generate_series(1, 100) i;
    INSERT INTO tasks (user_id, status) SELECT 1 + i % 100, CASE WHEN i % 10 = 0 THEN 'open' ELSE 'done' END FROM generate_series(1, 5000) i;
    CREATE TABLE pictures (id bigserial PRIMARY KEY, name text NOT NULL, image bytea NOT NULL, scan bytea);
    INSERT INTO pictures (name, image) SELECT 'picture ' || i || ' of many',
        (SELECT decode(string_agg(md5(i || ':' || j), ''), 'hex') FROM generate_series(1, 250) j) FROM generate_series(1, 500) i;
    ANALYZE";

#[test]
fn statements_tables_and_plans_are_read_by_the_role_of_the_script() {
    let mut cluster = Cluster::new(SETTINGS);
    cluster.sql(TABLES);
    cluster.grant();
    let log = cluster.files.path().join("data/log/postgresql.log");
    // The folder of the cluster is closed to others; the log is followed by root or by the cluster's own user.
    let watcher = cluster.almanac(&cluster.url(""), &format!("log = {:?}\n", log.display().to_string()));
    watcher.wait_for_sample("pg_table_live_rows{%public.tasks%", 5_000.0);
    let run = |cluster: &Cluster, times: usize| {
        for user in 0..times {
            cluster.sql(&format!("SELECT count(*) FROM tasks WHERE user_id = {user} AND status = 'planted'"));
        }
        cluster.sql("UPDATE tasks SET status = 'done' WHERE id <= 20");
    };
    run(&cluster, 10);
    let of_family = "FROM database_statement_use u JOIN database_statements s USING (database, family) WHERE s.statement LIKE \
        'SELECT count(*) FROM tasks WHERE user_id = $1 AND status = $2'";
    watcher.wait_for(&format!("SELECT coalesce(sum(calls), 0) >= 10 {of_family}"));
    assert_eq!(
        watcher.server.sql(&format!("SELECT sum(calls), sum(rows) {of_family}"))[0],
        serde_json::json!([10.0, 10.0])
    );
    watcher.wait_for("SELECT coalesce(sum(updated), 0) = 20 FROM database_table_use WHERE relation = 'public.tasks'");
    watcher
        .wait_for("SELECT count(*) > 0 FROM database_index_use WHERE index_name = 'public.tasks_status' AND scans = 0");
    watcher.wait_for_sample("pg_statement_calls_total{%", 10.0);
    watcher.wait_for_sample("pg_server_connections{%", 0.0);
    // Plans of the log, without their literals.
    run(&cluster, 2);
    watcher.wait_for(
        "SELECT count(*) > 0 FROM database_statements WHERE plans LIKE '%Seq Scan%' AND statement LIKE '%user_id%'",
    );
    for table in ["database_statements", "database_catalogues"] {
        let found = watcher.server.sql(&format!(
            "SELECT count(*) FROM {table} t WHERE t::VARCHAR LIKE '%@example.org%' OR t::VARCHAR LIKE '%planted%'"
        ));
        assert_eq!(found[0][0], 0, "values of {table} stay in the database");
    }
    // The catalogue has statistics, though the role cannot read a row.
    let catalogue: serde_json::Value = serde_json::from_str(
        watcher.server.sql("SELECT catalogue FROM database_catalogues WHERE database = 'app'")[0][0].as_str().unwrap(),
    )
    .unwrap();
    assert_eq!(catalogue["lacks"], serde_json::json!([]));
    let tables = catalogue["tables"].as_array().unwrap();
    let tasks = tables.iter().find(|table| table["name"] == "tasks").unwrap();
    assert_eq!(tasks["columns"][2]["statistics"]["distinct"], 2.0);
    assert_eq!(tasks["indexes"][1]["predicate"], "(status = 'open'::text)");
    // Statistics count the pointer of a picture of 4,000 bytes, which is stored out of line.
    let catalogue: Catalogue = serde_json::from_value(catalogue).unwrap();
    let pictures = catalogue.tables.iter().find(|table| table.name == "pictures").unwrap();
    let bytes: Vec<Option<f64>> = pictures.columns.iter().map(|column| pictures.value_bytes(column)).collect();
    let [Some(8.0), Some(name), Some(image), Some(0.0)] = bytes.as_slice() else { panic!("{bytes:?}") };
    assert!(*name < 30.0 && (4_000.0..5_500.0).contains(image), "{bytes:?}");
    let denied = Command::new(newest_postgres().join("psql"))
        .args(["-XAtq", &cluster.url(""), "-c", "SELECT * FROM tasks"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&denied.stderr).contains("permission denied"));

    // A reset, then a restart: the sums go on, and nothing counts twice. What runs between the last snapshot and a reset is
    // lost, so that all is counted before.
    watcher.wait_for(&format!("SELECT coalesce(sum(calls), 0) >= 12 {of_family}"));
    cluster.sql("SELECT pg_stat_statements_reset()");
    run(&cluster, 3);
    watcher.wait_for_line("statement_reset");
    watcher.wait_for(&format!("SELECT sum(calls) = 15 {of_family}"));
    cluster.stop();
    watcher.wait_for_line("the database cannot be read; it is tried again");
    watcher.wait_for(
        "SELECT arg_max(value, timestamp) = 0 FROM samples JOIN series USING (series_id) WHERE name = 'pg_up'",
    );
    cluster.start();
    watcher.wait_for_line("the database is read again");
    watcher.wait_for_line("event=\"restart\"");
    run(&cluster, 4);
    watcher.wait_for(&format!("SELECT sum(calls) = 19 {of_family}"));
    watcher.wait_for_sample("pg_statement_calls_total{%", 19.0);
    watcher.stop();
}

#[test]
fn what_is_missing_has_a_line_each_and_the_rest_is_read() {
    let cluster = Cluster::new("");
    cluster.sql(TABLES);
    cluster.sql(&format!("CREATE ROLE almanac LOGIN PASSWORD '{PASSWORD}'"));
    let watcher = cluster.almanac(&cluster.url(""), "");
    for remedy in [
        "CREATE EXTENSION pg_stat_statements",
        "GRANT pg_read_all_stats TO almanac",
        "docs/advisors/database-grants.sql",
    ] {
        watcher.wait_for_line(remedy);
    }
    watcher.wait_for_sample("pg_table_live_rows{%public.tasks%", 5_000.0);
    watcher.wait_for("SELECT count(*) > 0 FROM database_catalogues WHERE catalogue LIKE '%GRANT pg_read_all_stats%'");
    watcher.stop();
    // A wrong password and a wrong port are a line each, and the service runs and stops.
    let wrong = cluster.url("").replace(PASSWORD, "wrong");
    let watcher = cluster.almanac(&wrong, "");
    let line = watcher.wait_for_line("the database cannot be read");
    assert!(line.contains("password authentication failed"), "{line}");
    watcher.stop();
    let watcher = cluster.almanac("postgres://almanac@127.0.0.1:1/postgres", "");
    let line = watcher.wait_for_line("the database cannot be read");
    assert!(line.contains("Connection refused"), "{line}");
    watcher.stop();
}

/// Writes an authority, and a certificate of it for `localhost` with its key.
fn write_certificates(folder: &Path) -> (String, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn tls_is_verified_as_sslmode_says() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = write_certificates(folder.path());
    let mut cluster = Cluster::new("");
    cluster.grant_without_extension();
    cluster.stop();
    cluster.write("data/server.crt", &certificate);
    cluster.write("data/server.key", &key);
    cluster.write("data/postgresql.auto.conf", "ssl = on\n");
    cluster.write(
        "data/pg_hba.conf",
        "hostssl all all 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n",
    );
    cluster.start();
    let ca = folder.path().join("ca.pem").display().to_string();
    let named = |options: &str| cluster.url(options).replace("127.0.0.1", "localhost");
    for url in [
        cluster.url(""),
        cluster.url("?sslmode=require"),
        cluster.url(&format!("?sslmode=verify-ca&sslrootcert={ca}")),
        named(&format!("?sslmode=verify-full&sslrootcert={ca}")),
    ] {
        let watcher = cluster.almanac(&url, "");
        watcher.wait_for_sample("pg_up{%", 1.0);
        watcher.stop();
    }
    for (url, expected) in [
        (cluster.url("?sslmode=disable"), "pg_hba.conf"),
        (cluster.url(&format!("?sslmode=verify-full&sslrootcert={ca}")), "certificate"),
        (named("?sslmode=verify-full"), "certificate"),
        (named("?sslmode=verify-full&sslrootcert=missing.pem"), "missing.pem cannot be read"),
    ] {
        let watcher = cluster.almanac(&url, "");
        let line = watcher.wait_for_line("the database cannot be read");
        assert!(line.contains(expected), "{line}");
        watcher.stop();
    }
}

impl Cluster {
    fn grant_without_extension(&self) {
        self.sql(&format!("CREATE ROLE almanac LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_stats TO almanac"));
    }
}

#[test]
fn fifty_thousand_families_are_read_in_bounds() {
    let cluster = Cluster::new(
        "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.max = 60000\npg_stat_statements.track = all\n",
    );
    cluster.grant();
    let watcher = cluster.almanac(&cluster.url(""), "");
    watcher.wait_for_sample("pg_up{%", 1.0);
    // Each has its own series of operators: aliases and constants do not make a family. The service stands still meanwhile, since
    // a snapshot in the middle would store the heaviest of those made so far.
    watcher.signal("-STOP");
    cluster.sql(
        "DO $$ DECLARE t text; BEGIN FOR i IN 1..50000 LOOP t := 'SELECT 1'; FOR b IN 0..15 LOOP \
         t := t || CASE WHEN (i >> b) & 1 = 1 THEN ' + 1' ELSE ' - 1' END; END LOOP; EXECUTE t; END LOOP; END $$",
    );
    watcher.signal("-CONT");
    // The 5,000 heaviest are stored one by one, the others as a sum.
    watcher.wait_for("SELECT coalesce(sum(calls), 0) >= 50000 FROM database_statement_use");
    watcher.wait_for("SELECT count(*) > 4000 AND count(*) < 6000 FROM database_statements");
    watcher.wait_for("SELECT coalesce(sum(calls), 0) > 40000 FROM database_statement_use WHERE family = 'other'");
    let series = watcher.server.sql("SELECT count(*) FROM series WHERE name = 'pg_statement_calls_total'");
    assert!(series[0][0].as_u64().unwrap() <= 400, "{series}");
    watcher.stop();
}
