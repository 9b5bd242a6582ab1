//! A PostgreSQL of its own for a test, its catalogue, and statements with values.

use std::{os::unix::process::CommandExt, path::PathBuf, process::Command};

use almanac_engine::database::{Catalogue, Column, Index, IndexKey, Table, TableKind};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::process::{Peer, free_ports};

/// Rows of a result as text, with the names of its columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Rows {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// Returns the values of a column.
    pub(super) fn column(&self, name: &str) -> Vec<Option<String>> {
        let at = self.names.iter().position(|known| known == name).unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(|row| row[at].clone()).collect()
    }

    /// Returns the first columns of all rows, sorted.
    pub(super) fn multiset(&self, columns: usize) -> Vec<Vec<Option<String>>> {
        let mut rows: Vec<_> = self.rows.iter().map(|row| row[..columns].to_vec()).collect();
        rows.sort();
        rows
    }
}

/// A running PostgreSQL with a connection.
pub(super) struct Database {
    client: Client,
    runtime: Runtime,
    _server: Peer,
    _files: TempDir,
    _logs: TempDir,
}

impl Database {
    /// Starts PostgreSQL on a new cluster; as user `postgres` when the test runs as root, which PostgreSQL does not allow.
    pub(super) fn start() -> Self {
        let logs = tempfile::tempdir().unwrap();
        let files = TempDir::with_prefix("almanac-rewrites-").unwrap();
        let [port] = free_ports();
        let data = files.path().join("data");
        let owner = (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])));
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(files.path(), Some(user), Some(group)).unwrap();
        }
        let program = |name: &str| {
            let mut command = Command::new(programs().join(name));
            command.current_dir(files.path()).arg("-D").arg(&data);
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        let mut initdb = program("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut command = program("postgres");
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]);
        command.args(["-p", &port.to_string()]);
        let mut server = Peer::start(logs.path(), "postgres", command);
        let ready = programs().join("pg_isready");
        server.wait_until("ready", || {
            let status = Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
            status.is_ok_and(|status| status.success())
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let source = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&source, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        Self { client, runtime, _server: server, _files: files, _logs: logs }
    }

    /// Runs statements without a result.
    pub(super) fn run(&self, text: &str) {
        self.runtime.block_on(self.client.batch_execute(text)).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }

    /// Runs one statement without placeholders.
    pub(super) fn rows(&self, text: &str) -> Result<Rows, String> {
        let messages = self.runtime.block_on(self.client.simple_query(text));
        let messages = messages.map_err(|error| format!("{error:?}"))?;
        let mut found = Rows::default();
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    found.names = columns.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::Row(row) => {
                    found.rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Prepares a statement and executes it with values; PostgreSQL infers their types as for a driver.
    pub(super) fn execute(&self, text: &str, values: &[Option<String>]) -> Result<Rows, String> {
        self.runtime
            .block_on(self.client.batch_execute(&format!("PREPARE tested AS {text}")))
            .map_err(|error| format!("{error:?}"))?;
        let values: Vec<String> = values.iter().map(literal).collect();
        let list = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        let found = self.rows(&format!("EXECUTE tested{list}"));
        let _ = self.runtime.block_on(self.client.batch_execute("DEALLOCATE tested"));
        found
    }

    /// Reads tables, columns and indexes of schema `public`.
    pub(super) fn catalogue(&self) -> Catalogue {
        let tables = self
            .rows(
                "SELECT c.oid, c.relname, c.relkind, (SELECT n.relname FROM pg_inherits i JOIN pg_class n ON n.oid = i.inhparent \
                 WHERE i.inhrelid = c.oid) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')",
            )
            .unwrap();
        let mut found = Catalogue { version: 150_000, ..Catalogue::default() };
        for row in tables.rows {
            let (oid, name, kind) = (row[0].clone().unwrap(), row[1].clone().unwrap(), row[2].clone().unwrap());
            let columns = self.rows(&format!(
                "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = {oid} AND attnum > 0 \
                 AND NOT attisdropped ORDER BY attnum"
            ));
            let columns: Vec<Column> = columns
                .unwrap()
                .rows
                .into_iter()
                .map(|row| Column {
                    name: row[0].clone().unwrap(),
                    type_name: row[1].clone().unwrap(),
                    not_null: row[2].as_deref() == Some("t"),
                    statistics: None,
                })
                .collect();
            let indexes = self.rows(&format!(
                "SELECT i.relname, x.indisunique, x.indisprimary, x.indpred IS NOT NULL, pg_get_indexdef(x.indexrelid), \
                 (SELECT string_agg(coalesce(a.attname, ''), ',' ORDER BY k.place) FROM unnest(x.indkey) WITH ORDINALITY AS k(number, \
                 place) LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number), m.amname \
                 FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam WHERE x.indrelid = {oid}"
            ));
            let indexes = indexes.unwrap().rows.into_iter().map(|row| index(&row)).collect();
            found.tables.push(Table {
                schema: "public".to_owned(),
                name,
                kind: match kind.as_str() {
                    "p" => TableKind::Partitioned,
                    "v" => TableKind::View,
                    _ => TableKind::Table,
                },
                parent: row[3].as_ref().map(|parent| format!("public.{parent}")),
                rows: Some(1_000_000.0),
                columns,
                indexes,
                ..Table::default()
            });
        }
        found
    }
}

fn index(row: &[Option<String>]) -> Index {
    let is = |at: usize| row[at].as_deref() == Some("t");
    let keys = row[5].clone().unwrap_or_default();
    Index {
        name: row[0].clone().unwrap(),
        method: row[6].clone().unwrap(),
        keys: keys
            .split(',')
            .map(|name| IndexKey { column: (!name.is_empty()).then(|| name.to_owned()), ..IndexKey::default() })
            .collect(),
        unique: is(1),
        primary: is(2),
        predicate: is(3).then(|| "a condition".to_owned()),
        valid: true,
        definition: row[4].clone().unwrap(),
        ..Index::default()
    }
}

/// Returns a value as a literal of unknown type.
pub(super) fn literal(value: &Option<String>) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
}

/// Returns an array of values as the text of an array.
pub(super) fn array(values: &[Option<String>]) -> Option<String> {
    let elements: Vec<String> = values
        .iter()
        .map(|value| match value {
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            None => "NULL".to_owned(),
        })
        .collect();
    Some(format!("{{{}}}", elements.join(",")))
}

fn programs() -> PathBuf {
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
