//! An hour of a healthy application: nothing is found.

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    super::{loops, polls},
    *,
};

/// Returns one request: at most four calls of a family, checks of the connection, retries, reads of a cursor, rows in one
/// statement, single reads of different caches, and different statements for the parts of a page.
fn request(trace: u128, rng: &mut ChaCha8Rng) -> Vec<TraceSpan> {
    let routes =
        ["GET /api/tasks", "GET /api/calendar/events", "POST /api/import", "GET /api/export", "GET /api/health"];
    let route = *routes.choose(rng).unwrap();
    let mut request = Trace::server(trace, route);
    for _ in 0..rng.random_range(0..12) {
        request.sql("SELECT 1", MS / 4);
    }
    request.sql("BEGIN", MS / 4);
    match route {
        "GET /api/tasks" => {
            request.lookup().sql(LIST, rng.random_range(2..20) * MS);
            for _ in 0..rng.random_range(0..5) {
                request.lookup().sql(OWNER, rng.random_range(1..30) * MS);
            }
            for part in 0..rng.random_range(0..20) {
                request.sql(&format!("SELECT count(*) FROM part_{part} WHERE owner_id = $1"), 3 * MS);
            }
        }
        "GET /api/calendar/events" => {
            for cache in ["profile", "monthly", "counters", "session", "oauth", "flags", "limits"] {
                request.lookup();
                if rng.random_bool(0.1) {
                    request.sql(&format!("SELECT * FROM {cache} WHERE id = $1"), 15 * MS);
                }
            }
        }
        "POST /api/import" => {
            let rows = vec!["($1, $2)"; rng.random_range(1..500)].join(", ");
            request.sql(&format!("INSERT INTO events (a, b) VALUES {rows}"), 40 * MS);
            for _ in 0..6 {
                // A serialisation failure, sent again.
                request.sql("UPDATE counters SET n = n + 1 WHERE id = $1", 12 * MS);
                request.spans.last_mut().unwrap().failed = true;
            }
            request.sql("UPDATE counters SET n = n + 1 WHERE id = $1", 12 * MS);
        }
        "GET /api/export" => {
            request.sql("DECLARE c CURSOR FOR SELECT * FROM events", 5 * MS);
            for _ in 0..rng.random_range(0..60) {
                request.sql("FETCH FORWARD 1000 FROM c", 8 * MS);
            }
        }
        _ => {}
    }
    request.sql("COMMIT", MS / 4);
    request.end()
}

#[test]
fn a_healthy_hour_has_no_finding() {
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    let mut traces: Vec<_> = (0..3_600).map(|trace| request(trace, &mut rng)).collect();
    // A worker whose statements have no span above them: each is a trace of its own.
    for trace in 10_000..13_600 {
        let mut alone = Trace::server(trace, "");
        alone.sql("SELECT id FROM jobs WHERE state = $1 FOR UPDATE SKIP LOCKED", MS);
        alone.spans[1].parent = 0;
        traces.push(vec![alone.spans.remove(1)]);
    }
    let window = window(&traces);
    assert_eq!(window.routes.values().map(|route| route.requests).sum::<u64>(), 3_600);
    assert_eq!(loops(&window), []);
    assert_eq!(polls(&window), []);
    // The same hour with one fault has one finding.
    traces.extend((20_000..20_040).map(|trace| serial(trace, 20)));
    let found = loops(&super::window(&traces));
    assert_eq!((found.len(), found[0].looping), (1, 40));
}

#[test]
fn statements_that_handle_many_rows_are_repeated_on_purpose() {
    for sql in [
        "SELECT id, title FROM tasks WHERE id > $1 ORDER BY id LIMIT $2",
        "SELECT id, title FROM tasks WHERE id = ANY($1)",
        "SELECT a.id FROM attendees AS a WHERE a.event_id IN ($1, $2, $3)",
        "INSERT INTO events (a, b) SELECT * FROM unnest($1::BIGINT[], $2::TEXT[])",
        "INSERT INTO events (a, b) VALUES ($1, $2), ($3, $4)",
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 LIMIT 1000)",
        "UPDATE jobs SET state = $1 WHERE id = (SELECT id FROM jobs LIMIT 1 FOR UPDATE SKIP LOCKED)",
    ] {
        for has_cache in [false, true] {
            let repeated = |trace| {
                let mut request = Trace::server(trace, "POST /api/nightly");
                for _ in 0..20 {
                    if has_cache {
                        request.lookup();
                    }
                    request.sql(sql, 10 * MS);
                }
                request.end()
            };
            let window = window(&(0..5).map(repeated).collect::<Vec<_>>());
            assert_eq!(loops(&window), [], "{sql}");
        }
    }
}
