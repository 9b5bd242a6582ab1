//! Bodies that are small on the wire and large in memory, or that never end.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use tempfile::tempdir;

use super::{Memory, WRITE_V1, WRITE_V2, field, honest, write};
use crate::harness::Server;

/// Growth in mebibytes that one hostile body may cause: the decompressed message of at most 32 MiB and what is decoded of
/// it. Before there were limits it was 500 to 1,200.
const ONE_BODY: u64 = 300;

fn gzip(part: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    (0..times).for_each(|_| encoder.write_all(part).unwrap());
    encoder.finish().unwrap()
}

/// Messages of parts that take one or two bytes each.
#[test]
fn messages_of_tiny_parts_have_a_bound() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
    let sample: &[u8] = &[0x12, 0];
    let references =
        [field(4, b""), field(4, b"a"), field(5, &[field(1, &vec![1; 20_000_000]), sample.to_vec()].concat())].concat();
    let labels = field(1, &[[0x0a_u8, 0].repeat(10_000_000), sample.to_vec()].concat());
    for (what, content_type, message, expected) in [
        ("label references of one series", WRITE_V2, references, 400),
        ("labels of one series", WRITE_V1, labels, 400),
        ("samples of one series", WRITE_V1, field(1, &sample.repeat(10_000_000)), 413),
        ("series", WRITE_V1, [0x0a, 2, 0x12, 0].repeat(6_000_000), 413),
        ("symbols", WRITE_V2, [0x22, 0].repeat(12_000_000), 413),
        ("metadata", WRITE_V1, [0x1a, 0].repeat(12_000_000), 204),
        ("metadata of series", WRITE_V2, [0x2a, 4, 0x2a, 2, 0x08, 1].repeat(4_000_000), 204),
    ] {
        let memory = Memory::start(&server);
        let reply = write(&server, content_type, &message);
        assert_eq!(reply.status, expected, "{what}: {}", reply.text());
        memory.assert_growth(ONE_BODY, what);
        assert_eq!(write(&server, WRITE_V1, &honest()).status, 204, "{what}");
    }
}

/// The buffers of many large requests are not kept.
#[test]
fn buffers_of_large_requests_are_freed() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let message =
        [field(4, b""), field(4, b"a"), field(5, &[field(1, &vec![1; 20_000_000]), vec![0x12, 0]].concat())].concat();
    let memory = Memory::start(&server);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(write(&server, WRITE_V2, &message).status, 400));
        }
    });
    // At most two such requests are decoded at once.
    memory.assert_growth(2 * ONE_BODY, "eight requests");
    let after = Memory::start(&server);
    assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
    assert!(after.start < memory.start + ONE_BODY, "{} MiB are kept, before: {}", after.start, memory.start);
}

/// Opens a connection, declares a large body, and sends most of it.
fn slow_body(server: &Server, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    // The service stops reading when the memory is exhausted.
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: {WRITE_V1}\r\nContent-Length: {}\r\n\r\n",
        bytes + 1
    );
    stream.write_all(head.as_bytes()).unwrap();
    let part = vec![0_u8; 64 << 10];
    let mut left = bytes;
    while left > 0 && stream.write_all(&part[..part.len().min(left)]).is_ok() {
        left = left.saturating_sub(part.len());
    }
    stream
}

