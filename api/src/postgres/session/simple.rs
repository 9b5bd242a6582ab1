//! The simple protocol: a text of statements, each answered in turn. Commands on the session are shared with the extended
//! protocol.

use almanac_engine::store::{
    SqlParam,
    postgres::{Piece, split},
};
use pgwire::{
    api::results::Tag,
    messages::{
        PgWireBackendMessage as Reply,
        copy::{CopyData, CopyDone, CopyOutResponse},
        data::RowDescription,
        response::{EmptyQueryResponse, TransactionStatus},
    },
};

use super::{
    Session,
    command::{Command, Count, command},
    copy::Copied,
    portal::{Formats, Portal, Prepared, Rows},
    settings::Changed,
};
use crate::postgres::{
    error::{Failure, error},
    values::Column,
};

/// Largest number of portals of a session; each holds its rows.
pub(super) const MOST_PORTALS: usize = 100;

/// Setting whose changes clients get as a message, as the others cannot change.
const REPORTED: &str = "application_name";

impl Session {
    /// Answers a text of statements.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<(), Failure> {
        self.statements.remove("");
        self.portals.remove("");
        let pieces = split(sql);
        if pieces.is_empty() {
            self.feed(Reply::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for piece in &pieces {
            let offset = sql[..piece.start].chars().count() as u64;
            let command = command(piece);
            self.check_transaction(&command)?;
            match command {
                Command::Query => {
                    let mut rows = self.run(piece.text, &[], Vec::new(), offset).await?;
                    self.describe_rows(&rows.columns, &Formats::default()).await?;
                    let sent = self.send(&mut rows, &Formats::default(), usize::MAX).await?;
                    self.complete(Tag::new("SELECT").with_rows(sent)).await?;
                }
                Command::Show(name) => {
                    let mut rows = self.show(&name);
                    self.describe_rows(&rows.columns, &Formats::default()).await?;
                    self.send(&mut rows, &Formats::default(), usize::MAX).await?;
                    self.complete(Tag::new("SHOW")).await?;
                }
                Command::Fetch { name, count, moves_only } => {
                    let formats = self.cursor_formats(&name, &Formats::default());
                    if !moves_only {
                        let columns = self.cursor(&name)?.columns.clone();
                        self.describe_rows(&columns, &formats).await?;
                    }
                    self.fetch(&name, count, moves_only, &formats).await?;
                }
                other => self.command(other, piece.text, &[], Vec::new(), offset).await?,
            }
        }
        Ok(self.ready().await?)
    }

    /// Checks that a statement may run in the present state of the transaction.
    pub(super) fn check_transaction(&self, command: &Command) -> Result<(), Failure> {
        let ends = matches!(command, Command::Commit | Command::Rollback | Command::Savepoint("ROLLBACK"));
        if self.transaction == TransactionStatus::Error && !ends {
            return Err(error("25P02", "the transaction has failed; statements are refused until ROLLBACK"));
        }
        Ok(())
    }

    /// Runs a command on the session and answers with its tag.
    pub(super) async fn command(
        &mut self,
        command: Command,
        text: &str,
        types: &[Option<almanac_engine::store::postgres::ParamType>],
        values: Vec<SqlParam>,
        offset: u64,
    ) -> Result<(), Failure> {
        let reported = self.settings.get(REPORTED);
        let tag = match command {
            Command::Begin => {
                self.settings.begin();
                self.transaction = TransactionStatus::Transaction;
                "BEGIN"
            }
            Command::Commit | Command::Rollback => {
                let failed = self.transaction == TransactionStatus::Error;
                let is_committed = command == Command::Commit && !failed;
                self.transaction = TransactionStatus::Idle;
                self.settings.end(is_committed);
                self.drop_portals();
                if is_committed { "COMMIT" } else { "ROLLBACK" }
            }
            Command::Savepoint(tag) => {
                if tag == "ROLLBACK" && self.transaction == TransactionStatus::Error {
                    self.transaction = TransactionStatus::Transaction;
                }
                tag
            }
            Command::Set { name, value, is_local, tag } => {
                let value = value.as_deref();
                let changed =
                    if is_local { self.settings.set_local(&name, value) } else { self.settings.set(&name, value) };
                match changed {
                    Changed::Quietly => {}
                    Changed::Ignored(message) => self.notice(message).await?,
                    Changed::Refused(message) => return Err(error("22023", message)),
                }
                tag
            }
            Command::ResetAll => {
                self.settings.clear();
                "RESET"
            }
            Command::SetTransaction => "SET",
            Command::DiscardAll => {
                self.statements.clear();
                self.portals.clear();
                self.settings.clear();
                "DISCARD ALL"
            }
            Command::Declare { name, query, is_binary, is_held } => {
                return self.declare(name, &text[query..], types, values, offset, is_binary, is_held).await;
            }
            Command::Close(name) => {
                self.forget_portal(name.as_deref());
                "CLOSE CURSOR"
            }
            Command::Deallocate(name) => {
                match name {
                    Some(name) => drop(self.statements.remove(&name)),
                    None => self.statements.clear(),
                }
                "DEALLOCATE"
            }
            Command::Copy(copied) => {
                let before = text[..copied.start].chars().count() as u64;
                return self.copy(&copied, types, values, offset + before).await;
            }
            Command::Nothing(tag) => tag,
            Command::Refused(reason) => return Err(error("0A000", reason)),
            // Answered with rows by the callers.
            Command::Query | Command::Show(_) | Command::Fetch { .. } => "SELECT",
        };
        let now = self.settings.get(REPORTED);
        if now != reported {
            self.report(REPORTED, now.unwrap_or_default()).await?;
        }
        self.complete(Tag::new(tag)).await
    }

    /// Sends the rows of a query as lines.
    async fn copy(
        &mut self,
        copied: &Copied,
        types: &[Option<almanac_engine::store::postgres::ParamType>],
        values: Vec<SqlParam>,
        offset: u64,
    ) -> Result<(), Failure> {
        let mut rows = self.run(&copied.query, types, values, offset).await?;
        let formats = vec![0; rows.columns.len()];
        let width = i16::try_from(formats.len()).unwrap_or(i16::MAX);
        self.feed(Reply::CopyOutResponse(CopyOutResponse::new(0, width, formats))).await?;
        if let Some(header) = copied.format.header(rows.columns.iter().map(|column| column.name.as_str())) {
            self.feed(Reply::CopyData(CopyData::new(header.freeze()))).await?;
        }
        let mut sent = 0;
        while let Some(row) = rows.next(&Formats::default())? {
            self.feed(Reply::CopyData(CopyData::new(copied.format.row(&row.data).freeze()))).await?;
            sent += 1;
        }
        self.feed(Reply::CopyDone(CopyDone::new())).await?;
        self.complete(Tag::new("COPY").with_rows(sent)).await
    }

    fn forget_portal(&mut self, name: Option<&str>) {
        match name {
            Some(name) => drop(self.portals.remove(name)),
            None => self.portals.clear(),
        }
    }

    /// Runs the query of a cursor.
    #[expect(clippy::too_many_arguments, reason = "the parts of DECLARE")]
    async fn declare(
        &mut self,
        name: String,
        query: &str,
        types: &[Option<almanac_engine::store::postgres::ParamType>],
        values: Vec<SqlParam>,
        offset: u64,
        is_binary: bool,
        is_held: bool,
    ) -> Result<(), Failure> {
        if self.transaction == TransactionStatus::Idle && !is_held {
            return Err(error("25P01", "DECLARE CURSOR needs a transaction (BEGIN), or WITH HOLD"));
        }
        if self.portals.contains_key(&name) {
            return Err(error("42P03", format!("cursor {name:?} exists already")));
        }
        self.check_portals()?;
        let rows = self.run(query, types, values, offset).await?;
        let statement = Prepared {
            text: query.to_owned(),
            offset,
            command: Some(Command::Query),
            declared: Vec::new(),
            types: Vec::new(),
            description: parking_lot::Mutex::default(),
        };
        let formats = Formats(if is_binary { vec![1] } else { Vec::new() });
        let portal = Portal { statement: statement.into(), values: Vec::new(), formats, rows: Some(rows), is_held };
        self.portals.insert(name, portal);
        self.complete(Tag::new("DECLARE CURSOR")).await
    }

    /// Checks that the session may have another portal.
    pub(super) fn check_portals(&self) -> Result<(), Failure> {
        if self.portals.len() < MOST_PORTALS {
            return Ok(());
        }
        Err(error("53400", format!("the connection has {MOST_PORTALS} portals; close some")))
    }

    /// Returns the rows of a cursor.
    pub(super) fn cursor(&mut self, name: &str) -> Result<&mut Rows, Failure> {
        let portal = self.portals.get_mut(name).and_then(|portal| portal.rows.as_mut());
        portal.ok_or_else(|| {
            error("34000", format!("cursor {name:?} does not exist; cursors end with their transaction"))
        })
    }

    /// Returns the form of a cursor's rows: that of `DECLARE BINARY`, else that of the caller.
    pub(super) fn cursor_formats(&self, name: &str, others: &Formats) -> Formats {
        let declared = self.portals.get(name).map(|portal| &portal.formats);
        declared.filter(|formats| formats.is_binary(0)).unwrap_or(others).clone()
    }

    /// Sends or skips rows of a cursor.
    pub(super) async fn fetch(
        &mut self,
        name: &str,
        count: Count,
        moves_only: bool,
        formats: &Formats,
    ) -> Result<(), Failure> {
        let most = match count {
            Count::All => usize::MAX,
            Count::Rows(most) => most,
        };
        self.cursor(name)?;
        if moves_only {
            let rows = self.cursor(name)?;
            let mut moved = 0;
            while moved < most && rows.skip() {
                moved += 1;
            }
            return self.complete(Tag::new("MOVE").with_rows(moved)).await;
        }
        let Some(mut portal) = self.portals.remove(name) else { return Ok(()) };
        let sent = match portal.rows.as_mut() {
            Some(rows) => self.send(rows, formats, most).await,
            None => Ok(0),
        };
        self.portals.insert(name.to_owned(), portal);
        self.complete(Tag::new("FETCH").with_rows(sent?)).await
    }

    /// Returns the answer to `SHOW`.
    pub(super) fn show(&self, name: &str) -> Rows {
        if name == "all" {
            let shown = almanac_engine::store::PG_SETTINGS.iter();
            let all: Vec<String> =
                shown.map(|(name, _)| format!("{name}={}", self.settings.get(name).unwrap_or_default())).collect();
            return Rows::texts(&[("settings", all.join("\n"))]);
        }
        Rows::texts(&[(name, self.settings.get(name).unwrap_or_default())])
    }

    pub(super) async fn describe_rows(&mut self, columns: &[Column], formats: &Formats) -> Result<(), Failure> {
        let fields = columns.iter().enumerate().map(|(idx, column)| column.field(formats.is_binary(idx)));
        self.feed(Reply::RowDescription(RowDescription::new(fields.collect()))).await
    }

    /// Sends up to `most` rows and returns their number.
    pub(super) async fn send(&mut self, rows: &mut Rows, formats: &Formats, most: usize) -> Result<usize, Failure> {
        let mut sent = 0;
        while sent < most
            && let Some(row) = rows.next(formats)?
        {
            self.feed(Reply::DataRow(row)).await?;
            sent += 1;
        }
        Ok(sent)
    }

    pub(super) async fn complete(&mut self, tag: Tag) -> Result<(), Failure> {
        self.feed(Reply::CommandComplete(tag.into())).await
    }
}

/// Returns the only statement of a text; `None` for an empty one.
pub(super) fn only_statement(sql: &str) -> Result<Option<Piece<'_>>, Failure> {
    let mut pieces = split(sql);
    if pieces.len() > 1 {
        return Err(error("42601", "a prepared statement has one statement; send several as a simple query"));
    }
    Ok(pieces.pop())
}
