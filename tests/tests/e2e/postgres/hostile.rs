//! Bytes and connections that no client should send.

use std::fs;

use super::{
    Service, port_of,
    raw::{CANCEL_REQUEST, Raw, SSL_REQUEST, START_UP},
    received, runtime,
};
use crate::harness::{Server, almanac};

/// Memory that a process has used at most, in KiB.
fn peak_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Starts a service without tokens, and returns its port for PostgreSQL's clients.
fn open_service(folder: &std::path::Path, settings: &str) -> (Server, u16) {
    fs::write(folder.join("almanac.toml"), settings).unwrap();
    let mut command = almanac(folder);
    command.args(["serve", "--listen", "127.0.0.1:0", "--postgres-listen", "127.0.0.1:0"]);
    let server = Server::from_command(command);
    let port = port_of(&server);
    (server, port)
}

#[test]
fn garbage_and_long_messages_end_the_connection_and_take_no_memory() {
    let service = Service::start("");
    let before = peak_kib(service.server.id());
    let huge = [&i32::MAX.to_be_bytes()[..], &START_UP.to_be_bytes()].concat();
    let long = [&20_000_i32.to_be_bytes()[..], &START_UP.to_be_bytes(), &[b'x'; 19_992]].concat();
    let negative = [&(-1_i32).to_be_bytes()[..], &START_UP.to_be_bytes()].concat();
    let first: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0; 64],
        &[0xff; 64],
        &huge,
        &long,
        &negative,
        &[&8_i32.to_be_bytes()[..], &0x0002_0000_i32.to_be_bytes()].concat(),
    ];
    for bytes in first {
        let mut raw = Raw::open(service.port);
        raw.send(bytes);
        let answered = raw.rest();
        assert!(answered.iter().all(|(kind, _)| *kind == 'E'), "{:?}: {answered:?}", bytes.escape_ascii().to_string());
    }
    // After the start-up message: a password of two gigabytes, one above the limit, and a statement before the sign-in.
    for length in [i32::MAX, 10_001, 3, -4] {
        let mut raw = Raw::open(service.port);
        raw.start_up();
        assert_eq!(raw.read().unwrap().0, b'R');
        raw.send(&[b"p", &length.to_be_bytes()[..], b"xxxxxxxx"].concat());
        let answered = raw.rest();
        assert!(answered.iter().any(|(kind, text)| *kind == 'E' && text.contains("08P01")), "{length}: {answered:?}");
    }
    let mut raw = Raw::open(service.port);
    raw.start_up();
    assert_eq!(raw.read().unwrap().0, b'R');
    raw.message(b'Q', b"SELECT 1\0");
    assert!(raw.rest().iter().any(|(kind, text)| *kind == 'E' && text.contains("08P01")));
    // Many connections that announce much and send nothing.
    let open: Vec<Raw> = (0..60)
        .map(|_| {
            let mut raw = Raw::open(service.port);
            raw.send(&9_999_i32.to_be_bytes());
            raw.send(&START_UP.to_be_bytes());
            raw
        })
        .collect();
    let after = peak_kib(service.server.id());
    assert!(after < before + (64 << 10), "{before} KiB before, {after} KiB after");
    drop(open);
    service.with_client(|client| async move {
        assert_eq!(client.query_one("SELECT 42", &[]).await.unwrap().get::<_, i32>(0), 42);
    });
}

#[test]
fn a_long_statement_of_a_client_that_has_signed_in_is_refused_by_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let (server, port) = open_service(folder.path(), "");
    let before = peak_kib(server.id());
    for length in [i32::MAX, (256 << 10) + 1] {
        let mut raw = Raw::open(port);
        raw.start_up();
        raw.until_ready();
        raw.send(&[b"Q", &length.to_be_bytes()[..], b"SELECT"].concat());
        let answered = raw.rest();
        assert!(answered.iter().any(|(kind, text)| *kind == 'E' && text.contains("at most 262144")), "{answered:?}");
    }
    assert!(peak_kib(server.id()) < before + (64 << 10));
    // A statement above the limit of statements is an error, and the connection stays open.
    let mut raw = Raw::open(port);
    raw.start_up();
    raw.until_ready();
    assert_eq!(raw.query(&format!("SELECT '{}'", "x".repeat(100_000))), "EZ");
    assert_eq!(raw.query("SELECT 1"), "TDCZ");
    // Messages that belong to other states.
    raw.message(b'd', b"data");
    raw.message(b'c', b"");
    assert_eq!(raw.query("SELECT 1"), "TDCZ");
    raw.message(b'p', b"secret\0");
    assert!(raw.rest().iter().any(|(kind, text)| *kind == 'E' && text.contains("08P01")));
    let mut raw = Raw::open(port);
    raw.start_up();
    raw.until_ready();
    raw.message(b'!', b"");
    assert!(raw.rest().iter().any(|(kind, _)| *kind == 'E'));
}

