//! The clients of Python: psycopg2, psycopg, SQLAlchemy and asyncpg, by the program in `tests/clients/postgres`.

use std::{path::PathBuf, process::Command};

use super::Service;
use crate::harness::{project, venv_python};

/// Returns the Python with the clients.
pub(super) fn python() -> PathBuf {
    venv_python("postgres", "tests/clients/postgres/requirements.txt")
}

/// Runs the checks of one client on a service with an hour of samples.
fn check(client: &str) {
    let service = Service::start("");
    let mut command = Command::new(python());
    command.arg(project().join("tests/clients/postgres/clients.py"));
    let ended = command.args(["127.0.0.1", &service.port.to_string(), &service.token, client]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && stdout.trim() == format!("ok {client}"), "{stdout}\n{stderr}");
}

#[test]
fn psycopg2_reads_by_parameters_and_named_cursors() {
    check("psycopg2");
}

#[test]
fn psycopg_reads_in_text_and_binary_and_cancels() {
    check("psycopg");
}

#[test]
fn sqlalchemy_reflects_and_selects() {
    check("sqlalchemy");
}

#[test]
fn asyncpg_prepares_lists_documents_and_cursors() {
    check("asyncpg");
}
