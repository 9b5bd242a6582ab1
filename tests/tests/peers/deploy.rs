//! The files of `docs/deploy` against systemd, promtool and the schemas of Kubernetes and Compose, and the service in a
//! sandbox like the unit's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::harness::{Server, project};

const PROGRAM: &str = env!("CARGO_BIN_EXE_almanac-under-test");

fn deploy(name: &str) -> PathBuf {
    project().join("docs/deploy").join(name)
}

/// Runs a command that must succeed, and returns what it prints.
fn done(command: &mut Command) -> String {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?} ({error}): run scripts/peers.sh"));
    let text = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(ended.status.success(), "{command:?}: {text}");
    text
}

#[test]
fn systemd_accepts_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(deploy("almanac.service")).unwrap();
    let copy = folder.path().join("almanac.service");
    // The program of the unit is not installed here.
    fs::write(&copy, unit.replace("/usr/local/bin/almanac", PROGRAM)).unwrap();
    let said = done(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy));
    assert!(!said.contains("almanac.service"), "{said}");
    // In tenths; above 2.0 a restriction has been lost.
    done(
        Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20", "--no-pager"]).arg(&copy),
    );
}

#[test]
fn schemas_and_promtool_accept_the_files() {
    let made = Command::new(project().join("scripts/python-venv.sh"))
        .arg("deploy")
        .arg(project().join("tests/clients/deploy/requirements.txt"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let python = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
    let programs = python.parent().unwrap();
    let kubernetes =
        |file: &Path| Command::new(programs.join("kubernetes-validate")).arg("--strict").arg(file).output();
    assert!(kubernetes(&deploy("kubernetes.yaml")).unwrap().status.success());
    // The check can fail: a misspelt key is found.
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    let manifest = fs::read_to_string(deploy("kubernetes.yaml")).unwrap();
    fs::write(&wrong, manifest.replace("readinessProbe", "readynessProbe")).unwrap();
    assert!(!kubernetes(&wrong).unwrap().status.success());
    let mut compose = Command::new(programs.join("check-jsonschema"));
    done(compose.args(["--builtin-schema", "vendor.compose-spec"]).arg(deploy("compose.yaml")));
    done(Command::new("promtool").args(["check", "config"]).arg(deploy("prometheus.yml")));
}

/// Returns a command in a sandbox like the unit's: another user, a read-only root, no capabilities, no new privileges, only
/// the unit's system calls, and `state` as `/var/lib/almanac`.
fn sandboxed(state: &Path, program: &str) -> Command {
    let mut command = Command::new("bwrap");
    command
        .args(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/var/lib", "--bind"])
        .arg(state)
        .args(["/var/lib/almanac", "--chdir", "/var/lib/almanac", "--unshare-user", "--unshare-pid", "--unshare-ipc"])
        .args(["--uid", "10001", "--gid", "10001", "--cap-drop", "ALL", "--die-with-parent", "--clearenv"])
        .args(["--setenv", "PATH", "/usr/bin", "--", "/usr/bin/python3"])
        .arg(project().join("tests/clients/deploy/system_calls.py"))
        .arg(deploy("almanac.service"))
        .arg(program);
    command
}

#[test]
fn the_service_and_its_workers_run_in_the_sandbox_of_the_unit() {
    let state = tempfile::tempdir().unwrap();
    let refused = sandboxed(state.path(), "/usr/bin/touch").arg("/usr/lib/written").output().unwrap();
    assert!(!refused.status.success(), "the root can be written");
    let refused = sandboxed(state.path(), "/usr/bin/chroot").args(["/", "/bin/true"]).output().unwrap();
    assert!(!refused.status.success(), "a call that the unit does not permit is answered");

    let mut command = sandboxed(state.path(), PROGRAM);
    command.args(["serve", "--db", "/var/lib/almanac/almanac.duckdb", "--listen", "127.0.0.1:0", "--log", "info"]);
    let service = Server::from_command(command);
    let rows: String = (0..5_000).map(|row| format!("{},{row}\n", 1_767_225_600_000_i64 + row * 1000)).collect();
    let imported = service.post("/v1/import?file=load.csv&series=load", "text/csv", format!("timestamp,value\n{rows}"));
    assert_eq!(imported.status, 200, "{}\n{:#?}", imported.text(), service.log());
    let written = service.post("/api/v1/write", "application/x-protobuf", Vec::new());
    assert!(written.status < 500, "{}", written.text());
    let expected = serde_json::json!([[5_000, 4_999.0]]);
    assert_eq!(service.sql("SELECT count(*), max(value) FROM samples"), expected);
    // A statement that takes too much memory ends its worker and not the service.
    let large = service.post_json("/v1/sql", &serde_json::json!({"sql": "SELECT list(range) FROM range(1000000000)"}));
    assert_eq!(large.status, 422, "{}", large.text());
    assert_eq!(service.sql("SELECT count(*), max(value) FROM samples"), expected);
    let compacted = service.post_json("/v1/admin/compact", &serde_json::json!({}));
    assert_eq!(compacted.status, 200, "{}", compacted.text());
    assert_eq!(service.sql("SELECT count(*), max(value) FROM samples"), expected);
    let log = service.log().join("\n");
    assert!(!log.contains("ERROR"), "{log}");
    service.kill();
    assert!(state.path().join("almanac.duckdb").exists());
}
