//! Parses a statement into `sqlparser`'s syntax tree.

use sqlparser::{
    ast::Statement,
    dialect::PostgreSqlDialect,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use super::{canonical::LONGEST, error::StatementError};

/// Deepest nesting of expressions and subqueries that is parsed.
const DEEPEST: usize = 96;

/// Most infix operators of a statement. A chain of them, such as `a OR b OR …`, is a tree as deep as it is long, which is
/// walked and dropped by recursion: 30,000 of them exceeded a stack of 2 MiB.
const MOST_OPERATORS: usize = 2_000;

/// Parses one statement in PostgreSQL's dialect.
///
/// Two forms that only normalised texts have are accepted as well: a placeholder for the field of `EXTRACT`, and one
/// behind the name of a type (`inet $1`).
///
/// # Errors
/// [`StatementError`]: the syntax is not known, there is not exactly one statement, or the text is too long.
pub fn parse(text: &str) -> Result<Statement, StatementError> {
    if text.len() > LONGEST {
        return Err(StatementError::TooLong { bytes: text.len(), limit: LONGEST });
    }
    let dialect = PostgreSqlDialect {};
    let syntax = |message: String| StatementError::Syntax { message };
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| syntax(error.to_string()))?;
    let operators = tokens.iter().filter(|found| is_infix(&found.token)).count();
    if operators > MOST_OPERATORS {
        return Err(syntax(format!("it has {operators} operators; at most {MOST_OPERATORS} are read")));
    }
    let parser = Parser::new(&dialect).with_recursion_limit(DEEPEST).with_tokens_with_locations(accepted(tokens));
    let mut statements = { parser }.parse_statements().map_err(|error| syntax(error.to_string()))?;
    match (statements.pop(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(StatementError::Count { found: 0 }),
        (Some(_), others) => Err(StatementError::Count { found: others + 1 }),
    }
}

/// Rewrites the forms that only normalised texts have: `EXTRACT($1 FROM x)` reads the field `epoch`, and `inet $1` loses
/// its type.
fn accepted(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut solid: Vec<usize> = Vec::new();
    for mut found in tokens {
        let word = |back: usize| {
            let idx = solid.len().checked_sub(back).and_then(|at| solid.get(at)).copied();
            idx.and_then(|idx| out.get(idx)).map(|found| &found.token)
        };
        if matches!(found.token, Token::Placeholder(_)) {
            let is_field = matches!(word(1), Some(Token::LParen)) && is_name(word(2), &["extract"]);
            if is_field {
                found.token = Token::make_keyword("epoch");
            } else if is_name(word(1), &TYPES)
                && let Some(idx) = solid.pop()
            {
                out.truncate(idx);
            }
        }
        if !matches!(found.token, Token::Whitespace(_)) {
            solid.push(out.len());
        }
        out.push(found);
    }
    out
}

/// Types whose constants `type 'text'` the parser reads with a quoted text only.
const TYPES: [&str; 10] =
    ["inet", "cidr", "macaddr", "point", "box", "tstzrange", "tsrange", "daterange", "int4range", "tsquery"];

/// Returns whether a token may join two operands: a symbol other than punctuation, or a keyword that chains.
fn is_infix(token: &Token) -> bool {
    match token {
        Token::Word(word) => ["and", "or", "union", "except", "intersect", "join", "like", "ilike", "is", "collate"]
            .iter()
            .any(|name| word.value.eq_ignore_ascii_case(name)),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Whitespace(_)
        | Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::LBracket
        | Token::RBracket
        | Token::Period
        | Token::SemiColon
        | Token::Placeholder(_)
        | Token::EOF => false,
        _ => true,
    }
}

fn is_name(token: Option<&Token>, names: &[&str]) -> bool {
    matches!(token, Some(Token::Word(word)) if names.iter().any(|name| word.value.eq_ignore_ascii_case(name)))
}
