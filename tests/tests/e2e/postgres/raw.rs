//! A connection without a client: messages as bytes.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Codes of the first messages.
pub(super) const START_UP: i32 = 3 << 16;
pub(super) const SSL_REQUEST: i32 = 80_877_103;
pub(super) const CANCEL_REQUEST: i32 = 80_877_102;

/// A connection. Reading fails after two minutes, so that a test ends.
pub(super) struct Raw(TcpStream);

impl Raw {
    pub(super) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self(stream)
    }

    /// Sends bytes; a connection that the service has closed is no error here.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends a message without a type: its length, a code and a body.
    pub(super) fn first(&mut self, code: i32, body: &[u8]) {
        let length = i32::try_from(body.len() + 8).unwrap();
        self.send(&[&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat());
    }

    /// Sends a message with a type.
    pub(super) fn message(&mut self, kind: u8, body: &[u8]) {
        let length = i32::try_from(body.len() + 4).unwrap();
        self.send(&[&[kind][..], &length.to_be_bytes(), body].concat());
    }

    /// Sends the start-up message of a user.
    pub(super) fn start_up(&mut self) {
        self.first(START_UP, b"user\0anyone\0database\0anything\0\0");
    }

    /// Reads one byte, as after a request for TLS.
    pub(super) fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// Reads a message; `None` when the service has closed the connection.
    pub(super) fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        match self.0.read_exact(&mut head) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the service neither answered nor closed the connection")
            }
            Err(_) => return None,
            Ok(()) => {}
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.0.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    /// Reads until the service closes the connection, and returns the types of the messages with their bodies as text.
    pub(super) fn rest(&mut self) -> Vec<(char, String)> {
        std::iter::from_fn(|| self.read())
            .map(|(kind, body)| (char::from(kind), String::from_utf8_lossy(&body).into_owned()))
            .collect()
    }

    /// Reads until the service awaits the next message; returns the types of the messages.
    pub(super) fn until_ready(&mut self) -> String {
        let mut kinds = String::new();
        while let Some((kind, _)) = self.read() {
            kinds.push(char::from(kind));
            if kind == b'Z' {
                return kinds;
            }
        }
        panic!("the connection was closed after {kinds:?}");
    }

    /// Sends a text of statements and returns the types of the messages up to the next state.
    pub(super) fn query(&mut self, sql: &str) -> String {
        self.message(b'Q', format!("{sql}\0").as_bytes());
        self.until_ready()
    }
}
