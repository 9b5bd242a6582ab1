//! The files of `docs/deploy`: their configurations are valid for the program, and their commands exist.

use std::{fs, path::Path};

use crate::harness::{Ended, project, run};

fn deploy(name: &str) -> String {
    fs::read_to_string(project().join("docs/deploy").join(name)).unwrap()
}

/// Checks a configuration with a store in `folder`.
fn check(folder: &Path, text: &str, further: &[&str]) -> Ended {
    fs::write(folder.join("almanac.toml"), text).unwrap();
    let arguments = ["check-config", "--config", "almanac.toml", "--db", "almanac.duckdb"];
    let ended = run(folder, [&arguments, further].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    ended
}

#[test]
fn the_configurations_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let local = check(folder.path(), &deploy("almanac.toml"), &[]).stdout;
    assert!(local.contains("for programs of this machine only"), "{local}");
    let compose = check(folder.path(), &deploy("compose.toml"), &[]).stdout;
    assert!(compose.contains("server.insecure is set"), "{compose}");

    let manifest = deploy("kubernetes.yaml");
    let (_, below) = manifest.split_once("  almanac.toml: |\n").unwrap();
    let embedded = below.split("---").next().unwrap();
    fs::write(folder.path().join("token"), "secret-of-the-test").unwrap();
    let cluster = check(folder.path(), embedded, &["--token-file", "token"]).stdout;
    assert!(cluster.contains("Callers have to send the token of server.token"), "{cluster}");
}

/// The commands of unit, image, manifest and compose file, as the program's arguments.
#[test]
fn the_commands_exist() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), deploy("almanac.toml")).unwrap();
    let unit = deploy("almanac.service");
    let command = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.strip_prefix("/usr/local/bin/almanac ").unwrap().to_owned()
    };
    let (before, start) = (command("ExecStartPre="), command("ExecStart="));
    assert_eq!(before.replacen("check-config", "serve", 1), start, "both commands have the same options");
    let here = before.replace("/etc/almanac/", "").replace("/var/lib/almanac/", "");
    let ended = run(folder.path(), here.split(' '));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    assert!(deploy("Containerfile").contains("CMD [\"serve\"]"));
    let arguments = deploy("kubernetes.yaml");
    let arguments = arguments.lines().find_map(|line| line.trim().strip_prefix("args: [")).unwrap();
    let arguments = arguments.trim_end_matches(']').replace("/etc/almanac/", "").replace("/run/secrets/almanac/", "");
    fs::write(folder.path().join("token"), "secret-of-the-test").unwrap();
    let words: Vec<&str> =
        arguments.split(", ").map(|word| if word == "serve" { "check-config" } else { word }).collect();
    let ended = run(folder.path(), words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
