//! Starts Redis, PostgreSQL and the exporters that Prometheus scrapes.

use std::{
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::process::{Peer, free_ports};

/// Running servers with their exporters.
#[derive(Debug)]
pub(crate) struct Exporters {
    _node: Peer,
    redis: Option<Peer>,
    _postgres: Peer,
    /// `host:port` of the node, Redis and PostgreSQL exporters.
    pub(crate) targets: [String; 3],
    // Fields are dropped in this order: exporters, servers, files.
    _servers: [Peer; 2],
    _files: TempDir,
}

impl Exporters {
    pub(crate) fn start(folder: &Path) -> Self {
        let [node_port, redis_port, redis_exporter_port, postgres_port, postgres_exporter_port] = free_ports();
        let redis_server = redis_server(folder, redis_port);
        let (postgres_server, files) = postgres_server(folder, postgres_port);

        let target = |port: u16| format!("127.0.0.1:{port}");
        let targets = [target(node_port), target(redis_exporter_port), target(postgres_exporter_port)];
        let exporter = |name: &str, target: &str, set_up: &dyn Fn(&mut Command)| {
            let mut command = Command::new(name);
            command.arg(format!("--web.listen-address={target}"));
            set_up(&mut command);
            let mut peer = Peer::start(folder, name, command);
            peer.wait_for(&format!("http://{target}/metrics"));
            peer
        };
        let node = exporter("prometheus-node-exporter", &targets[0], &|_| {});
        let redis = exporter("prometheus-redis-exporter", &targets[1], &|command| {
            command.arg(format!("--redis.addr=redis://127.0.0.1:{redis_port}"));
        });
        let postgres = exporter("prometheus-postgres-exporter", &targets[2], &|command| {
            let source = format!("postgresql://postgres@127.0.0.1:{postgres_port}/postgres?sslmode=disable");
            command.env("DATA_SOURCE_NAME", source);
        });
        let (_node, redis, _postgres) = (node, Some(redis), postgres);
        Self { _node, redis, _postgres, targets, _servers: [redis_server, postgres_server], _files: files }
    }
}

impl Exporters {
    /// Stops the Redis exporter; Redis itself keeps running.
    pub(crate) fn stop_redis_exporter(&mut self) {
        drop(self.redis.take());
    }
}

fn redis_server(folder: &Path, port: u16) -> Peer {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder).args(["--port", &port.to_string()]);
    let mut peer = Peer::start(folder, "redis-server", command);
    peer.wait_until("listening", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    peer
}

/// Starts PostgreSQL on a new cluster; as user `postgres` when the test runs as root, which PostgreSQL does not allow.
fn postgres_server(folder: &Path, port: u16) -> (Peer, TempDir) {
    // A separate folder, since user `postgres` cannot read a folder of root.
    let files = TempDir::with_prefix("almanac-postgres-").unwrap();
    let data = files.path().join("data");
    let owner = (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])));
    if let Some((user, group)) = owner {
        std::os::unix::fs::chown(files.path(), Some(user), Some(group)).unwrap();
    }
    let program = |name: &str| {
        let mut command = Command::new(newest_postgres().join(name));
        command.current_dir(files.path()).arg("-D").arg(&data);
        if let Some((user, group)) = owner {
            command.uid(user).gid(group);
        }
        command
    };
    let mut initdb = program("initdb");
    initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]);
    let made = initdb.output().unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

    let mut postgres = program("postgres");
    postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]);
    postgres.args(["-p", &port.to_string()]);
    let mut peer = Peer::start(folder, "postgres", postgres);
    let ready = newest_postgres().join("pg_isready");
    peer.wait_until("ready", || {
        let status = Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
        status.is_ok_and(|status| status.success())
    });
    (peer, files)
}

/// Returns Debian's folder with the programs of the newest PostgreSQL.
fn newest_postgres() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: run scripts/peers.sh");
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.unwrap().path()).max_by_key(number);
    newest.expect("PostgreSQL has a version").join("bin")
}

fn id(args: &[&str]) -> u32 {
    let output = Command::new("id").args(args).output().unwrap();
    assert!(output.status.success(), "id {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
