//! Commands on the session, which never reach a worker: transactions, settings, cursors.

use almanac_engine::store::postgres::{LexemeKind, Piece};

use super::copy::{Copied, copied};

/// How many rows `FETCH` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Count {
    Rows(usize),
    All,
}

/// A statement by what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) enum Command {
    /// It runs in a worker.
    Query,
    Begin,
    Commit,
    Rollback,
    /// `SAVEPOINT`, `RELEASE` or `ROLLBACK TO`; the answer is the tag.
    Savepoint(&'static str),
    /// `SET name = value`; `None` for `DEFAULT` and `RESET`.
    Set {
        name: String,
        value: Option<String>,
        /// Whether it lasts until the end of the transaction only.
        is_local: bool,
        tag: &'static str,
    },
    ResetAll,
    /// `SET TRANSACTION` and `SET SESSION CHARACTERISTICS`.
    SetTransaction,
    Show(String),
    DiscardAll,
    /// `DECLARE`: name of the cursor, start of its query in the statement in bytes, and the kind of the cursor.
    Declare {
        name: String,
        query: usize,
        is_binary: bool,
        is_held: bool,
    },
    Fetch {
        name: String,
        count: Count,
        moves_only: bool,
    },
    /// `CLOSE` or `DEALLOCATE`; `None` for `ALL`.
    Close(Option<String>),
    Deallocate(Option<String>),
    /// `COPY … TO STDOUT`
    Copy(Box<Copied>),
    /// `UNLISTEN` and the like, without effect.
    Nothing(&'static str),
    /// Something that is not offered, with the reason.
    Refused(String),
}

/// Lexemes of a statement.
struct Words<'a> {
    head: &'a [(LexemeKind, &'a str)],
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> &'a str {
        self.head.get(self.at).map_or("", |(_, text)| text)
    }

    /// Takes the next lexeme if it is this word.
    fn take(&mut self, word: &str) -> bool {
        let is = self.peek().eq_ignore_ascii_case(word);
        self.at += usize::from(is);
        is
    }

    /// Takes a name: a word in lower case, or a quoted one as it is.
    fn name(&mut self) -> String {
        let Some((kind, text)) = self.head.get(self.at) else { return String::new() };
        self.at += 1;
        match kind {
            LexemeKind::Quoted => text.trim_matches('"').replace("\"\"", "\""),
            LexemeKind::Word => text.to_lowercase(),
            _ => (*text).to_owned(),
        }
    }

    /// Takes a value: a text constant without its quotes, or another lexeme as a name.
    fn value(&mut self) -> String {
        let quoted = self.head.get(self.at).and_then(|(_, text)| text.strip_prefix('\'')?.strip_suffix('\''));
        match quoted {
            Some(text) => {
                self.at += 1;
                text.replace("''", "'")
            }
            None => self.name(),
        }
    }

    fn is_done(&self) -> bool {
        self.at >= self.head.len()
    }
}

/// Returns what is to be done with a statement.
pub(in crate::postgres) fn command(piece: &Piece<'_>) -> Command {
    let mut words = Words { head: &piece.head, at: 0 };
    let first = words.name();
    match first.as_str() {
        "begin" => Command::Begin,
        "start" if words.take("transaction") => Command::Begin,
        "commit" | "end" => Command::Commit,
        "abort" => Command::Rollback,
        "rollback" => {
            let _ = words.take("work") || words.take("transaction");
            if words.take("to") { Command::Savepoint("ROLLBACK") } else { Command::Rollback }
        }
        "savepoint" => Command::Savepoint("SAVEPOINT"),
        "release" => Command::Savepoint("RELEASE"),
        "set" => set(words),
        "reset" => {
            let name = words.name();
            if name == "all" {
                Command::ResetAll
            } else {
                Command::Set { name, value: None, is_local: false, tag: "RESET" }
            }
        }
        "show" => show(words),
        "discard" => {
            if words.take("all") {
                Command::DiscardAll
            } else {
                Command::Nothing("DISCARD")
            }
        }
        "declare" => declare(piece, words),
        "fetch" => fetch(words, false),
        "move" => fetch(words, true),
        "close" => Command::Close(one_or_all(words)),
        "deallocate" => {
            words.take("prepare");
            Command::Deallocate(one_or_all(words))
        }
        "unlisten" => Command::Nothing("UNLISTEN"),
        "listen" | "notify" => {
            Command::Refused("notifications are not offered; subscribe to the HTTP streams".to_owned())
        }
        "prepare" | "execute" => Command::Refused(
            "PREPARE and EXECUTE are not offered as statements; clients prepare by the protocol".to_owned(),
        ),
        "copy" => copied(piece).map_or_else(Command::Refused, |copied| Command::Copy(copied.into())),
        "lock" => Command::Nothing("LOCK TABLE"),
        _ => Command::Query,
    }
}

fn one_or_all(mut words: Words<'_>) -> Option<String> {
    let is_all = words.peek().eq_ignore_ascii_case("all");
    let name = words.name();
    (!is_all).then_some(name)
}

