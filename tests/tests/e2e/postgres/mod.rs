//! PostgreSQL's protocol with the clients that people use: tokio-postgres and those of Python; and with raw sockets what no
//! well-behaved client sends.

mod access;
mod functions;
mod grafana;
mod hostile;
mod meaning;
mod portals;
mod python;
mod raw;
mod session;
mod tls;
mod tools;
mod types;

use std::{fs, path::Path};

use tokio_postgres::{Client, Config, NoTls};

use crate::harness::{Server, almanac, run};

/// Line with which the service reports the address for PostgreSQL's clients.
const LISTENING: &str = "almanac: listening for clients of PostgreSQL on postgresql://";

/// First sample of the service's series, in milliseconds: 2026-09-21T14:13:20Z.
const START_MS: u64 = 1_790_000_000_000;

/// A service with an hour of samples, its port for PostgreSQL's clients, and a token of the scope `sql`.
struct Service {
    folder: tempfile::TempDir,
    server: Server,
    port: u16,
    token: String,
}

impl Service {
    /// Starts a service with a configuration.
    fn start(settings: &str) -> Self {
        Self::prepared(settings, |_| {})
    }

    /// Starts a service in a folder that `prepare` has written files to.
    fn prepared(settings: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let made = run(folder.path(), ["token", "new", "--scope", "sql", "--name", "analyst"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        fs::write(folder.path().join("almanac.toml"), settings).unwrap();
        let samples = (0..60).map(|minute| format!("cpu{{job=\"api\"}} {minute} {}\n", START_MS + minute * 60_000));
        fs::write(folder.path().join("cpu.prom"), samples.collect::<String>()).unwrap();
        let imported = run(folder.path(), ["import", "cpu.prom"]);
        assert_eq!(imported.code, Some(0), "{}", imported.stderr);
        let mut command = almanac(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--postgres-listen", "127.0.0.1:0", "--log", "info"]);
        let server = Server::from_command(command);
        let port = port_of(&server);
        Self { folder, server, port, token: made.stdout.trim().to_owned() }
    }

    /// Returns the configuration of a client with the token.
    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("anyone").dbname("anything").password(&self.token);
        config
    }

    /// Connects a client; its connection runs on the runtime until the client is dropped.
    async fn connect(&self) -> Client {
        let (client, connection) = self.config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Runs a test of a client on a runtime of its own.
    fn with_client<F: Future<Output = ()>>(&self, test: impl FnOnce(Client) -> F) {
        runtime().block_on(async { test(self.connect().await).await });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Returns the port that a service has reported.
fn port_of(server: &Server) -> u16 {
    let log = server.log();
    let address = log.iter().find_map(|line| line.strip_prefix(LISTENING)).unwrap_or_else(|| panic!("{log:#?}"));
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Returns SQLSTATE and message of an error.
fn received(error: &tokio_postgres::Error) -> (String, String) {
    let received = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    (received.code().code().to_owned(), received.message().to_owned())
}

/// Returns the SQLSTATE of an error.
fn sqlstate(error: &tokio_postgres::Error) -> String {
    received(error).0
}
