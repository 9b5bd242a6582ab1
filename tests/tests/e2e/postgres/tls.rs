//! TLS with libpq, as psycopg brings it: required, verified, absent.

use std::{fs, process::Command};

use super::{
    Service,
    python::python,
    raw::{Raw, SSL_REQUEST},
};
use crate::access::tls::write_certificates;

/// Connects with the options of `argv` and prints whether the connection is encrypted.
const CONNECT: &str = r#"
import sys, psycopg2
try:
    connection = psycopg2.connect(sys.argv[1])
except psycopg2.OperationalError as error:
    print("refused:", " ".join(str(error).split()))
else:
    cursor = connection.cursor()
    cursor.execute("SELECT 42")
    print(cursor.fetchone()[0], "encrypted" if connection.info.ssl_in_use else "plain")
"#;

/// Connects with options of libpq, and returns what the program prints.
fn connect(service: &Service, options: &str) -> String {
    let base = format!("port={} user=anyone dbname=anything password={}", service.port, service.token);
    let mut command = Command::new(python());
    command.args(["-c", CONNECT, &format!("host=127.0.0.1 {base} {options}")]);
    let ended = command.env("HOME", service.folder.path()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

#[test]
fn connections_are_encrypted_where_a_certificate_is_configured() {
    let settings = "[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";
    let service = Service::prepared(settings, |folder| {
        write_certificates(folder);
        fs::create_dir(folder.join("other")).unwrap();
        write_certificates(&folder.join("other"));
    });
    let authority = service.folder.path().join("ca.pem");
    let other = service.folder.path().join("other/ca.pem");
    for (options, expected) in [
        ("sslmode=require".to_owned(), "42 encrypted"),
        ("sslmode=prefer".to_owned(), "42 encrypted"),
        // On loopback both are served.
        ("sslmode=disable".to_owned(), "42 plain"),
        (format!("sslmode=verify-full sslrootcert={}", authority.display()), "42 encrypted"),
        (format!("sslmode=verify-ca sslrootcert={}", authority.display()), "42 encrypted"),
    ] {
        assert_eq!(connect(&service, &options), expected, "{options}");
    }
    let refused = connect(&service, &format!("sslmode=verify-full sslrootcert={}", other.display()));
    assert!(refused.starts_with("refused:") && refused.contains("SSL error"), "{refused}");
    // A handshake that is no handshake, and bytes that were sent ahead of it, end the connection.
    for ahead in [&b""[..], b"\0\0\0\x08\0\x03\0\0"] {
        let mut raw = Raw::open(service.port);
        raw.first(SSL_REQUEST, b"");
        assert_eq!(raw.byte(), b'S');
        raw.send(ahead);
        raw.send(&[0; 64]);
        assert!(raw.rest().iter().all(|(kind, _)| *kind != 'Z'));
    }
}

#[test]
fn without_a_certificate_a_client_that_requires_tls_is_refused() {
    let service = Service::start("");
    let refused = connect(&service, "sslmode=require");
    assert!(refused.contains("does not support SSL"), "{refused}");
    assert_eq!(connect(&service, "sslmode=prefer"), "42 plain");
    let refused = connect(&service, "password=wrong");
    assert!(refused.contains("the token is not valid for this service"), "{refused}");
    let unread = connect(&service, "client_encoding=LATIN1");
    assert!(unread.contains("client_encoding"), "{unread}");
}