fn set(mut words: Words<'_>) -> Command {
    let mut is_local = false;
    if words.take("session") {
        if words.take("characteristics") {
            return Command::SetTransaction;
        }
    } else {
        is_local = words.take("local");
    }
    if words.take("transaction") {
        return Command::SetTransaction;
    }
    if words.take("time") && words.take("zone") {
        let value = words.value();
        return Command::Set { name: "timezone".to_owned(), value: Some(value), is_local, tag: "SET" };
    }
    let mut name = words.name();
    // A setting of an extension: `extension.setting`.
    while words.take(".") {
        name = format!("{name}.{}", words.name());
    }
    if !words.take("to") && !words.take("=") {
        return Command::Query;
    }
    let mut value = String::new();
    while !words.is_done() {
        if words.take(",") {
            value.push_str(", ");
        } else {
            value.push_str(&words.value());
        }
    }
    let is_default = value.eq_ignore_ascii_case("default");
    Command::Set { name, value: (!is_default).then_some(value), is_local, tag: "SET" }
}

/// `SHOW TABLES` and `SHOW name` of a view are queries; other names are settings.
fn show(mut words: Words<'_>) -> Command {
    let mut name = Vec::new();
    while !words.is_done() {
        name.push(words.name());
    }
    let name = match name.join(" ").as_str() {
        "transaction isolation level" => "transaction_isolation".to_owned(),
        "time zone" => "timezone".to_owned(),
        "session authorization" => "session_authorization".to_owned(),
        other => other.replace(" . ", "."),
    };
    if super::settings::is_known(&name) || name == "all" { Command::Show(name) } else { Command::Query }
}

fn declare(piece: &Piece<'_>, mut words: Words<'_>) -> Command {
    let name = words.name();
    let mut is_binary = false;
    while !words.take("cursor") {
        let option = words.name();
        is_binary |= option == "binary";
        if words.is_done() || !["binary", "asensitive", "insensitive", "no", "scroll"].contains(&option.as_str()) {
            return Command::Query;
        }
    }
    let mut is_held = false;
    if words.take("with") {
        is_held = words.take("hold");
    } else if words.take("without") {
        words.take("hold");
    }
    if !words.take("for") || words.is_done() {
        return Command::Query;
    }
    // Lexemes are parts of the statement's text, so that their addresses give their positions.
    let query = words.peek().as_ptr() as usize - piece.text.as_ptr() as usize;
    Command::Declare { name, query, is_binary, is_held }
}

fn fetch(mut words: Words<'_>, moves_only: bool) -> Command {
    let refused =
        || Command::Refused("cursors go forward only: FETCH NEXT, FETCH FORWARD n, FETCH n or FETCH ALL".to_owned());
    let mut count = Count::Rows(1);
    let is_forward = words.take("forward") || words.take("next");
    if words.take("all") {
        count = Count::All;
    } else if let Some((LexemeKind::Number, number)) = words.head.get(words.at) {
        let Ok(number) = number.parse() else { return refused() };
        words.at += 1;
        count = Count::Rows(number);
    } else if !is_forward {
        let backward = ["backward", "prior", "first", "last", "absolute", "relative", "-"];
        if backward.iter().any(|word| words.peek().eq_ignore_ascii_case(word)) {
            return refused();
        }
    }
    let _ = words.take("from") || words.take("in");
    Command::Fetch { name: words.name(), count, moves_only }
}

#[cfg(test)]
mod tests {
    use almanac_engine::store::postgres::split;

    use super::*;

    #[test]
    fn statements_of_clients_are_recognised() {
        let check = |sql: &str, expected: Command| {
            let pieces = split(sql);
            assert_eq!(command(&pieces[0]), expected, "{sql}");
        };
        let set = |name: &str, value: &str| Command::Set {
            name: name.into(),
            value: Some(value.into()),
            is_local: false,
            tag: "SET",
        };
        let mut local = set("statement_timeout", "5s");
        if let Command::Set { is_local, .. } = &mut local {
            *is_local = true;
        }
        check("SET application_name = 'it''s a,b'", set("application_name", "it's a,b"));
        check("SET LOCAL statement_timeout = '5s'", local);
        check("RESET ALL", Command::ResetAll);
        check("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", Command::Begin);
        check("start transaction", Command::Begin);
        check("ROLLBACK TO SAVEPOINT x", Command::Savepoint("ROLLBACK"));
        check("SET extra_float_digits = 3", set("extra_float_digits", "3"));
        check("set session application_name to 'a b'", set("application_name", "a b"));
        check("SET DateStyle = ISO, MDY", set("datestyle", "ISO, MDY".to_lowercase().as_str()));
        check("SET TIME ZONE 'Europe/Berlin'", set("timezone", "Europe/Berlin"));
        check(
            "SET statement_timeout TO DEFAULT",
            Command::Set { name: "statement_timeout".into(), value: None, is_local: false, tag: "SET" },
        );
        check("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Command::SetTransaction);
        check("SHOW transaction isolation level", Command::Show("transaction_isolation".into()));
        check("SHOW TABLES", Command::Query);
        check("SELECT 1", Command::Query);
        check(
            "DECLARE \"C 1\" CURSOR WITHOUT HOLD FOR SELECT 1",
            Command::Declare { name: "C 1".into(), query: 38, is_binary: false, is_held: false },
        );
        check(
            "FETCH FORWARD 10 FROM c",
            Command::Fetch { name: "c".into(), count: Count::Rows(10), moves_only: false },
        );
        check("fetch all in c", Command::Fetch { name: "c".into(), count: Count::All, moves_only: false });
        check("MOVE c", Command::Fetch { name: "c".into(), count: Count::Rows(1), moves_only: true });
        check("CLOSE ALL", Command::Close(None));
        check("DEALLOCATE PREPARE s", Command::Deallocate(Some("s".into())));
        assert!(matches!(command(&split("FETCH BACKWARD 1 FROM c")[0]), Command::Refused(_)));
    }
}
