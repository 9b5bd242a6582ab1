//! Light requests are answered while heavy ones wait.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::tempdir;

use super::{WRITE_V1, honest, now, write};
use crate::harness::Server;

const HEAVY: usize = 50;

/// The order shows the independence: the light requests end before the heavy ones, which began before them.
#[test]
fn light_requests_do_not_queue_behind_heavy_ones() {
    let folder = tempdir().unwrap();
    let workload = "[[workload]]\nname = \"api\"\ndemand = \"sum(x)\"\ncapacity_per_replica = 10\n";
    std::fs::write(folder.path().join("almanac.toml"), workload).unwrap();
    let server = Server::start(folder.path());
    let now = now();
    let samples: String = (0..20)
        .flat_map(|series| (0..60).map(move |sample| format!("x{{s=\"{series}\"}} 1 {}\n", now - sample * 15_000)))
        .collect();
    assert_eq!(server.post("/v1/import?format=prometheus", "text/plain", samples).status, 200);
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..HEAVY {
            scope.spawn(|| {
                let query = "max_over_time(sum(quantile_over_time(0.5, x[30m:1s]))[40m:1s])";
                let reply = server.send(server.request("GET", "/api/v1/query").query(&[("query", query)]));
                assert!([200, 503].contains(&reply.status), "{}", reply.text());
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        // Until the heavy requests are in the service.
        while !server.get("/metrics").text().contains("almanac_http_requests_in_flight 51")
            && ended.load(Ordering::SeqCst) == 0
        {
            thread::sleep(Duration::from_millis(20));
        }
        let gets = ["/healthz", "/readyz", "/metrics", "/v1/recommendations", "/v1/advice", "/api/v1/labels"];
        for path in gets {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
        // Nothing is recommended yet, which the service knows at once.
        assert_eq!(server.get("/v1/scaling/api").status, 404);
        assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
        server.sql("SELECT 1");
        let ended = ended.load(Ordering::SeqCst);
        assert!(ended < HEAVY, "the light requests were answered after all heavy ones");
    });
}

/// Patterns are compiled outside of the threads that serve connections.
#[test]
fn large_patterns_do_not_stop_the_service() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
    let pattern: Vec<String> = (0..3_000).map(|number| format!("(a{number}|b)+x?[c-z]{{1,9}}")).collect();
    let body = format!("match[]=%7B__name__%3D~%22{}%22%7D", pattern.join("|").replace('+', "%2B"));
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let reply = server.post("/api/v1/labels", "application/x-www-form-urlencoded", body.clone());
                // Too large to compile, or without a match, or there was no place in time.
                assert!([200, 400, 503].contains(&reply.status), "{}", reply.text());
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut answered = 0;
        while ended.load(Ordering::SeqCst) < 6 && answered < 20 {
            assert_eq!(server.get("/healthz").status, 200);
            answered += 1;
        }
        assert_eq!(answered, 20, "the health was answered after the patterns");
    });
}

#[test]
fn one_requested_compaction_runs_at_a_time() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
    let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let barrier = Barrier::new(64);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                barrier.wait();
                let reply = server.post("/v1/admin/compact", "application/json", "");
                match reply.status {
                    200 => done.fetch_add(1, Ordering::SeqCst),
                    409 => {
                        assert_eq!(reply.json()["error"]["code"], "compaction_running");
                        assert!(reply.header("retry-after").is_some());
                        refused.fetch_add(1, Ordering::SeqCst)
                    }
                    other => panic!("{other}: {}", reply.text()),
                };
            });
        }
        server.sql("SELECT 1");
    });
    let (done, refused) = (done.into_inner(), refused.into_inner());
    assert!(done > 0 && refused > 0 && done + refused == 64, "{done} {refused}");
}
