//! Error of reading an exported file.

/// Largest file that is read, in bytes.
pub(super) const FILE_MAX: usize = 512 << 20;

/// An exported file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", line.map(|line| format!(" line {line}")).unwrap_or_default())]
pub struct ExportError {
    /// Name of the file.
    pub file: String,
    /// Line, from 1, if it is known.
    pub line: Option<u64>,
    /// The fault and what would be right, in one line.
    pub message: String,
}

impl ExportError {
    pub(super) fn new(file: &str, line: Option<u64>, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = message.chars().map(|c| if c.is_control() { '?' } else { c }).take(1_000).collect();
        Self { file: file.to_owned(), line, message }
    }
}

/// Returns the text of a file without a byte order mark.
///
/// # Errors
/// [`ExportError`]: the file is empty, too large, or not UTF-8.
pub(super) fn text<'a>(file: &str, bytes: &'a [u8], content: &str) -> Result<&'a str, ExportError> {
    if bytes.len() > FILE_MAX {
        let message = format!("the file has {} bytes; at most {FILE_MAX} are read", bytes.len());
        return Err(ExportError::new(file, None, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        ExportError::new(file, Some(line), "the file is not UTF-8; export it with client_encoding = UTF8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(ExportError::new(file, None, format!("the file is empty; expected {content}")));
    }
    Ok(text)
}
