//! Follows `docs/getting-started.md` as a reader would: writes its files and runs its commands in an empty folder. The part
//! with Prometheus is in the tests with peers.

use super::harness::follow_getting_started;

#[test]
fn the_page_works_command_by_command() {
    let ended = follow_getting_started(None);
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{stdout}\n{stderr}");
    for part in ["yhat_lower_80", "\"predictive\"", "true", "\"status\":\"success\"", "signals fitted"] {
        assert!(stdout.contains(part), "{part:?} is missing in\n{stdout}\n{stderr}");
    }
    assert_eq!(line_with(&stdout, "2026-01-13T12:00:00").matches("true").count(), 1, "the unusual hour\n{stdout}");
}

fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no line has {part:?}:\n{text}"))
}
