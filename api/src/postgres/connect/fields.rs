//! Reads the parts of a message.

/// The parts of a body that are still to be read. A part that does not fit is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// Reads some bytes.
    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Reads a text up to its zero byte.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|byte| *byte == 0)?;
        let taken = self.bytes(length)?;
        self.bytes(1)?;
        Some(taken)
    }

    /// Reads a number of two bytes without a sign.
    pub(super) fn count(&mut self) -> Option<usize> {
        let bytes = self.bytes(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes).into())
    }

    /// Reads a number of four bytes.
    pub(super) fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// Returns whether everything was read.
    pub(super) const fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}
