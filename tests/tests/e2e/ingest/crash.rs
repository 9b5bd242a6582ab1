//! The service is killed while it writes; no acknowledged sample is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::Client;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{
    proto::{request, series},
    samples_of,
};
use crate::harness::Server;

const ROUNDS: u64 = 20;
const SENDERS: usize = 2;
const SERIES: u64 = 20;

/// Sends requests until the service is gone, each with one sample of every series and the next value. Counts the
/// acknowledged requests in `acknowledged`.
fn send_until_gone(url: &str, sender: usize, acknowledged: &AtomicU64) {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let sender = sender.to_string();
    loop {
        let next = acknowledged.load(Ordering::SeqCst);
        let stamp = i64::try_from(next).unwrap() * 1000;
        let all = (0..SERIES).map(|idx| {
            let labels = [("__name__", "m"), ("idx", &idx.to_string()), ("sender", &sender)];
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            series(&labels, &[(stamp, next as f64)])
        });
        let sent = client.post(format!("{url}/api/v1/write")).body(request(all.collect())).send();
        match sent {
            Ok(reply) if reply.status() == 204 => acknowledged.store(next + 1, Ordering::SeqCst),
            Ok(reply) => panic!("{}: {}", reply.status(), reply.text().unwrap_or_default()),
            Err(_) => return,
        }
    }
}

/// Kills the service twenty times while it writes; every acknowledged sample must be there afterwards.
#[test]
fn what_is_acknowledged_outlives_kill_9() {
    let folder = tempdir().unwrap();
    let acknowledged: Vec<Arc<AtomicU64>> = (0..SENDERS).map(|_| Arc::default()).collect();
    let total = || acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).sum::<u64>();
    for round in 0..ROUNDS {
        let server = Server::start(folder.path());
        assert_all_there(&server, &acknowledged);
        let senders: Vec<_> = acknowledged
            .iter()
            .enumerate()
            .map(|(sender, count)| {
                let (url, count) = (server.url.clone(), Arc::clone(count));
                thread::spawn(move || send_until_gone(&url, sender, &count))
            })
            .collect();
        // At a different moment each time: after the first commits, or after many.
        let (enough, patience) = (total() + 2 + 3 * round, Instant::now());
        while total() < enough {
            assert!(patience.elapsed() < Duration::from_secs(60), "nothing is acknowledged: {:#?}", server.log());
            thread::sleep(Duration::from_micros(300));
        }
        server.kill();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }
    let server = Server::start(folder.path());
    assert_all_there(&server, &acknowledged);
    assert!(server.stop().success());
}

fn assert_all_there(server: &Server, acknowledged: &[Arc<AtomicU64>]) {
    for (sender, count) in acknowledged.iter().enumerate() {
        let count = i64::try_from(count.load(Ordering::SeqCst)).unwrap();
        for idx in 0..SERIES {
            let name = format!("m{{idx=\"{idx}\",sender=\"{sender}\"}}");
            let found = samples_of(server, &name);
            // An unacknowledged request may be stored too, but completely and after the others.
            let found: Vec<Value> =
                found.as_array().unwrap().iter().filter(|row| row[1].as_i64() < Some(count * 1000)).cloned().collect();
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let expected: Vec<Value> =
                (0..count).map(|request| json!([name, request * 1000, request as f64])).collect();
            assert_eq!(found, expected);
        }
    }
}
