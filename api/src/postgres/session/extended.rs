//! The extended protocol: Parse, Bind, Describe, Execute, Close.

use std::sync::Arc;

use almanac_engine::store::{
    SqlParam,
    postgres::{ParamKind, ParamType},
};
use pgwire::{
    api::results::Tag,
    messages::{
        PgWireBackendMessage as Reply,
        data::{NoData, ParameterDescription},
        extendedquery::{
            Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended,
            TARGET_TYPE_BYTE_STATEMENT,
        },
        response::EmptyQueryResponse,
    },
};

use super::{
    Session,
    command::{Command, command},
    portal::{Formats, Portal, Prepared},
    simple::only_statement,
};
use crate::postgres::{
    error::{Failure, error},
    values::{Column, declared_type, declared_value, oid_of, parameter},
};

/// Largest number of prepared statements of a session.
const MOST_STATEMENTS: usize = 1_000;

/// Largest number of bytes of the prepared statements and values of a session.
const MOST_BYTES: usize = 16 << 20;

impl Session {
    pub(super) async fn parse(&mut self, parse: Parse) -> Result<(), Failure> {
        let name = parse.name.unwrap_or_default();
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(error("42P05", format!("prepared statement {name:?} exists already")));
        }
        if self.statements.len() >= MOST_STATEMENTS {
            return Err(error(
                "53400",
                format!("the connection has {MOST_STATEMENTS} prepared statements; close some"),
            ));
        }
        self.check_bytes()?;
        let piece = only_statement(&parse.query)?;
        let prepared = Prepared {
            text: piece.as_ref().map_or("", |piece| piece.text).to_owned(),
            offset: piece.as_ref().map_or(0, |piece| parse.query[..piece.start].chars().count() as u64),
            command: piece.as_ref().map(command),
            declared: parse.type_oids.clone(),
            types: parse.type_oids.iter().map(|oid| declared_type(*oid)).collect(),
            description: parking_lot::Mutex::default(),
        };
        if let Some(command) = &prepared.command {
            self.check_transaction(command)?;
        }
        self.statements.insert(name, prepared.into());
        self.feed(Reply::ParseComplete(ParseComplete::new())).await
    }

    /// Checks that the session may keep another statement or values.
    fn check_bytes(&self) -> Result<(), Failure> {
        let statements = self.statements.iter().map(|(name, statement)| name.len() + statement.bytes());
        let portals = self.portals.iter().map(|(name, portal)| name.len() + portal.bytes());
        if statements.chain(portals).sum::<usize>() < MOST_BYTES {
            return Ok(());
        }
        let message = format!("prepared statements and values of the connection take {MOST_BYTES} bytes; close some");
        Err(error("53400", message))
    }

    fn statement(&self, name: Option<&String>) -> Result<Arc<Prepared>, Failure> {
        let name = name.map_or("", String::as_str);
        let found = self.statements.get(name).cloned();
        found.ok_or_else(|| error("26000", format!("prepared statement {name:?} does not exist")))
    }

    pub(super) async fn bind(&mut self, bind: Bind) -> Result<(), Failure> {
        let statement = self.statement(bind.statement_name.as_ref())?;
        let name = bind.portal_name.unwrap_or_default();
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(error("42P03", format!("portal {name:?} exists already")));
        }
        if name.is_empty() {
            self.portals.remove("");
        }
        self.check_portals()?;
        self.check_bytes()?;
        let formats = &bind.parameter_format_codes;
        if formats.len() > 1 && formats.len() != bind.parameters.len() {
            return Err(error("08P01", "the number of parameter formats differs from that of parameters"));
        }
        if formats.iter().chain(&bind.result_column_format_codes).any(|code| ![0, 1].contains(code)) {
            return Err(error("08P01", "a format is 0 (text) or 1 (binary)"));
        }
        let formats = Formats(formats.clone());
        // The types that are open are needed for binary values, and for lists as texts.
        let is_open = |idx: usize| statement.types.get(idx).copied().flatten().is_none();
        let needs_types = bind.parameters.iter().enumerate().any(|(idx, value)| {
            let is_list = value.as_ref().is_some_and(|value| value.first() == Some(&b'{'));
            is_open(idx) && value.is_some() && (formats.is_binary(idx) || is_list)
        });
        let is_query = matches!(statement.command, Some(Command::Query));
        let described = if needs_types && is_query { Some(self.description(&statement).await?) } else { None };
        let mut values = Vec::with_capacity(bind.parameters.len());
        for (idx, value) in bind.parameters.iter().enumerate() {
            let inferred = described.as_ref().and_then(|described| described.params.get(idx).copied());
            let found = statement.types.get(idx).copied().flatten().or(inferred);
            let found = found.unwrap_or(ParamType::one(ParamKind::Text));
            values.push(match value {
                None => SqlParam::Null,
                Some(bytes) => {
                    let is_binary = formats.is_binary(idx);
                    let declared = statement.declared.get(idx).copied().filter(|_| is_binary);
                    parameter(&declared_value(declared, bytes), found, is_binary)
                }
                .map_err(|wrong| error("22P02", format!("parameter ${} {wrong}", idx + 1)))?,
            });
        }
        let formats = Formats(bind.result_column_format_codes);
        let portal = Portal { statement, values, formats, rows: None, is_held: false };
        self.portals.insert(name, portal);
        self.feed(Reply::BindComplete(BindComplete::new())).await
    }

    pub(super) async fn describe(&mut self, describe: Describe) -> Result<(), Failure> {
        if describe.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let statement = self.statement(describe.name.as_ref())?;
            let described = match statement.command {
                Some(Command::Query) => Some(self.description(&statement).await?),
                _ => None,
            };
            let found = described.as_ref().map_or_else(
                || statement.types.iter().map(|found| found.unwrap_or(ParamType::one(ParamKind::Text))).collect(),
                |described| described.params.clone(),
            );
            // What the client has declared is repeated as it is.
            let declared = |idx: usize| {
                let known = statement.types.get(idx).copied().flatten();
                known.and_then(|_| statement.declared.get(idx).copied())
            };
            let types = found.iter().enumerate().map(|(idx, found)| declared(idx).unwrap_or_else(|| oid_of(*found)));
            let types = types.collect();
            self.feed(Reply::ParameterDescription(ParameterDescription::new(types))).await?;
            let columns = self.columns(&statement).await?;
            return self.describe_columns(columns, &Formats::default()).await;
        }
        let name = describe.name.unwrap_or_default();
        let Some(portal) = self.portals.get(&name) else { return Err(no_portal(&name)) };
        let (statement, formats) = (Arc::clone(&portal.statement), portal.formats.clone());
        let columns = match &portal.rows {
            Some(rows) => Some(rows.columns.clone()),
            None => self.columns(&statement).await?,
        };
        self.describe_columns(columns, &formats).await
    }

    async fn describe_columns(&mut self, columns: Option<Vec<Column>>, formats: &Formats) -> Result<(), Failure> {
        match columns {
            Some(columns) => self.describe_rows(&columns, formats).await,
            None => self.feed(Reply::NoData(NoData::new())).await,
        }
    }

    /// Returns the columns of a statement; `None` for a command without rows.
    async fn columns(&mut self, statement: &Prepared) -> Result<Option<Vec<Column>>, Failure> {
        Ok(match &statement.command {
            Some(Command::Query) => {
                let described = self.description(statement).await?;
                Some(described.columns.iter().map(|(name, found)| Column::new(name, found)).collect())
            }
            Some(Command::Show(name)) => Some(self.show(name).columns),
            Some(Command::Fetch { name, moves_only: false, .. }) => Some(self.cursor(name)?.columns.clone()),
            _ => None,
        })
    }

    pub(super) async fn execute(&mut self, execute: Execute) -> Result<(), Failure> {
        let name = execute.name.unwrap_or_default();
        let Some(mut portal) = self.portals.remove(&name) else { return Err(no_portal(&name)) };
        let most = usize::try_from(execute.max_rows).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
        let done = self.execute_portal(&mut portal, most).await;
        let ends_portals =
            matches!(portal.statement.command, Some(Command::Commit | Command::Rollback | Command::DiscardAll));
        if !ends_portals {
            self.portals.insert(name, portal);
        }
        done
    }

    async fn execute_portal(&mut self, portal: &mut Portal, most: usize) -> Result<(), Failure> {
        let statement = Arc::clone(&portal.statement);
        let Some(command) = statement.command.clone() else {
            return self.feed(Reply::EmptyQueryResponse(EmptyQueryResponse::new())).await;
        };
        self.check_transaction(&command)?;
        let tag = match command {
            Command::Query => {
                if portal.rows.is_none() {
                    let rows =
                        self.run(&statement.text, &statement.types, portal.values.clone(), statement.offset).await?;
                    portal.rows = Some(rows);
                }
                "SELECT"
            }
            Command::Show(name) => {
                portal.rows.get_or_insert_with(|| self.show(&name));
                "SHOW"
            }
            Command::Fetch { name, count, moves_only } => {
                let formats = self.cursor_formats(&name, &portal.formats);
                return self.fetch(&name, count, moves_only, &formats).await;
            }
            other => {
                let values = std::mem::take(&mut portal.values);
                return self.command(other, &statement.text, &statement.types, values, statement.offset).await;
            }
        };
        let Some(rows) = portal.rows.as_mut() else { return Ok(()) };
        let columns = rows.columns.len();
        if portal.formats.0.len() > 1 && portal.formats.0.len() != columns {
            let message =
                format!("Bind has {} result formats, but the statement has {columns} columns", portal.formats.0.len());
            return Err(error("08P01", message));
        }
        let sent = self.send(rows, &portal.formats, most).await?;
        if sent == most && !rows.is_done() {
            return self.feed(Reply::PortalSuspended(PortalSuspended::new())).await;
        }
        let tag = Tag::new(tag);
        self.complete(if command_has_rows(&statement) { tag.with_rows(sent) } else { tag }).await
    }

    pub(super) async fn close(&mut self, close: Close) -> Result<(), Failure> {
        let name = close.name.unwrap_or_default();
        if close.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.statements.remove(&name);
        } else {
            self.portals.remove(&name);
        }
        self.feed(Reply::CloseComplete(CloseComplete::new())).await
    }
}

/// Whether the tag of a statement has the number of its rows.
fn command_has_rows(statement: &Prepared) -> bool {
    statement.command == Some(Command::Query)
}

fn no_portal(name: &str) -> Failure {
    error("34000", format!("portal {name:?} does not exist; portals end with their transaction"))
}