#[test]
fn slow_bodies_share_a_bound_and_small_requests_pass() {
    let folder = tempdir().unwrap();
    let config = "[server]\nmax_body = \"8MiB\"\nmax_in_flight = \"32MiB\"\n";
    std::fs::write(folder.path().join("almanac.toml"), config).unwrap();
    let server = Server::start(folder.path());
    assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
    let memory = Memory::start(&server);
    let mut slow: Vec<TcpStream> = thread::scope(|scope| {
        let opened: Vec<_> = (0..40).map(|_| scope.spawn(|| slow_body(&server, 7 << 20))).collect();
        opened.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
    // 40 bodies of 7 MiB are 280 MiB. Of 32 MiB the parts are counted, not the slack of their buffers.
    memory.assert_growth(120, "slow bodies");
    // Those that found no memory are told so, and when to come back.
    let mut refused = 0;
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut head = vec![0; 400];
        let read = stream.read(&mut head).unwrap_or(0);
        let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
        if head.starts_with("http/1.1 503") {
            assert!(head.contains("retry-after"), "{head}");
            refused += 1;
        }
        if refused > 0 {
            break;
        }
    }
    assert!(refused > 0, "no slow body was refused");
    // Memory comes back with the end of the connections.
    drop(slow);
    let large = snap::raw::Encoder::new().compress_vec(&honest().repeat(20_000)).unwrap();
    let request = || server.request("POST", "/api/v1/write").header("content-type", WRITE_V1).body(large.clone());
    let served = (0..50).any(|_| {
        let status = server.send(request()).status;
        thread::sleep(Duration::from_millis(if status == 204 { 0 } else { 200 }));
        status == 204
    });
    assert!(served, "an honest request is not served after the slow ones have gone");
}

#[test]
fn compressed_bodies_and_wide_files_have_bounds() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(write(&server, WRITE_V1, &honest()).status, 204);
    let row = b"up{job=\"a\"} 1 1000\n".repeat(5_000);
    let mut wide = b"timestamp".to_vec();
    (0..200_000).for_each(|column| wide.extend_from_slice(format!(",c{column}").as_bytes()));
    wide.extend_from_slice(b"\n1000");
    wide.extend_from_slice(&b",1".repeat(200_000));
    let fields: Vec<String> = (0..200_000).map(|field| format!("\"f{field}\":1")).collect();
    let fields = format!("{{\"timestamp\":1000,{}}}", fields.join(","));
    let labels: Vec<String> = (0..400_000).map(|label| format!("l{label}=\"v\"")).collect();
    let long_line = format!("up{{{}}} 1 1000\n", labels.join(","));
    let helps: String =
        (0..1_000_000).map(|metric| format!("# HELP m{metric} x\n")).collect::<String>() + "up 1 1000\n";
    for (what, path, body, expected, words) in [
        ("a bomb", "/v1/import?format=prometheus", gzip(&row, 2_000), 413, "after decompression"),
        ("columns", "/v1/import?format=csv", wide, 400, "200001 columns, at most 10000"),
        ("fields", "/v1/import?format=ndjson", fields.into_bytes(), 400, "200001 columns, at most 10000"),
        ("a long line", "/v1/import?format=prometheus", long_line.into_bytes(), 400, "line 1: the line has"),
        ("descriptions", "/v1/import?format=prometheus", helps.into_bytes(), 200, "\"samples\":1"),
        ("an event", "/v1/events", [b"[[".as_slice(), &b"0,".repeat(8_000_000), b"0]]"].concat(), 400, "event 1: has"),
        ("targets", "/grafana/query", grafana_targets(20_000), 413, "1048576"),
        ("few targets", "/grafana/query", grafana_targets(201), 413, "201 targets; at most 200"),
    ] {
        let memory = Memory::start(&server);
        let reply = server.post(path, "application/json", body);
        assert_eq!(reply.status, expected, "{what}: {}", reply.text());
        assert!(reply.text().contains(words), "{what}: {}", reply.text());
        memory.assert_growth(200, what);
    }
    // A bomb in a body of events stops at the limit of bodies.
    let memory = Memory::start(&server);
    let request = server.request("POST", "/v1/events").header("content-encoding", "gzip");
    let reply = server.send(request.body(gzip(&b"\n".repeat(1 << 20), 200)));
    assert_eq!(reply.status, 413, "{}", reply.text());
    memory.assert_growth(200, "events");
}

fn grafana_targets(count: usize) -> Vec<u8> {
    let targets: Vec<String> = (0..count)
        .map(|number| format!("{{\"refId\":\"A{number}\",\"target\":\"a_metric_with_a_long_name\"}}"))
        .collect();
    format!("{{\"targets\":[{}]}}", targets.join(",")).into_bytes()
}
