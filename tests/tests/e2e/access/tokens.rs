//! `almanac token new`, and a running service that follows the tokens file.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tempfile::tempdir;

use super::eventually;
use crate::harness::{Server, almanac, run};

/// Makes a token and returns it.
pub(super) fn new_token(folder: &Path, scope: &str, name: &str) -> String {
    let made = run(folder, ["token", "new", "--scope", scope, "--name", name]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(made.stdout.lines().count(), 1, "{}", made.stdout);
    made.stdout.trim().to_owned()
}

#[test]
fn a_token_is_printed_once_and_a_running_service_follows_the_file() {
    let folder = tempdir().unwrap();
    let mut server = Server::start(folder.path());
    assert_eq!(server.get("/v1/signals").status, 200);
    let reader = new_token(folder.path(), "read", "grafana");
    let path = folder.path().join("almanac.tokens");
    let text = fs::read_to_string(&path).unwrap();
    assert!(reader.starts_with("alm_") && !text.contains(&reader) && text.contains("$argon2id$"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    eventually("the token is required", || (server.get("/v1/signals").status == 401).then_some(()));
    assert_eq!(server.get("/healthz").status, 200);
    server = server.with_token(&reader);
    assert_eq!(server.get("/v1/signals").status, 200);
    let refused = server.post_json("/v1/sql", &json!({"sql": "SELECT 1"}));
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("token \\\"grafana\\\" lacks the scope sql; it has read"), "{}", refused.text());
    let analyst = new_token(folder.path(), "sql", "analyst");
    server = server.with_token(&analyst);
    eventually("the second token is accepted", || {
        (server.post_json("/v1/sql", &json!({"sql": "SELECT 1"})).status == 200).then_some(())
    });
    // An invalid file changes nothing; a valid one without the first token revokes it.
    let both = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{both}\n[[token]]\nid = 1\n")).unwrap();
    eventually("the invalid file is reported", || {
        server.log().iter().any(|line| line.contains("the former content stays in effect")).then_some(())
    });
    assert_eq!(server.post_json("/v1/sql", &json!({"sql": "SELECT 1"})).status, 200);
    let (_, second) = both.rsplit_once("[[token]]").unwrap();
    fs::write(&path, format!("[[token]]{second}")).unwrap();
    server = server.with_token(&reader);
    eventually("the first token is revoked", || (server.get("/v1/signals").status == 401).then_some(()));
    server = server.with_token(&analyst);
    assert_eq!(server.post_json("/v1/sql", &json!({"sql": "SELECT 1"})).status, 200);
    assert!(server.stop().success());
    // The file is found again after a restart.
    let server = Server::start(folder.path());
    assert_eq!(server.get("/v1/signals").status, 401);
}

#[test]
fn invalid_calls_are_one_line_and_write_nothing() {
    let folder = tempdir().unwrap();
    for (args, message) in [
        (&["token", "new"][..], "--scope <SCOPES>"),
        (&["token", "new", "--scope", "reed"], "did you mean \"read\"?"),
        (&["token", "new", "--scope", "read", "--name", "a b"], "a name has 1 to 64"),
        (&["token", "new", "--scope", "read", "--rate", "0"], "rate 0 is not above 0"),
        (&["serve", "--token", " "], "--token is not a token"),
        (&["serve", "--token-file", "none"], "--token-file none: "),
        (&["sql", "SELECT 1", "--token-file", "none"], "--token-file requires --url"),
        (
            &["sql", "SELECT 1", "--url", "http://127.0.0.1:1", "--token", "a", "--token-file", "b"],
            "cannot be combined",
        ),
    ] {
        let ended = run(folder.path(), args);
        assert_ne!(ended.code, Some(0), "{args:?}");
        assert!(ended.stderr.contains(message), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn no_secret_is_in_the_log_the_metrics_or_the_errors() {
    let folder = tempdir().unwrap();
    let token = new_token(folder.path(), "ingest,read,sql,act,admin", "ops");
    fs::write(folder.path().join("secret"), "kept-in-a-file\n").unwrap();
    let mut command = almanac(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "trace", "--token-file", "secret"]);
    let mut server = Server::from_command(command);
    let mut shown = String::new();
    for sent in [&token, "kept-in-a-file", "alm_wrongone_guessed"] {
        server = server.with_token(sent);
        for path in ["/metrics", "/v1/signals", "/api/v1/labels", "/v1/nothing"] {
            shown += &server.get(path).text();
        }
        shown += &server.post("/v1/admin/delete", "application/json", "{\"match\": \"{\"").text();
    }
    let url = server.url.clone();
    for file in ["secret", "none"] {
        shown += &run(folder.path(), ["sql", "SELECT 1", "--url", &url, "--token-file", file]).stderr;
    }
    let with_password = url.replace("http://", "http://ann:kept-in-a-file@");
    shown += &run(folder.path(), ["sql", "SELECT", "--url", &with_password]).stderr;
    let log = server.log().join("\n");
    assert!(log.contains("a wrong token was refused"), "{log}");
    let (_, secret) = token.rsplit_once('_').unwrap();
    for text in [&log, &shown] {
        for part in [secret, "kept-in-a-file", "guessed", "$argon2"] {
            assert!(!text.contains(part), "{part} is in {text}");
        }
    }
}

#[test]
fn a_token_on_the_command_line_is_a_warning() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--token", "visible"]);
    let warned = server.log().iter().any(|line| line.contains("list of processes") && line.contains("--token-file"));
    assert!(warned, "{:?}", server.log());
    assert_eq!((server.get("/v1/signals").status, server.with_token("visible").get("/v1/signals").status), (401, 200));
}
