//! The decoding process: checks a file, then writes its series and samples to a pipe.

use std::io::{self, Read, Write};

use almanac_models::Timestamp;

use super::{
    ImportOptions,
    batches::BATCH_SAMPLES,
    check::{CheckPass, ImportSource},
    decoded::{Decoded, Packed, Request, pack},
    rows::{Pairs, SampleSink, Samples, SeriesTable},
};
use crate::{
    ingest::{files::FileError, text::TextParser, timestamp},
    isolation::{frame, limits},
};

/// Processor seconds for one file.
const CPU_SECONDS: u64 = 3_600;

/// Number of series per message.
const SERIES_PER_MESSAGE: usize = 1_000;

/// Why decoding ends early.
enum Ended {
    /// The file is invalid.
    File(FileError),
    /// The service no longer reads.
    Pipe,
}

impl From<FileError> for Ended {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Pipe
    }
}

/// Decodes the file that a message on `input` names, and writes its samples to `output`. The process ends at once when
/// `input` ends.
///
/// `memory`: bytes of address space beyond those in use now. Returns the exit status of the process.
pub fn serve_import(mut input: impl Read + Send + 'static, mut output: impl Write, memory: u64) -> u8 {
    if limits::apply(memory).is_err() || limits::allow_cpu(CPU_SECONDS, 1).is_err() {
        return 1;
    }
    let Ok((request, _)) = frame::read::<Request>(&mut input) else { return 1 };
    // The pipe ends with the service.
    let watching = std::thread::Builder::new().name("almanac-pipe".to_owned()).spawn(move || {
        let _ = io::copy(&mut input, &mut io::sink());
        std::process::exit(0);
    });
    if watching.is_err() {
        return 1;
    }
    let last = match decode(&request, &mut output) {
        Ok(()) => Decoded::Done,
        Err(Ended::File(error)) => {
            let is_large = matches!(error, FileError::TooLarge { .. });
            Decoded::Failed { message: with_sources(&error), is_large }
        }
        Err(Ended::Pipe) => return 1,
    };
    u8::from(frame::write(&mut output, &last, &[]).is_err())
}

fn decode(request: &Request, output: &mut dyn Write) -> Result<(), Ended> {
    let options = ImportOptions {
        format: request.format,
        name: request.name.clone(),
        now: Timestamp::from_millis(request.now_ms),
    };
    let mut output = output;
    let source = ImportSource::open(&request.limits, &request.path, &options)?;
    let checked = source.check(&request.limits, request.max_series)?;
    let notes = checked.notes();
    let CheckPass { table, samples, span_ms, seconds, .. } = checked;
    let series = table.labels.len() as u64;
    frame::write(&mut output, &Decoded::Checked { samples, series, span_ms, notes }, &[])?;
    for part in table.labels.chunks(SERIES_PER_MESSAGE) {
        let pairs = part
            .iter()
            .map(|labels| labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>());
        frame::write(&mut output, &Decoded::Series(pairs.collect()), &[])?;
    }
    let mut pass = DecodePass { table, seconds, packed: Packed::new(), metadata: Vec::new(), output, failed: None };
    let read = source.read(&mut pass);
    if let Some(error) = pass.failed.take() {
        return Err(error.into());
    }
    read?;
    pass.flush()?;
    let DecodePass { metadata, mut output, .. } = pass;
    Ok(frame::write(&mut output, &Decoded::Metadata(metadata), &[])?)
}

/// Second pass: writes the samples to the pipe.
struct DecodePass<'a> {
    table: SeriesTable<'a>,
    /// Whether integer timestamps are seconds.
    seconds: bool,
    packed: Packed,
    metadata: Vec<(String, String, String, String)>,
    output: &'a mut dyn Write,
    failed: Option<io::Error>,
}

impl DecodePass<'_> {
    fn flush(&mut self) -> io::Result<()> {
        if self.packed.is_empty() {
            return Ok(());
        }
        let payload = pack(&self.packed);
        self.packed.clear();
        frame::write(&mut self.output, &Decoded::Samples, &payload)
    }
}

impl SampleSink for DecodePass<'_> {
    fn samples(&mut self, labels: &Pairs<'_>, samples: &Samples<'_>) -> Result<(), FileError> {
        if self.failed.is_some() {
            return Ok(());
        }
        let place = (samples.place)(0);
        let idx = self.table.index_of(place, labels)?;
        let Ok(idx) = u32::try_from(idx) else {
            return Err(FileError::row(self.table.path(), place, "the file has too many series"));
        };
        for (&stamp, &value) in samples.timestamps.iter().zip(samples.values) {
            let timestamp_ms = if self.seconds { timestamp::from_seconds(stamp) } else { stamp };
            self.packed.push((idx, timestamp_ms, value));
            if self.packed.len() >= BATCH_SAMPLES {
                self.failed = self.flush().err();
                if self.failed.is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn declared(&mut self, parser: &TextParser) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.metadata = parser
            .declared()
            .map(|one| (text(one.metric), one.metric_type.as_str().to_owned(), text(one.help), text(one.unit)))
            .collect();
    }
}

/// Returns an error with its sources in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
