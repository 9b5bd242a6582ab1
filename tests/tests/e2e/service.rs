use tempfile::tempdir;

use crate::harness::{Server, run};

#[test]
fn another_address_than_loopback_wants_a_token() {
    let folder = tempdir().unwrap();
    let ended = run(folder.path(), ["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "almanac: 0.0.0.0:0 can be reached from other machines: set a token with --token, ALMANAC_TOKEN or \
         server.token, or listen on 127.0.0.1\n"
    );
}

#[test]
fn a_second_process_on_the_same_store_is_refused() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let ended = run(folder.path(), ["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("almanac: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("almanac.duckdb") && ended.stderr.contains("another process"), "{}", ended.stderr);
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.stop().success());
}
