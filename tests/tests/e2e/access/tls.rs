//! TLS: certificates of an own authority, their renewal, and the commands with `--ca`.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use reqwest::blocking::Client;
use tempfile::tempdir;

use super::{eventually, tokens::new_token};
use crate::harness::{Server, almanac, run};

/// Writes a new authority's certificate to `ca.pem`, and a certificate for 127.0.0.1 with its key to `cert.pem` and
/// `key.pem`. Returns the authority's certificate.
pub(crate) fn write_certificates(folder: &Path) -> String {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new([]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Without a name of its own the authority would have that of the leaf, which some clients take for self-signed.
    ca.distinguished_name.push(DnType::CommonName, "authority of this test");
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    leaf.is_ca = IsCa::ExplicitNoCa;
    let cert = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    fs::write(folder.join("ca.pem"), &ca_pem).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    ca_pem
}

const TLS: &str = "[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";

/// Requests `/healthz` on a new connection, trusting one authority.
fn health(url: &str, ca: &str) -> Result<u16, reqwest::Error> {
    let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
    let client = Client::builder().no_proxy().tls_built_in_root_certs(false).add_root_certificate(ca);
    let client = client.timeout(Duration::from_secs(60)).build().unwrap();
    Ok(client.get(format!("{url}/healthz")).send()?.status().as_u16())
}

#[test]
fn a_public_address_with_token_and_tls_is_served_and_certificates_are_renewed() {
    let folder = tempdir().unwrap();
    let first = write_certificates(folder.path());
    fs::write(folder.path().join("almanac.toml"), TLS).unwrap();
    let token = new_token(folder.path(), "sql", "analyst");
    fs::write(folder.path().join("token"), &token).unwrap();
    let mut command = almanac(folder.path());
    command.args(["serve", "--listen", "0.0.0.0:0"]);
    let server = Server::from_command(command);
    assert!(server.url.starts_with("https://0.0.0.0:"), "{}", server.url);
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    // A client that does not answer the handshake delays nobody.
    let address = url.trim_start_matches("https://").to_owned();
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(health(&url, &first).unwrap(), 200);
    // Plain HTTP gets no answer of the service.
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("200"), "{answer:?}");

    let sql = |more: &[&str]| {
        run(
            folder.path(),
            [&["sql", "SELECT 42 AS x", "--format", "csv", "--url", &url, "--token-file", "token"], more].concat(),
        )
    };
    let asked = sql(&["--ca", "ca.pem"]);
    assert_eq!((asked.code, asked.stdout.as_str()), (Some(0), "x\n42\n"), "{}", asked.stderr);
    assert_eq!(sql(&[]).code, Some(1), "an unknown authority is not trusted");
    for (ca, message) in [("none.pem", "--ca none.pem: "), ("key.pem", "--ca key.pem: there is no certificate")] {
        let refused = sql(&["--ca", ca]);
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    }

    // A broken renewal is reported and leaves the former certificate; a complete one is used.
    fs::write(folder.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    eventually("the broken pair is reported", || {
        server
            .log()
            .iter()
            .any(|line| line.contains("cannot be used") && line.contains("stays in effect"))
            .then_some(())
    });
    assert_eq!(health(&url, &first).unwrap(), 200);
    let second = write_certificates(folder.path());
    eventually("the new certificate is used", || health(&url, &second).ok());
    assert!(health(&url, &first).is_err());
    drop(silent);
    assert!(server.stop().success());
}

#[test]
fn unusable_files_are_named_before_a_store_is_made() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), TLS).unwrap();
    let check = |message: &str| {
        let ended = run(folder.path(), ["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{}", ended.stderr);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
        assert!(!folder.path().join("almanac.duckdb").exists());
    };
    check("the certificate cert.pem could not be read");
    write_certificates(folder.path());
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    check("the certificate cert.pem and the private key key.pem cannot be used");
    fs::write(folder.path().join("cert.pem"), &key).unwrap();
    check("cert.pem has no certificate in PEM format");
    fs::write(folder.path().join("almanac.toml"), "[server]\ntls_cert = \"cert.pem\"\n").unwrap();
    let ended = run(folder.path(), ["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("server.tls_cert and server.tls_key belong together"), "{}", ended.stderr);
}

/// The usual self-signed certificate is one of an authority, which the TLS library does not accept of a service.
#[test]
fn self_signed_certificates_are_trusted_by_ca_unless_they_are_of_an_authority() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("almanac.toml"), TLS).unwrap();
    for (is_ca, code, message) in [
        (IsCa::ExplicitNoCa, 0, ""),
        (IsCa::Ca(BasicConstraints::Unconstrained), 1, "make it with the extension basicConstraints=CA:FALSE"),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        own.is_ca = is_ca;
        fs::write(folder.path().join("cert.pem"), own.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        let server = Server::start(folder.path());
        let asked = run(folder.path(), ["sql", "SELECT 1", "--url", &server.url, "--ca", "cert.pem"]);
        assert_eq!(asked.code, Some(code), "{}", asked.stderr);
        assert!(asked.stderr.contains(message), "{}", asked.stderr);
        assert!(server.stop().success());
    }
}
