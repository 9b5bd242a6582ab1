//! The store's methods for notices, webhooks and cursors of streams.

use super::Store;
use crate::store::{
    StoreError,
    rows::{DeadLetterRow, NoticeRow, NoticeType, StreamCursorRow, WebhookRow},
    tables,
};

impl Store {
    /// Numbers and writes notices, and deletes the oldest above 20,000; returns the number of the newest one.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_notices(&self, rows: Vec<NoticeRow>) -> Result<i64, StoreError> {
        self.write(move |connection| tables::put_notices(connection, rows))
    }

    /// Lists the notices behind the number `after`, ascending; `types`: only of these, all when it is empty.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn notices(
        &self,
        after: i64,
        types: &[NoticeType],
        limit: Option<usize>,
    ) -> Result<Vec<NoticeRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::notices(connection, after, types, limit))
    }

    /// Returns the numbers of the oldest and the newest notice, if there is one.
    ///
    /// # Errors
    /// `Database`, `Closed`.
    pub fn notice_span(&self) -> Result<Option<(i64, i64)>, StoreError> {
        self.0.shared.readers.with(tables::notice_span)
    }

    /// Returns the number of the newest notice, 0 if there is none.
    ///
    /// # Errors
    /// `Database`, `Closed`.
    pub fn newest_notice(&self) -> Result<i64, StoreError> {
        Ok(self.notice_span()?.map_or(0, |(_, newest)| newest))
    }

    /// Writes the state of a webhook; it replaces the stored one of the same name.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_webhook(&self, row: WebhookRow) -> Result<(), StoreError> {
        self.write(move |connection| tables::put_webhook(connection, &row))
    }

    /// Deletes the states of the webhooks that are not listed.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn retain_webhooks(&self, names: Vec<String>) -> Result<(), StoreError> {
        self.write(move |connection| tables::retain_webhooks(connection, &names))
    }

    /// Lists the states of webhooks by name.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        self.0.shared.readers.with(tables::webhooks)
    }

    /// Writes a dead letter and the state of its webhook.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_dead_letter(&self, letter: DeadLetterRow, webhook: WebhookRow) -> Result<(), StoreError> {
        self.write(move |connection| {
            tables::put_dead_letter(connection, &letter)?;
            tables::put_webhook(connection, &webhook)
        })
    }

    /// Lists dead letters, the newest first.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn dead_letters(&self, limit: Option<usize>) -> Result<Vec<DeadLetterRow>, StoreError> {
        self.0.shared.readers.with(|connection| tables::dead_letters(connection, limit))
    }

    /// Writes the cursor of a stream; it replaces the stored one.
    ///
    /// # Errors
    /// `Database`, `DiskFull`, `Closed`.
    pub fn put_stream_cursor(&self, row: StreamCursorRow) -> Result<(), StoreError> {
        self.write(move |connection| tables::put_stream_cursor(connection, &row))
    }

    /// Lists the cursors of streams by name.
    ///
    /// # Errors
    /// `Database`, `Corrupt`, `Closed`.
    pub fn stream_cursors(&self) -> Result<Vec<StreamCursorRow>, StoreError> {
        self.0.shared.readers.with(tables::stream_cursors)
    }
}
