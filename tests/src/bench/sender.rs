//! Sends prepared request bodies over plain TCP, one thread per connection, so that the sender uses little processor
//! time.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::stream::Request;

/// Largest lead of a connection over the slowest one, in steps. Prometheus rejects samples that are an hour older than the
/// newest of any series; real senders are seconds apart.
const LEAD_MAX: usize = 180;

/// Most answers with 429 that a connection takes before the run fails.
const BUSY_MAX: usize = 3_000;

/// Result of sending a stream.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) samples: usize,
    pub(super) elapsed: Duration,
    /// Time from each request to its answer, in ascending order.
    pub(super) latencies: Vec<Duration>,
    /// Requests that were sent again because the server was busy.
    pub(super) busy: usize,
}

/// Sends each connection's requests one after the other, all connections at once.
pub(super) fn send<'a>(address: SocketAddr, connections: impl IntoIterator<Item = &'a [Request]>) -> io::Result<Sent> {
    let connections: Vec<&[Request]> = connections.into_iter().collect();
    let started = Instant::now();
    let positions: Vec<AtomicUsize> = connections.iter().map(|_| AtomicUsize::new(0)).collect();
    let parts: Vec<io::Result<Sent>> = thread::scope(|scope| {
        let threads: Vec<_> = connections
            .iter()
            .enumerate()
            .map(|(number, requests)| {
                let positions = &positions;
                let requests = *requests;
                scope.spawn(move || {
                    let sent = connection(address, requests, positions, number);
                    // Nobody waits for a connection that has ended.
                    positions[number].store(usize::MAX, Ordering::Relaxed);
                    sent
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a sender panicked"))))
            .collect()
    });
    let mut sent = Sent { elapsed: started.elapsed(), ..Sent::default() };
    for part in parts {
        let part = part?;
        sent.samples += part.samples;
        sent.busy += part.busy;
        sent.latencies.extend(part.latencies);
    }
    sent.latencies.sort_unstable();
    Ok(sent)
}

fn connection(address: SocketAddr, requests: &[Request], positions: &[AtomicUsize], number: usize) -> io::Result<Sent> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut sent = Sent::default();
    for request in requests {
        positions[number].store(request.step, Ordering::Relaxed);
        let slowest = || positions.iter().map(|position| position.load(Ordering::Relaxed)).min().unwrap_or(usize::MAX);
        while request.step > slowest().saturating_add(LEAD_MAX) {
            thread::sleep(Duration::from_micros(200));
        }
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
             content-encoding: snappy\r\nx-prometheus-remote-write-version: 0.1.0\r\ncontent-length: {}\r\n\r\n",
            request.body.len()
        );
        loop {
            let started = Instant::now();
            writer.write_all(head.as_bytes())?;
            writer.write_all(&request.body)?;
            match read_answer(&mut reader)? {
                200..=299 => {
                    sent.latencies.push(started.elapsed());
                    sent.samples += request.samples;
                    break;
                }
                // The queue is full: the same request is sent again, and its latency counts from the last attempt.
                429 | 503 if sent.busy < BUSY_MAX => {
                    sent.busy += 1;
                    thread::sleep(Duration::from_millis(100));
                }
                status => return Err(io::Error::other(format!("a request was answered with {status}"))),
            }
        }
    }
    Ok(sent)
}

/// Reads one HTTP answer and returns its status.
fn read_answer(reader: &mut impl BufRead) -> io::Result<u16> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("{line:?} is not an HTTP status line")))?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(status)
}
