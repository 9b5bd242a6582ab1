//! Man pages, completions, and what `scripts/install.sh` puts under a prefix.

use std::{fs, path::Path, process::Command};

use crate::harness::{project, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_almanac-under-test");

#[test]
fn there_is_a_man_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), ["man", "share/man1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut pages: Vec<String> = fs::read_dir(folder.path().join("share/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let help = run(folder.path(), ["--help"]).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|command| *command != "help") {
        assert!(pages.contains(&format!("almanac-{command}.1")), "{command}: {pages:?}");
    }
    assert!(pages.contains(&"almanac-replay-ttl.1".to_owned()), "{pages:?}");
    assert!(!pages.iter().any(|page| page.contains("worker")), "{pages:?}");
    let read = |page: &str| fs::read_to_string(folder.path().join("share/man1").join(page)).unwrap();
    let (program, serve) = (read("almanac.1"), read("almanac-serve.1"));
    assert!(program.contains(".SH \"EXIT STATUS\"") && program.contains("check\\-config"), "{program}");
    for part in [".TH ALMANAC-SERVE 1 ", "\\-\\-listen", "ALMANAC_LISTEN"] {
        assert!(serve.contains(part), "{part:?} is missing in\n{serve}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("taken"), "a file").unwrap();
    let ended = run(folder.path(), ["man", "taken"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("almanac: taken could not be made: "), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1);
    let ended = run(folder.path(), ["completions", "csh"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("bash, elvish, fish, powershell, zsh"), "{}", ended.stderr);
}

/// Returns what bash completes for the last of `words` with a script in `file`.
fn completed(file: &Path, words: &[&str]) -> Vec<String> {
    let script = format!(
        "source {}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_almanac almanac \"{}\" \"{}\"\necho \"${{COMPREPLY[@]}}\"",
        file.display(),
        words.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2]
    );
    let ended = Command::new("bash").args(["-c", &script]).output().unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    stdout.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("almanac.bash");
    let ended = run(folder.path(), ["completions", "bash"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fs::write(&file, &ended.stdout).unwrap();
    let mut commands = completed(&file, &["almanac", "re"]);
    commands.sort();
    assert_eq!(commands, ["recommend", "repair", "replay", "restore", "review"]);
    assert_eq!(completed(&file, &["almanac", "serve", "--li"]), ["--listen"]);
    let kinds = completed(&file, &["almanac", "recommend", "--kind", "t"]);
    assert_eq!(kinds, ["ttl", "threshold"]);
    assert!(!ended.stdout.contains("worker"), "a hidden command is completed");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = run(folder.path(), ["completions", shell]);
        assert!(script.code == Some(0) && script.stdout.contains("check-config"), "{shell}");
    }
}

#[test]
fn an_installed_program_uses_its_own_library_pages_and_completions() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("usr");
    let ended = Command::new(project().join("scripts/install.sh"))
        .args([PROGRAM, "/usr"])
        .env("DESTDIR", folder.path())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    for file in [
        "bin/almanac",
        "share/man/man1/almanac.1",
        "share/man/man1/almanac-serve.1",
        "share/bash-completion/completions/almanac",
        "share/zsh/site-functions/_almanac",
        "share/fish/vendor_completions.d/almanac.fish",
    ] {
        assert!(prefix.join(file).metadata().is_ok_and(|data| data.len() > 100), "{file}");
    }
    let program = prefix.join("bin/almanac");
    let version = Command::new(&program).arg("--version").env_clear().output().unwrap();
    assert!(version.status.success() && version.stdout.starts_with(b"almanac "));
    // Built with the sources of DuckDB there is no library.
    let needed = Command::new("ldd").arg(&program).output().unwrap();
    let needed = String::from_utf8(needed.stdout).unwrap();
    if let Some(line) = needed.lines().find(|line| line.contains("libduckdb")) {
        assert!(line.contains(&prefix.join("bin/../lib/almanac").display().to_string()), "{line}");
    }
}