/// Returns the number of workers that statements have ended.
fn ended_workers(server: &Server) -> u64 {
    let metrics = server.get("/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("almanac_sql_workers_ended_total "));
    line.unwrap_or_else(|| panic!("{metrics}")).trim().parse().unwrap()
}

#[test]
fn a_client_that_leaves_ends_its_statement() {
    let folder = tempfile::tempdir().unwrap();
    let (server, port) = open_service(folder.path(), "");
    let sql = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 1";
    for is_simple in [true, false] {
        let before = ended_workers(&server);
        let mut raw = Raw::open(port);
        raw.start_up();
        raw.until_ready();
        if is_simple {
            raw.message(b'Q', format!("{sql}\0").as_bytes());
        } else {
            // As drivers do: the message after the statement arrives with it.
            raw.message(b'P', format!("\0{sql}\0\0\0").as_bytes());
            raw.message(b'B', &[0; 8]);
            raw.message(b'E', &[0; 5]);
            raw.message(b'S', b"");
        }
        // The statement has to run before its client leaves.
        std::thread::sleep(std::time::Duration::from_secs(1));
        drop(raw);
        // At its deadline a statement ends without its worker, so that the count stays as it is.
        let is_ended = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            ended_workers(&server) > before
        });
        assert!(is_ended, "is_simple: {is_simple}");
    }
}

#[test]
fn statements_and_columns_of_a_connection_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = open_service(folder.path(), "");
    let mut raw = Raw::open(port);
    raw.start_up();
    raw.until_ready();
    let long = "x".repeat(200_000);
    let prepare = |raw: &mut Raw, number: usize| {
        raw.message(b'P', format!("s{number}\0SELECT '{long}'\0\0\0").as_bytes());
        raw.message(b'S', b"");
        raw.until_ready()
    };
    let answers: Vec<String> = (0..100).map(|number| prepare(&mut raw, number)).collect();
    let kept = answers.iter().take_while(|answer| *answer == "1Z").count();
    // Of 200 kB each 84 exceed 16 MiB.
    assert_eq!(kept, 84, "{answers:?}");
    assert!(answers[kept..].iter().all(|answer| answer == "EZ"), "{answers:?}");
    assert_eq!(raw.query("DEALLOCATE ALL"), "CZ");
    assert_eq!(prepare(&mut raw, 0), "1Z");
    let columns = |number: usize| format!("SELECT {}", vec!["1"; number].join(","));
    assert_eq!(raw.query(&columns(1_664)), "TDCZ");
    assert_eq!(raw.query(&columns(1_665)), "EZ");
    assert_eq!(raw.query("SELECT 1"), "TDCZ");
}

#[test]
fn a_connection_that_does_not_sign_in_and_one_that_is_idle_are_closed() {
    let settings = "[server]\nheader_timeout = \"500ms\"\n[postgres]\nidle_timeout = \"1s\"\n";
    let service = Service::start(settings);
    assert_eq!(Raw::open(service.port).rest(), []);
    let mut started = Raw::open(service.port);
    started.start_up();
    assert!(started.rest().iter().all(|(kind, _)| *kind == 'R'));
    // A byte at a time does not extend the time.
    let mut drip = Raw::open(service.port);
    drip.send(&1_000_i32.to_be_bytes());
    drip.send(&START_UP.to_be_bytes());
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drip.send(b"x");
    }
    assert_eq!(drip.rest(), []);
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = open_service(folder.path(), settings);
    let mut idle = Raw::open(port);
    idle.start_up();
    idle.until_ready();
    let received = idle.rest();
    assert!(
        matches!(&received[..], [('E', text)] if text.contains("57P05") && text.contains("idle_timeout")),
        "{received:?}"
    );
}

#[test]
fn connections_above_the_largest_number_get_an_error() {
    let service = Service::start("[postgres]\nmax_connections = 2\n");
    runtime().block_on(async {
        let (one, two) = (service.connect().await, service.connect().await);
        let refused = service.config().connect(tokio_postgres::NoTls).await.err().unwrap();
        let (code, message) = received(&refused);
        assert_eq!(code, "53300");
        assert!(message.contains("postgres.max_connections"), "{message}");
        // A statement can be cancelled although no further connection is accepted.
        let cancel = one.cancel_token();
        let running = tokio::spawn(async move {
            let sql = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 1";
            one.query(sql, &[]).await.err().map(|error| super::sqlstate(&error))
        });
        let mut cancelled = None;
        while !running.is_finished() {
            cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        cancelled = running.await.unwrap().or(cancelled);
        assert_eq!(cancelled.as_deref(), Some("57014"));
        drop(two);
        // The places of connections that have ended are free again.
        for _ in 0..100 {
            if service.config().connect(tokio_postgres::NoTls).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("no place was given back");
    });
    // Far more connections than places: those above are closed without an answer, and the service keeps running.
    let mut many: Vec<Raw> = (0..200).map(|_| Raw::open(service.port)).collect();
    assert_eq!(many.pop().unwrap().rest(), []);
}

#[test]
fn cancel_requests_need_the_key_and_requests_for_encryption_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = open_service(folder.path(), "");
    for key in [0_i32, 1, -1] {
        let mut raw = Raw::open(port);
        raw.first(CANCEL_REQUEST, &[&1_i32.to_be_bytes()[..], &key.to_be_bytes()].concat());
        assert_eq!(raw.rest(), []);
    }
    // Without TLS the request is declined, and the client may go on in the clear.
    let mut raw = Raw::open(port);
    raw.first(SSL_REQUEST, b"");
    assert_eq!(raw.byte(), b'N');
    raw.start_up();
    raw.until_ready();
    assert_eq!(raw.query("SELECT 1"), "TDCZ");
    // Requests without end.
    let mut raw = Raw::open(port);
    for _ in 0..10 {
        raw.first(SSL_REQUEST, b"");
    }
    assert_eq!(raw.rest(), []);
}
