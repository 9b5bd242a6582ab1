//! Opens a file, detects its container by the first bytes, and reads its text with a limit on the size of a record.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::Path,
    rc::Rc,
};

use flate2::read::MultiGzDecoder;

use crate::ingest::files::{FileError, Place, error::MAX_EXPANSION};

/// Maximum size of a line, record or JSON element in bytes, to bound memory.
pub(crate) const MAX_RECORD_BYTES: usize = 4 << 20;

/// Number of first bytes that are read to detect the container.
const HEAD_BYTES: usize = 512;

/// Container of a readable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// Apache Parquet.
    Parquet,
    /// Text compressed by gzip.
    Gzip,
    /// Text.
    Plain,
}

/// First bytes of unsupported files, with a description and a remedy for the message.
const UNREADABLE: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls); save the sheet as CSV"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it with `zstd -d`"),
    (b"\xfd7zXZ\0", "compressed by xz; unpack it with `xz -d`"),
    (b"BZh", "compressed by bzip2; unpack it with `bunzip2`"),
    (b"\x04\x22\x4d\x18", "compressed by lz4; unpack it with `lz4 -d`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it"),
    (b"\xff\x06\0\0sNaPpY", "compressed by snappy; unpack it"),
    (b"\xff\xfe", "text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16; save it as UTF-8"),
    (b"ARROW1", "an Arrow (Feather) file; save it as Parquet or CSV"),
    (b"ORC", "an ORC file; save it as Parquet or CSV"),
    (b"Obj\x01", "an Avro file; save it as Parquet or CSV"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"%PDF", "a PDF document; save the table as CSV"),
    (b"<!DOCTYPE", "an HTML page; download the file itself"),
    (b"<!doctype", "an HTML page; download the file itself"),
    (b"<html", "an HTML page; download the file itself"),
    (b"<?xml", "an XML document; save the table as CSV"),
];

/// Opens a file and detects its container. An empty or unsupported file is an error.
pub(crate) fn open(path: &Path) -> Result<(File, Container), FileError> {
    let read = |source| FileError::read(path, source);
    let mut file = File::open(path).map_err(read)?;
    let kind = file.metadata().map_err(read)?;
    if kind.is_dir() {
        return Err(FileError::shape(path, "is a directory; give a file"));
    }
    if !kind.is_file() {
        // A pipe can be read once only, but the reader rewinds; it is copied to a temporary file.
        let mut copy = tempfile::tempfile().map_err(read)?;
        io::copy(&mut file, &mut copy).map_err(read)?;
        copy.rewind().map_err(read)?;
        file = copy;
    }
    let mut head = Vec::new();
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(read)?;
    file.rewind().map_err(read)?;
    if head.is_empty() {
        return Err(FileError::shape(path, "is empty"));
    }
    if head.starts_with(b"PAR1") {
        return Ok((file, Container::Parquet));
    }
    if !head.starts_with(&[0x1f, 0x8b]) {
        return match unreadable(&head) {
            Some(what) => Err(FileError::shape(path, format!("is {what}"))),
            None => Ok((file, Container::Plain)),
        };
    }
    let mut inner = Vec::new();
    // A damaged archive is reported by the later reader, with the position.
    let _ = MultiGzDecoder::new(&mut file).take(HEAD_BYTES as u64).read_to_end(&mut inner);
    file.rewind().map_err(read)?;
    let what =
        if inner.starts_with(b"PAR1") { Some("a Parquet file; unpack it with `gunzip`") } else { unreadable(&inner) };
    match what {
        Some(what) => Err(FileError::shape(path, format!("is compressed by gzip and contains {what}"))),
        None => Ok((file, Container::Gzip)),
    }
}

/// Rejects a file compressed by gzip that exceeds both `decoded_limit` bytes and [`MAX_EXPANSION`] times its own size
/// after decompression. Stops there, and keeps nothing in memory.
pub(crate) fn check_decoded_size(path: &Path, decoded_limit: usize) -> Result<(), FileError> {
    let (file, container) = open(path)?;
    if container != Container::Gzip {
        return Ok(());
    }
    let size = file.metadata().map_err(|source| FileError::read(path, source))?.len();
    let limit = size.saturating_mul(MAX_EXPANSION).max(decoded_limit as u64);
    let text = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file));
    // A damaged archive is reported by the later reader, with the position.
    match io::copy(&mut text.take(limit.saturating_add(1)), &mut io::sink()) {
        Ok(bytes) if bytes > limit => Err(FileError::TooLarge { file: path.to_owned(), limit }),
        _ => Ok(()),
    }
}

