//! Runs the own scripts of PromQL, in the test language of Prometheus.

mod runner;

use std::{fs, path::Path};

use runner::Verdict;

/// Every evaluation of every script is as expected.
#[test]
fn own_scripts_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql/scripts");
    let (mut wrong, mut passed) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        for outcome in runner::run(&text).unwrap_or_else(|error| panic!("{}, {error}", file.display())) {
            match outcome.verdict {
                Verdict::Passed => passed += 1,
                other => wrong.push(format!("{}:{} {}: {other:?}", file.display(), outcome.line, outcome.expr)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(passed >= 150, "{passed} evaluations");
}

/// A wrong expectation of each kind is found.
#[test]
fn wrong_expectations_fail() {
    let load = "load 1m\n  depth{job=\"a\"} 2 2 2\n  depth{job=\"b\"} 2 2 2\n  up{job=\"a\"} 1 2 3\n  up{job=\"b\"} 1 2 {{count:1 sum:1}}\n\n";
    for eval in [
        "eval instant at 1m up{job=\"a\"}\n  up{job=\"a\"} 3",
        "eval instant at 1m up{job=\"a\"}\n  up{job=\"c\"} 2",
        "eval instant at 1m up{job=\"a\"}\n  up{job=\"a\"} 2\n  up{job=\"c\"} 2",
        "eval instant at 1m up{job=\"a\"}\n  expect fail",
        "eval instant at 1m sum(\n  {} 2",
        "eval instant at 1m sort(depth)\n  expect ordered\n  depth{job=\"b\"} 2\n  depth{job=\"a\"} 2",
        "eval instant at 1m quantile(2, up{job=\"a\"})\n  expect no_warn\n  {} +Inf",
        "eval instant at 1m quantile(2, up{job=\"a\"})\n  expect warn msg: PromQL warning: quantile (1:1)\n  {} +Inf",
        "eval range from 0 to 2m step 1m up{job=\"a\"}\n  up{job=\"a\"} 1 2 4",
        "eval range from 0 to 2m step 1m up{job=\"a\"}\n  up{job=\"a\"} 1 2",
        "eval instant at 1m time()\n  61",
        "eval instant at 2m up{job=\"b\"}\n  up{job=\"b\"} 1",
        "eval instant at 2m up{job=\"b\"}\n  up{job=\"b\"} {{count:1 sum:2}}",
    ] {
        let outcomes = runner::run(&format!("{load}{eval}\n")).unwrap();
        assert!(matches!(outcomes[0].verdict, Verdict::Failed(_)), "{eval}: {outcomes:?}");
    }
    let outcomes = runner::run("load 1m\n  up@st 0\n  up 1\n\neval instant at 0m up\n  up 2\n").unwrap();
    assert!(matches!(outcomes[0].verdict, Verdict::Lacks("start timestamps", _)));
    assert!(runner::run("lod 1m\n").unwrap_err().contains("line 1"));
}
