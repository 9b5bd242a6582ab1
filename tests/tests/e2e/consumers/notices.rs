//! Webhooks against a receiver that fails, refuses and returns, and streams with the consumers of the documents.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use almanac_engine::store::{Store, StoreOptions};
use almanac_models::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::tempdir;

use super::propose;
use crate::harness::Server;

const SECRET: &str = "only-for-this-test";

/// A request that the receiver got.
#[derive(Debug, Clone)]
struct Got {
    path: String,
    headers: HashMap<String, String>,
    body: String,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver of webhooks: `/never` is refused with 400, other paths get the status that is set.
struct Receiver {
    address: String,
    status: Arc<Mutex<u16>>,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap().to_string(),
            status: Arc::new(Mutex::new(204)),
            got: Arc::default(),
        };
        let (status, got) = (Arc::clone(&receiver.status), Arc::clone(&receiver.got));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream);
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let mut headers = HashMap::new();
                loop {
                    line.clear();
                    lines.read_line(&mut line).unwrap();
                    let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                    headers.insert(name.to_lowercase(), value.to_owned());
                }
                let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
                lines.read_exact(&mut body).unwrap();
                let answer = if path == "/never" { 400 } else { *status.lock().unwrap() };
                got.lock().unwrap().push(Got { path, headers, body: String::from_utf8(body).unwrap() });
                let _ = write!(&stream, "HTTP/1.1 {answer} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        receiver
    }

    fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    /// Returns what came to a path, once `is_enough`.
    fn wait(&self, path: &str, is_enough: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let got: Vec<Got> = self.got.lock().unwrap().iter().filter(|got| got.path == path).cloned().collect();
            if is_enough(&got) {
                return got;
            }
            assert!(Instant::now() < end, "{got:#?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Writes a store with one open recommendation, and returns its id.
fn seed(folder: &Path) -> String {
    let store = Store::open(&folder.join("almanac.duckdb"), StoreOptions::default()).unwrap();
    let hour_ago = Timestamp::from_millis(chrono::Utc::now().timestamp_millis() - 3_600_000);
    let id = propose(&store, hour_ago);
    store.close().unwrap();
    id
}

#[test]
fn webhooks_get_every_change_in_order_signed_and_again_until_they_accept() {
    let folder = tempdir().unwrap();
    let id = seed(folder.path());
    let receiver = Receiver::start();
    fs::write(folder.path().join("hook.secret"), format!("{SECRET}\n")).unwrap();
    let config = format!(
        "[[webhook]]\nurl = \"http://{0}/hook?key=hidden\"\nname = \"first\"\nsecret_file = \"hook.secret\"\non = [\"recommendation\"]\n\
         [[webhook]]\nurl = \"http://{0}/never\"\n",
        receiver.address
    );
    fs::write(folder.path().join("almanac.toml"), config).unwrap();
    let server = Server::start(folder.path());
    let first = receiver.wait("/hook?key=hidden", |got| !got.is_empty()).remove(0);
    assert_eq!(first.headers["content-type"], "application/cloudevents+json");
    let event = first.event();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "almanac.recommendation");
    assert_eq!((event["subject"].as_str(), event["data"]["state"].as_str()), (Some("pages"), Some("proposed")));
    assert_eq!((&event["data"]["id"], event["data"].get("evidence")), (&json!(id), None));
    assert_eq!(event["id"], json!(first.headers["x-almanac-delivery"]));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(first.body.as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(first.headers["x-almanac-signature"], format!("sha256={digits}"));

    // A receiver that is down gets the same notice again; what follows waits, also over a restart of the service.
    receiver.answer(503);
    let before = receiver.wait("/hook?key=hidden", |got| !got.is_empty()).len();
    assert_eq!(server.post_json(&format!("/v1/recommendations/{id}/accept"), &json!({})).status, 200);
    let got = receiver.wait("/hook?key=hidden", |got| got.len() >= before + 2);
    assert_eq!(got[before].body, got[before + 1].body);
    assert_eq!(server.post_json(&format!("/v1/recommendations/{id}/applied"), &json!({})).status, 200);
    let state = server.get("/v1/webhooks").json();
    let hook = &state["webhooks"][0];
    assert_eq!(hook["name"], "first");
    let other = state["webhooks"][1]["name"].as_str().unwrap();
    assert!(other.starts_with(&format!("http://{}/…", receiver.address)) && !other.contains("never"), "{other}");
    assert!(hook["attempts"].as_u64().unwrap() >= 2 && hook["failing_since"].is_string(), "{hook}");
    assert_eq!(hook["error"], "the receiver answered 503 Service Unavailable");
    let page = server.get("/setup").text();
    assert!(page.contains("failing") && page.contains("503 Service Unavailable") && !page.contains("hidden"), "{page}");
    drop(server);
    let server = Server::start(folder.path());
    receiver.answer(204);
    let states = |got: &[Got]| {
        got.iter().map(|got| got.event()["data"]["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let got = receiver.wait("/hook?key=hidden", |got| states(got).iter().any(|state| state == "applied"));
    let mut order = states(&got);
    order.dedup();
    assert_eq!(order, ["proposed", "accepted", "applied"]);

    // A receiver that refuses for good gets each notice once; all are dead letters.
    let refused = receiver.wait("/never", |got| got.iter().any(|got| got.event()["data"]["state"] == "applied"));
    let end = Instant::now() + Duration::from_secs(60);
    while server.get("/v1/webhooks").json()["webhooks"][1]["waiting"] != 0 {
        assert!(Instant::now() < end, "the second webhook waits");
        thread::sleep(Duration::from_millis(50));
    }
    let state = server.get("/v1/webhooks").json();
    let letters = state["dead_letters"].as_array().unwrap();
    // The restart may have repeated one whose answer was not stored.
    let ids: HashSet<String> = refused.iter().map(|got| got.headers["x-almanac-delivery"].clone()).collect();
    assert_eq!((letters.len(), ids.len()), (3, 3), "{state}");
    assert_eq!(letters.last().unwrap()["id"], refused[0].event()["id"]);
    assert_eq!(letters[0]["error"], "the receiver answered 400 Bad Request");
    let told = server.log().join("\n");
    assert!(!told.contains("hidden") && !told.contains(SECRET), "{told}");
}

#[test]
fn a_stream_is_one_document_and_moves_when_it_is_acknowledged() {
    let folder = tempdir().unwrap();
    let id = seed(folder.path());
    let config =
        "[[stream]]\nname = \"sure\"\nmin_confidence = 0.95\n[[stream]]\nname = \"others\"\ntargets = [\"x*\"]\n";
    fs::write(folder.path().join("almanac.toml"), config).unwrap();
    let server = Server::start(folder.path());
    let read = |name: &str| server.get(&format!("/v1/streams/{name}")).json();
    let ids = |document: &Value| {
        let rows = document["recommendations"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let end = Instant::now() + Duration::from_secs(60);
    while read("architecture")["cursor"] == "0" {
        assert!(Instant::now() < end, "no notice");
        thread::sleep(Duration::from_millis(50));
    }
    let document = read("architecture");
    assert_eq!(ids(&document), [id.as_str()]);
    assert_eq!(read("architecture"), document, "reading moves nothing");
    for name in ["infrastructure", "security", "sure", "others"] {
        assert_eq!(ids(&read(name)), [""; 0], "{name}");
    }

    // The shell's consumer prints the document and acknowledges it; then nothing is new until something changes.
    let consumers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/consumers");
    let run = |program: &str, args: &[&str]| {
        let ended = Command::new(consumers.join(program)).args(args).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    };
    assert!(run("stream.sh", &[&server.url, "architecture"]).contains(&id));
    assert_eq!(ids(&read("architecture")), [""; 0]);
    assert_eq!(ids(&server.get("/v1/streams/architecture?after=0").json()), [id.as_str()]);
    assert_eq!(server.post_json(&format!("/v1/recommendations/{id}/accept"), &json!({})).status, 200);
    while ids(&read("architecture")).is_empty() {
        assert!(Instant::now() < end, "no notice");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(run("stream.py", &[&server.url, "architecture", "--once"]), "ttl pages: accepted: more hits\n");
    assert_eq!(run("stream.py", &[&server.url, "architecture", "--once"]), "");
    drop(server);
    let server = Server::start(folder.path());
    let document = server.get("/v1/streams/architecture").json();
    assert_eq!(ids(&document), [""; 0], "the cursor is kept");

    for (path, expected) in [
        ("/v1/streams/nowhere", "known: architecture, infrastructure, others, security, sure"),
        ("/v1/streams/architecture?after=x", "is not the cursor of a stream"),
        ("/v1/streams/architecture?after=99999", "cursor 99999 is ahead of the stream"),
        ("/v1/streams/architecture?since=1", "since"),
    ] {
        let reply = server.get(path);
        assert!((400..=404).contains(&reply.status) && reply.text().contains(expected), "{}", reply.text());
    }
    for body in [json!({"cursor": "99999"}), json!({"cursor": -1}), json!({})] {
        assert_eq!(server.post_json("/v1/streams/architecture/ack", &body).status, 400, "{body}");
    }
}
