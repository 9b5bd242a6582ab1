//! The table functions of SQL in the doors of the program: HTTP with worker processes, and the command on a stopped store.

use serde_json::{Value, json};
use tempfile::tempdir;

use super::harness::{Server, run};

/// 2026-10-01 10:00 UTC, in milliseconds.
const START: i64 = 1_790_848_800_000;

const SPAN: &str = "TIMESTAMP '2026-10-01 10:00:00', '2026-10-01 10:09:00'";

fn samples() -> String {
    (0..20).fold("series,timestamp,value\n".to_owned(), |csv, minute| {
        let at = START + minute * 60_000;
        format!("{csv}\"jobs{{queue=\"\"a\"\"}}\",{at},{minute}\n\"jobs{{queue=\"\"b\"\"}}\",{at},100\n")
    })
}

fn ask(server: &Server, sql: &str, params: &Value) -> Value {
    let reply = server.post_json("/v1/sql", &json!({"sql": sql, "params": params}));
    assert_eq!(reply.status, 200, "{sql}: {}", reply.text());
    reply.json()["rows"].clone()
}

#[test]
fn promql_is_a_table_in_every_door() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(server.post("/v1/import?file=jobs.csv", "text/csv", samples()).status, 200);

    let all = format!("SELECT * FROM promql('sum(jobs)', {SPAN}, '3m')");
    assert_eq!(
        ask(&server, &all, &json!([])),
        json!([
            ["2026-10-01T10:00:00.000Z", "{}", {}, 100.0],
            ["2026-10-01T10:03:00.000Z", "{}", {}, 103.0],
            ["2026-10-01T10:06:00.000Z", "{}", {}, 106.0],
            ["2026-10-01T10:09:00.000Z", "{}", {}, 109.0]
        ])
    );
    // Twice in one statement, with parameters, joined with views; the same worker answers again.
    let joined = format!(
        "SELECT a.labels['queue'], s.name, sum(a.value), count(*) FROM promql($1, {SPAN}, INTERVAL 1 MINUTE) AS a
         JOIN promql('jobs', {SPAN}, 60) AS b ON b.timestamp = a.timestamp AND b.series = a.series
         JOIN series s ON s.series = a.series WHERE a.value >= $2 GROUP BY ALL ORDER BY 1"
    );
    for _ in 0..3 {
        assert_eq!(
            ask(&server, &joined, &json!(["jobs", 5])),
            json!([["a", "jobs", 35.0, 5], ["b", "jobs", 1000.0, 10]])
        );
    }
    // What was learned is a series too, and nothing remains of a former call.
    assert_eq!(
        ask(&server, "SELECT count(*) FROM promql('almanac_signal_expected', now(), now(), '1m')", &json!([])),
        json!([[0]])
    );
    let filled = "SELECT count(*), count(s.value) FROM time_bucket_gapfill('1 minute', '2026-10-01 10:15:00', '2026-10-01 10:25:00') b
        LEFT JOIN samples s ON s.timestamp >= b.bucket AND s.timestamp < b.bucket_end AND s.value < 100";
    assert_eq!(ask(&server, filled, &json!([])), json!([[10, 5]]));
    for (sql, message) in [
        ("FROM promql('rate(jobs', now(), now(), '1m')", "promql(\"rate(jobs\"): expression"),
        ("FROM promql('jobs', now(), now() - INTERVAL 1 DAY, '1m')", "until is before from"),
        ("FROM promql('jobs', now(), now(), 'often')", "the step \"often\" is not a duration"),
        ("FROM promql('jobs', now() - INTERVAL 400 DAY, now(), '1s')", "11000"),
        ("FROM promql_0('jobs', now(), now(), '1m')", "promql_0"),
        ("SELECT * FROM temp.main.promql_0_points", "promql_0_points"),
    ] {
        let reply = server.post_json("/v1/sql", &json!({"sql": sql}));
        assert_eq!(reply.status / 100, 4, "{sql}: {}", reply.text());
        let said = reply.json()["error"]["message"].as_str().unwrap().replace(',', "");
        assert!(said.contains(message), "{sql}: {said}");
    }
    server.stop();

    let printed =
        run(folder.path(), ["sql", "--format", "csv", &format!("SELECT value FROM promql('sum(jobs)', {SPAN}, '3m')")]);
    assert_eq!((printed.code, printed.stdout.as_str()), (Some(0), "value\n100\n103\n106\n109\n"), "{}", printed.stderr);
}