/// Returns the description of an unsupported file by its first bytes.
fn unreadable(head: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = UNREADABLE.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(what);
    }
    if head.get(8..12) == Some(b"DUCK") {
        return Some("a DuckDB database; export the table as Parquet");
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive; unpack it");
    }
    head.contains(&0).then_some("not text (it has zero bytes): neither CSV, NDJSON, Parquet nor Prometheus text")
}

/// Reader of a file's text: decompressed, without a byte order mark, with a limit on the size of a record.
pub(crate) struct TextReader {
    inner: Box<dyn Read>,
    since_record: RecordBytes,
}

/// Bytes read since the start of a record; the reader of records resets it to zero for each record.
pub(crate) type RecordBytes = Rc<Cell<usize>>;

/// Error of reading a record larger than [`MAX_RECORD_BYTES`].
#[derive(Debug, thiserror::Error)]
#[error("a record has more than {MAX_RECORD_BYTES} bytes")]
struct RecordTooLong;

impl TextReader {
    /// Opens the text of a file.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let (file, container) = open(path)?;
        Self::of(path, file, container)
    }

    pub(crate) fn of(path: &Path, file: File, container: Container) -> Result<Self, FileError> {
        let mut inner: Box<dyn Read> = match container {
            Container::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))),
            Container::Plain | Container::Parquet => Box::new(file),
        };
        let mut mark = Vec::new();
        (&mut inner).take(3).read_to_end(&mut mark).map_err(|source| FileError::read(path, source))?;
        if mark == b"\xef\xbb\xbf" {
            mark.clear();
        }
        Ok(Self { inner: Box::new(io::Cursor::new(mark).chain(inner)), since_record: RecordBytes::default() })
    }

    /// Returns the byte count that the reader of records resets.
    pub(crate) fn record_bytes(&self) -> RecordBytes {
        Rc::clone(&self.since_record)
    }
}

impl Read for TextReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_record.get() > MAX_RECORD_BYTES {
            return Err(io::Error::other(RecordTooLong));
        }
        let read = self.inner.read(buffer)?;
        self.since_record.set(self.since_record.get() + read);
        Ok(read)
    }
}

/// Returns the error for a failed read at a position; a record above the limit gets a specific message.
pub(crate) fn explain(path: &Path, place: Place, source: io::Error) -> FileError {
    if source.get_ref().is_some_and(|inner| inner.is::<RecordTooLong>()) {
        let mebibytes = MAX_RECORD_BYTES >> 20;
        let problem = format!("is longer than {mebibytes} MiB; write one sample per line (unclosed quote?)");
        return FileError::row(path, place, problem);
    }
    FileError::read(path, source)
}

/// Reads text line by line, with the limit on the size of a line.
pub(crate) struct LineReader<'a> {
    path: &'a Path,
    reader: BufReader<TextReader>,
    since_record: RecordBytes,
    number: u64,
    line: Vec<u8>,
}

impl<'a> LineReader<'a> {
    pub(crate) fn new(path: &'a Path, text: TextReader) -> Self {
        let since_record = text.record_bytes();
        Self { path, reader: BufReader::with_capacity(1 << 16, text), since_record, number: 0, line: Vec::new() }
    }

    /// Returns the next line without its line feed, and its number from 1.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>, FileError> {
        self.line.clear();
        self.since_record.set(0);
        let read = self.reader.read_until(b'\n', &mut self.line);
        self.number += 1;
        match read {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((self.number, self.line.strip_suffix(b"\n").unwrap_or(&self.line)))),
            Err(source) => Err(explain(self.path, Place::Line(self.number), source)),
        }
    }
}

/// Reader of one record that may exceed [`MAX_RECORD_BYTES`] by a given number of bytes.
pub(super) struct LargeRecordReader {
    text: TextReader,
    since_record: RecordBytes,
    left: usize,
}

impl LargeRecordReader {
    pub(super) fn new(text: TextReader, since_record: RecordBytes, bytes: usize) -> Self {
        Self { text, since_record, left: bytes }
    }
}

impl Read for LargeRecordReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Subtracts from the count what the additional bytes still cover.
        let granted = self.since_record.get().min(self.left);
        self.left -= granted;
        self.since_record.set(self.since_record.get() - granted);
        self.text.read(buffer)
    }
}
