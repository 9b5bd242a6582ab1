//! Signals whose default would end the service.

use std::process::Command;

use tempfile::tempdir;

use super::{has_logged, import, wait_until};
use crate::harness::{Server, almanac_after};

#[test]
fn a_hangup_without_a_terminal_is_survived() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let pid = server.id().to_string();
    for _ in 0..3 {
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }
    wait_until(&server, "the line", || has_logged(&server, &["SIGHUP", "goes on"]));
    assert_eq!(import(&server, 0, 10).status, 200);
    assert!(server.stop().success());
}

#[test]
fn a_limit_on_file_sizes_is_a_full_disk_and_ends_nothing() {
    let folder = tempdir().unwrap();
    let mut command = almanac_after(folder.path(), "ulimit -S -f 1024;");
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::from_command(command);
    let refused = (0..1_000).map(|part| import(&server, part * 5_000, 5_000)).find(|reply| reply.status != 200);
    let refused = refused.expect("the limit has an effect");
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert_eq!(server.get("/readyz").status, 200);
}
