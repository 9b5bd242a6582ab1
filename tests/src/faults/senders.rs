//! Senders that stall, reset and flood beside one that behaves: it is served, the others cost bounded memory, and nothing is half-stored.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    harness::{Answer, Load, Model, Service, Setup, locked, start},
    run::{Options, Table},
};

/// Connections that stall.
const STALLED: usize = 200;
/// Connections that are reset within a body.
const RESETS: u64 = 400;
/// Threads that flood, and samples of each of their batches.
const FLOODERS: u32 = 12;
const FLOOD_SAMPLES: i64 = 20_000;
/// Samples after which the flood repeats what it has sent.
const FLOOD_NEW: usize = 1_000_000;
/// Time of the flood.
const DURING: Duration = Duration::from_secs(8);
/// Longest time until a stalled connection is closed: the limits below are 2 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// Short limits for connections that stall, and budgets that a flood fills.
const CONFIG: &str = "[server]\nheader_timeout = \"2s\"\nbody_timeout = \"2s\"\nmax_in_flight = \"64MiB\"\n[store]\nqueue = \"2MiB\"\nrecent = \"32MiB\"\n";
/// The budgets, recent samples with an eighth of spare room; beside them the rows of a log of 32 MiB in DuckDB's memory, which are twice as long
/// there, what a compaction takes for a while, and the program with its threads.
const PROMISED: u64 = (64 + 2 + 36 + 64 + 256) << 20;
/// First series of the flood.
const FLOOD_SERIES: u32 = 1_000;
/// First timestamp of the flood.
const FLOOD_MS: i64 = 1_700_000_000_000;

/// Runs the hostile senders beside the load.
pub(super) fn hostile(options: &Options) -> Result<Table, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut setup = Setup::busy(&options.almanac, folder.path());
    setup.config = setup.config.replace("[store]\n", CONFIG);
    let load = Arc::new(Load::default());
    let mut service = Service::start(&setup)?;
    let threads = start(&load, &service.handle(), options.seed);
    let address = service.url.strip_prefix("http://").unwrap_or("").to_owned();
    let stalled: Vec<TcpStream> = (0..STALLED).map(|number| stall(&address, number)).collect::<Result<_, _>>()?;
    let flood = Arc::new(Flood::default());
    let flooders: Vec<_> = (0..FLOODERS)
        .map(|number| {
            let (flood, handle) = (Arc::clone(&flood), service.handle());
            thread::spawn(move || flood.send(&handle, number))
        })
        .collect();
    let before = load.acknowledged();
    let started = Instant::now();
    let mut resets = 0;
    while started.elapsed() < DURING {
        if resets < RESETS {
            reset(&address)?;
            resets += 1;
        }
        thread::sleep(Duration::from_millis(15));
    }
    flood.is_over.store(true, Ordering::SeqCst);
    for flooder in flooders {
        flooder.join().map_err(|_| "a flooder panicked".to_owned())??;
    }
    let during = load.acknowledged() - before;
    if during == 0 {
        return Err(format!("no batch of the sender that behaves was taken: {}", load.failed()));
    }
    let closed = stalled.into_iter().map(wait_until_closed).collect::<Result<Vec<_>, _>>()?;
    let healed = Instant::now();
    let wanted = load.acknowledged() + 4;
    while load.acknowledged() < wanted {
        if healed.elapsed() > PATIENCE || service.ended().is_some() {
            return Err(format!("the service does not work again: {}", load.failed()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    let again = healed.elapsed();
    load.end(threads)?;
    let peak = service.peak_bytes().unwrap_or(0);
    if peak > PROMISED {
        return Err(format!(
            "the service took {} MiB; its budgets and the program are {} MiB",
            peak >> 20,
            PROMISED >> 20
        ));
    }
    let mut both = locked(&load.model)?.with(&*locked(&flood.model)?);
    service.judge(&mut both)?;
    service.stop()?;
    Service::start(&setup)?.judge(&mut both)?;
    let mut table = Table::new(&[
        "stalled connections, closed within s after the flood",
        "resets",
        "flood: batches taken",
        "refused (429, 503)",
        "batches of the others meanwhile",
        "ms for four batches afterwards",
        "peak MiB",
        "samples compared",
    ]);
    table.row([
        format!("{STALLED}, {:.0}", closed.iter().max().map_or(0.0, Duration::as_secs_f64)),
        resets.to_string(),
        locked(&flood.model)?.acknowledged().to_string(),
        flood.refused.load(Ordering::SeqCst).to_string(),
        during.to_string(),
        again.as_millis().to_string(),
        (peak >> 20).to_string(),
        both.samples().to_string(),
    ]);
    Ok(table)
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).map_err(|error| format!("cannot connect: {error}"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Sends a part of a request and nothing more: of its first line, its headers or its body.
fn stall(address: &str, number: usize) -> Result<TcpStream, String> {
    let parts = [
        "POST /api/v1/wr",
        "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Le",
        "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000000\r\n\r\nabc",
    ];
    let mut stream = connect(address)?;
    stream.write_all(parts[number % parts.len()].as_bytes()).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Reads until the service closes the connection, and returns how long that took.
fn wait_until_closed(mut stream: TcpStream) -> Result<Duration, String> {
    let started = Instant::now();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => Ok(started.elapsed()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(started.elapsed()),
        Err(error) => Err(format!("a stalled connection is not closed within {PATIENCE:?}: {error}")),
    }
}

/// Sends a part of a body and resets the connection.
fn reset(address: &str) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(|error| error.to_string())?;
    let part = "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: 100000\r\n\r\n";
    let body = [part.as_bytes(), &[7; 5_000]].concat();
    let sent = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, &body).await?;
        // Without lingering the close is a reset.
        stream.set_zero_linger()
    };
    runtime.block_on(sent).map_err(|error| format!("cannot connect: {error}"))
}

/// What the flooding threads share.
#[derive(Debug, Default)]
struct Flood {
    model: Mutex<Model>,
    is_over: AtomicBool,
    refused: AtomicU64,
}

impl Flood {
    /// Sends large batches as fast as it can. What is refused is dropped.
    fn send(&self, handle: &super::harness::Handle, number: u32) -> Result<(), String> {
        let mut first = FLOOD_MS;
        while !self.is_over.load(Ordering::SeqCst) {
            let batch: Vec<_> = (0..FLOOD_SAMPLES).map(|k| (FLOOD_SERIES + number, first + k * 1_000, k + 1)).collect();
            match handle.put(&batch) {
                Answer::Acknowledged => {
                    let mut model = locked(&self.model)?;
                    model.acknowledge(&batch);
                    // From then on it repeats itself, so that the comparison stays short.
                    if model.samples() < FLOOD_NEW {
                        first += FLOOD_SAMPLES * 1_000;
                    }
                }
                Answer::Busy(_) => {
                    self.refused.fetch_add(1, Ordering::SeqCst);
                }
                other => return Err(format!("a batch of the flood was answered with {other:?}")),
            }
        }
        Ok(())
    }
}
