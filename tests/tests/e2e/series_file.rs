//! `almanac forecast` and `almanac detect` on files, with valid and invalid arguments.

use std::{fmt::Write as _, path::Path};

use tempfile::tempdir;

use crate::harness::run;

/// Writes ten days of an hourly series, and a second series without a season that has values in half of its rows.
fn write_series(folder: &Path, name: &str, value: impl Fn(i64) -> f64) {
    let mut text = String::from("series,timestamp,value\n");
    for i in 0..240 {
        writeln!(text, "api,{},{}", i * 3_600_000, value(i)).unwrap();
        let other = if i % 2 == 0 { String::new() } else { format!("{}", (i * 37) % 11) };
        writeln!(text, "worker,{},{other}", i * 3_600_000).unwrap();
    }
    std::fs::write(folder.join(name), text).unwrap();
}

fn daily(i: i64) -> f64 {
    100.0 + 40.0 * (i as f64 / 24.0 * std::f64::consts::TAU).sin() + ((i * 31) % 7) as f64
}

fn rows(stdout: &str) -> Vec<Vec<String>> {
    stdout.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn forecast_gives_horizon_rows_a_series() {
    let folder = tempdir().unwrap();
    write_series(folder.path(), "load.csv", daily);
    let ended = run(folder.path(), ["forecast", "load.csv", "--horizon", "6", "--level", "50,97.5", "--seasons", "1d"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let rows = rows(&ended.stdout);
    assert_eq!(rows.len(), 13);
    assert_eq!(
        rows[0].join(","),
        "series,timestamp,yhat,yhat_lower_50,yhat_upper_50,yhat_lower_97.5,yhat_upper_97.5,model"
    );
    assert_eq!(rows[1][..2], ["api", "1970-01-11T00:00:00Z"]);
    assert_eq!(rows[12][..2], ["worker", "1970-01-11T05:00:00Z"]);
    for (k, row) in rows[1..7].iter().enumerate() {
        let numbers: Vec<f64> = row[2..7].iter().map(|text| text.parse().unwrap()).collect();
        assert!((numbers[0] - daily(240 + i64::try_from(k).unwrap())).abs() < 12.0, "{row:?}");
        assert!(numbers[3] <= numbers[1] && numbers[1] <= numbers[0], "{row:?}");
        assert!(numbers[0] <= numbers[2] && numbers[2] <= numbers[4], "{row:?}");
    }
}

#[test]
fn detect_returns_one_row_per_row_and_is_causal() {
    let folder = tempdir().unwrap();
    write_series(folder.path(), "past.csv", |i| if i == 200 { 900.0 } else { daily(i) });
    write_series(folder.path(), "other.csv", |i| {
        if i == 200 {
            900.0
        } else if i > 200 {
            -5e6
        } else {
            daily(i)
        }
    });
    let past = run(folder.path(), ["detect", "past.csv"]);
    let other = run(folder.path(), ["detect", "other.csv"]);
    assert_eq!((past.code, past.stderr.as_str()), (Some(0), ""));
    let (past, other) = (rows(&past.stdout), rows(&other.stdout));
    assert_eq!(past.len(), 481);
    assert_eq!(past[0].join(","), "series,timestamp,value,yhat,yhat_lower,yhat_upper,score,is_anomaly");
    assert_eq!(past[1..=201], other[1..=201]);
    assert_eq!((past[201][0].as_str(), past[201][2].as_str(), past[201][7].as_str()), ("api", "900", "true"));
    for row in &past[1..] {
        let score: f64 = row[6].parse().unwrap();
        assert!(score >= 0.0 && (row[7] == "true") == (score > 1.0), "{row:?}");
        // A missing value keeps its row.
        assert!(!row[2].is_empty() || row[6] == "0.000000", "{row:?}");
    }
    for args in [["--train-fraction", "0.5"], ["--train-until", "1970-01-06T00:00:00Z"]] {
        let trained = run(folder.path(), ["detect", "past.csv", args[0], args[1]]);
        assert_eq!(rows(&trained.stdout)[201][7], "true", "{args:?} {}", trained.stderr);
    }
    let offline = run(folder.path(), ["detect", "past.csv", "--offline"]);
    assert_eq!(rows(&offline.stdout)[201][7], "true", "{}", offline.stderr);
}

#[test]
fn invalid_calls_print_one_line() {
    let folder = tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("one.csv", "timestamp,value\n2026-01-01T00:00:00Z,5\n");
    put("empty.csv", "timestamp,value\n");
    put("columns.csv", "time,reading\n1,2\n");
    put("other.csv", "when,reading\n1,2\n");
    put("flat.csv", &(0..20).fold("timestamp,value\n".to_owned(), |text, i| text + &format!("{},7\n", i * 60_000)));
    put("gone.csv", &(0..20).fold("timestamp,value\n".to_owned(), |text, i| text + &format!("{},\n", i * 60_000)));
    let check = |args: &[&str], code: i32, part: &str| {
        let ended = run(folder.path(), args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{args:?}: {}", ended.stdout);
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
    };
    check(&["forecast", "one.csv", "--horizon", "3"], 1, "give --step");
    check(&["forecast", "one.csv", "--horizon", "3", "--step", "1h"], 1, "at least 3 finite values are needed, got 1");
    check(&["forecast", "gone.csv", "--horizon", "3"], 1, "at least 3 finite values are needed, got 0");
    check(&["forecast", "empty.csv", "--horizon", "3"], 1, "no rows");
    check(&["forecast", "columns.csv", "--horizon", "3"], 1, "give --step");
    check(&["forecast", "absent.csv", "--horizon", "3"], 1, "absent.csv");
    check(&["forecast", "flat.csv", "--horizon", "0"], 2, "horizon of 0 steps");
    check(&["forecast", "flat.csv", "--horizon", "3", "--level", "80,180"], 2, "--level \"180\"");
    check(&["forecast", "flat.csv", "--horizon", "3", "--step", "soon"], 2, "--step \"soon\"");
    check(&["forecast", "flat.csv", "--horizon", "3", "--seasons", "90s"], 2, "season of 90000 ms");
    check(&["detect", "flat.csv", "--train-fraction", "1.5"], 2, "--train-fraction 1.5");
    check(&["detect", "flat.csv", "--train-until", "yesterday"], 2, "--train-until \"yesterday\"");
    check(&["detect", "flat.csv", "--train-until", "1960-01-01T00:00:00Z"], 2, "before the first row");
    check(&["detect", "flat.csv", "--offline", "--train-fraction", "0.5"], 2, "exclude one another");
    check(&["forecast", "flat.csv", "--horizon", "3", "--time-zone", "Berlin"], 2, "such as Europe/Berlin");
    check(&["forecast", "flat.csv", "--horizon", "3", "--holidays", "25.12.2026"], 2, "use the form 2026-12-25");
    check(&["detect", "flat.csv", "--time-zone", "CEST"], 2, "unknown time zone \"CEST\"");
    check(&["detect", "other.csv"], 1, "no column \"timestamp\"");

    let flat = run(folder.path(), ["forecast", "flat.csv", "--horizon", "1"]);
    assert_eq!(rows(&flat.stdout)[1][2..], ["7", "7", "7", "7", "7", "constant"]);
    assert_eq!(rows(&run(folder.path(), ["detect", "one.csv"]).stdout).len(), 2);
}

/// A load that starts at eight in Berlin's local time follows a change of the clocks; holidays are accepted.
#[test]
fn days_follow_the_clocks_and_the_calendar() {
    let folder = tempdir().unwrap();
    // From Sunday, 1 March 2026, to the evening of the 28th; clocks go forward on the 29th at 01:00 UTC.
    let start = 1_772_323_200_000_i64;
    let load = |i: i64| {
        let ahead = if start + i * 3_600_000 < 1_774_746_000_000 { 1 } else { 2 };
        if (8..18).contains(&((i + ahead) % 24)) { 100.0 + (i * 31 % 7) as f64 } else { 10.0 }
    };
    let mut text = String::from("timestamp,value\n");
    for i in 0..28 * 24 - 4 {
        writeln!(text, "{},{}", start + i * 3_600_000, load(i)).unwrap();
    }
    std::fs::write(folder.path().join("load.csv"), text).unwrap();
    let forecast = |more: &[&str]| -> Vec<f64> {
        let args = ["forecast", "load.csv", "--horizon", "24"].into_iter().chain(more.iter().copied());
        let ended = run(folder.path(), args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        rows(&ended.stdout)[1..].iter().map(|row| row[2].parse().unwrap()).collect()
    };
    // 06:00 UTC is eight in Berlin from the 29th on.
    let eight = 10;
    let (plain, berlin) = (forecast(&[]), forecast(&["--time-zone", "Europe/Berlin"]));
    assert!(plain[eight] < 30.0 && berlin[eight] > 80.0, "{plain:?} {berlin:?}");
    let off = forecast(&["--time-zone", "Europe/Berlin", "--holidays", "2026-03-03,2026-03-29"]);
    assert!(off[eight].is_finite());
}

/// Returns the timestamps and points of the forecast of these rows, and stderr.
fn calendar_forecast(stamps: &[&str], more: &[&str]) -> (Vec<String>, Vec<f64>, String) {
    let folder = tempdir().unwrap();
    let mut text = String::from("timestamp,value\n");
    for (i, stamp) in stamps.iter().enumerate() {
        writeln!(text, "{stamp},{}", 100 + 40 * (i % 12)).unwrap();
    }
    std::fs::write(folder.path().join("rows.csv"), text).unwrap();
    let args = ["forecast", "rows.csv"].into_iter().chain(more.iter().copied());
    let args = args.chain(if more.contains(&"--horizon") { &[][..] } else { &["--horizon", "3"][..] }.iter().copied());
    let ended = run(folder.path(), args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let rows = rows(&ended.stdout);
    let points = rows[1..].iter().map(|row| row[2].parse().unwrap()).collect();
    (rows[1..].iter().map(|row| row[1].clone()).collect(), points, ended.stderr)
}

#[test]
fn months_quarters_years_and_local_days_are_the_calendars() {
    let month = |year: usize, month: usize, day: usize| format!("{year}-{:02}-{day:02}T00:00:00Z", month + 1);
    let months = |day: fn(usize, usize) -> usize| -> Vec<String> {
        (0..38).map(|i| month(2022 + i / 12, i % 12, day(2022 + i / 12, i % 12))).collect()
    };
    fn words(stamps: &[String]) -> Vec<&str> {
        stamps.iter().map(String::as_str).collect()
    }
    let length = |year: usize, month: usize| match month {
        1 if year.is_multiple_of(4) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    let (stamps, points, stderr) = calendar_forecast(&words(&months(|_, _| 1)), &[]);
    assert_eq!(stamps, ["2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z", "2025-05-01T00:00:00Z"]);
    // The values have a yearly season: March is the third month.
    assert!(points.iter().zip([180.0, 220.0, 260.0]).all(|(p, v)| (p - v).abs() < 30.0), "{points:?}");
    assert!(stderr.contains("1 month by the calendar") && stderr.lines().count() == 1, "{stderr}");
    let (stamps, _, _) = calendar_forecast(&words(&months(length)), &[]);
    assert_eq!(stamps, ["2025-03-31T00:00:00Z", "2025-04-30T00:00:00Z", "2025-05-31T00:00:00Z"]);
    let quarters: Vec<String> = (0..18).map(|i| month(2020 + i / 4, i % 4 * 3, 1)).collect();
    let (stamps, _, stderr) = calendar_forecast(&words(&quarters), &["--step", "1q"]);
    assert_eq!(
        (&stamps[..2], stderr.as_str()),
        (&["2024-07-01T00:00:00Z".to_owned(), "2024-10-01T00:00:00Z".to_owned()][..], "")
    );
    let years: Vec<String> = (0..14).map(|i| month(2010 + i, 0, 1)).collect();
    let (stamps, _, _) = calendar_forecast(&words(&years), &[]);
    assert_eq!(stamps, ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]);
    // Midnights in Berlin, across the change of the clocks on 29 March 2026.
    let days: Vec<String> = (1..28).map(|day| format!("2026-02-{day:02}T23:00:00Z")).collect();
    let (stamps, _, _) = calendar_forecast(&words(&days), &["--time-zone", "Europe/Berlin", "--horizon", "33"]);
    assert_eq!((stamps[29].as_str(), stamps[32].as_str()), ("2026-03-29T22:00:00Z", "2026-04-01T22:00:00Z"));
}
