//! The web page in Chromium: every page, in both themes and three widths, and what people do on it.

mod verified;

use std::{fs, path::Path, process::Command};

use tempfile::tempdir;

use crate::harness::{Server, almanac};

/// Installs Chromium and the packages of the tests in it, and returns the folder of the packages.
pub(crate) fn install_browser() -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let installed = Command::new(project.join("scripts/browser.sh")).output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    String::from_utf8(installed.stdout).unwrap()
}

#[test]
fn the_web_page_in_a_real_browser() {
    let folder = install_browser();
    let [home, empty, locked, applied] = [(); 4].map(|()| tempdir().unwrap());
    let mut command = almanac(home.path());
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let demo = Server::from_command(command);
    let empty = Server::start(empty.path());
    let token = "only-for-this-test";
    fs::write(locked.path().join("almanac.toml"), format!("[server]\ntoken = \"{token}\"\n")).unwrap();
    let locked = Server::start(locked.path());
    let id = verified::applied_a_day_ago(applied.path());
    let applied = Server::start(applied.path());

    let ended = Command::new("npx")
        .args(["playwright", "test"])
        .current_dir(folder.trim())
        .env("DEMO", &demo.url)
        .env("EMPTY", &empty.url)
        .env("LOCKED", &locked.url)
        .env("TOKEN", token)
        .env("APPLIED", format!("{}/recommendations/{id}", applied.url))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{told}\n{}", String::from_utf8_lossy(&ended.stderr));
    println!("{told}");
}
