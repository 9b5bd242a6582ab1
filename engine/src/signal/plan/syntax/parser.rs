//! Parses operators by precedence climbing. `call`, `selector` and `checks` extend the same parser.

use super::{
    keywords::{NOT_FUNCTION_NAMES, NOT_METRIC_NAMES, aggregation, is_one_of, number},
    lexer::tokens,
    operand::{Operand, Precedence, operator},
    position::error_at,
    token::{Token, TokenKind},
};
use crate::signal::{
    Feature, SignalError,
    plan::{AggregateOp, Binary, BinaryOp, Cardinality, Matching, Node},
};

/// Maximum number of nested operands during parsing, because the parser is recursive.
const MAX_NESTING: usize = 128;
/// Maximum depth of the tree of operations, because the evaluator is recursive.
const MAX_DEPTH: usize = 200;

/// A plan and its properties.
#[derive(Debug)]
pub(in crate::signal::plan) struct Parsed {
    pub(in crate::signal::plan) root: Node,
    /// Number of selectors.
    pub(in crate::signal::plan) selectors: usize,
    /// Whether a duration depends on the step or the range of the query.
    pub(in crate::signal::plan) has_open_durations: bool,
    /// Experimental constructs: their feature and their name.
    pub(in crate::signal::plan) features: Vec<(Feature, String)>,
}

/// Parses a whole expression.
///
/// # Errors
/// As [`crate::signal::parse`].
pub(in crate::signal::plan) fn parse(text: &str) -> Result<Parsed, SignalError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
        last_end: 0,
        selectors: 0,
        nesting: 0,
        has_open_durations: false,
        permits_empty_selectors: false,
        features: Vec::new(),
    };
    if parser.peek().kind == TokenKind::End {
        return Err(parser.error_at(0, text.len(), "the expression is empty"));
    }
    let operand = parser.expression(Precedence::LOWEST)?;
    let rest = parser.peek().clone();
    if rest.kind != TokenKind::End {
        return Err(parser.trailing_error(&operand, &rest));
    }
    let Parser { selectors, has_open_durations, features, .. } = parser;
    Ok(Parsed { root: operand.node, selectors, has_open_durations, features })
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    tokens: Vec<Token>,
    /// Index of the next token.
    next: usize,
    /// End of the last consumed token.
    pub(super) last_end: usize,
    /// Number of selectors so far, which is the slot of the next one.
    pub(super) selectors: usize,
    /// Number of open operands.
    nesting: usize,
    /// Whether a duration depends on the step or the range of the query.
    pub(super) has_open_durations: bool,
    /// Whether a selector may match every series, as in the second argument of `info`.
    pub(super) permits_empty_selectors: bool,
    /// Experimental constructs so far.
    features: Vec<(Feature, String)>,
}

/// `bool`, `on`, `ignoring`, `group_left`, `group_right` after an operator.
struct Modifiers {
    return_bool: bool,
    has_matching: bool,
    has_fill: bool,
    matching: Matching,
}

impl<'a> Parser<'a> {
    /// Returns the next token without consuming it.
    pub(super) fn peek(&self) -> &Token {
        // The end is always present and never consumed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    /// Consumes and returns the next token.
    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != TokenKind::End {
            self.next += 1;
            self.last_end = token.end;
        }
        token
    }

    /// Records an experimental construct.
    pub(super) fn uses(&mut self, feature: Feature, what: impl Into<String>) {
        self.features.push((feature, what.into()));
    }

    /// Counts one more open operand; its end is [`Self::leave`].
    pub(super) fn enter(&mut self) -> Result<(), SignalError> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING { Err(SignalError::TooDeep { limit: MAX_NESTING }) } else { Ok(()) }
    }

    /// Counts the end of an open operand.
    pub(super) fn leave(&mut self) {
        self.nesting -= 1;
    }

    /// Returns the text of a token.
    pub(super) fn written(&self, token: &Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// Creates an error about the bytes from `start` to `end`.
    pub(super) fn error_at(&self, start: usize, end: usize, message: impl Into<String>) -> SignalError {
        error_at(self.text, start, end, message)
    }

    /// Creates the error of a bracket that is never closed.
    pub(super) fn unclosed(&self, opening: &Token, what: &str, closing: &str) -> SignalError {
        let message = format!("the {what} that opens here is never closed; write {closing}");
        self.error_at(opening.start, self.text.len(), message)
    }

    /// Consumes the bracket that closes `opening`.
    pub(super) fn close(&mut self, opening: &Token, what: &str, closing: &'static str) -> Result<(), SignalError> {
        let next = self.peek().clone();
        if next.is(closing) {
            self.advance();
            return Ok(());
        }
        if next.kind == TokenKind::End {
            return Err(self.unclosed(opening, what, closing));
        }
        let message = format!("{closing} is expected here, for the {what} that is open");
        Err(self.error_at(next.start, next.end, message))
    }

    /// Checks the depth of the tree of operations.
    pub(super) fn limit_depth(&self, depth: usize) -> Result<(), SignalError> {
        if depth > MAX_DEPTH { Err(SignalError::TooDeep { limit: MAX_DEPTH }) } else { Ok(()) }
    }

    /// Returns the error of a text that continues after a complete expression.
    fn trailing_error(&self, operand: &Operand, rest: &Token) -> SignalError {
        let message = match &rest.kind {
            TokenKind::Symbol(closing @ (")" | "}" | "]")) => format!("{closing} has no opening bracket; remove it"),
            TokenKind::Symbol("=") => "a comparison is written ==".to_owned(),
            TokenKind::Symbol("=~" | "!~") => "patterns are matched in braces: up{job=~\"a.*\"}".to_owned(),
            TokenKind::Symbol("{") => "matchers follow a metric's name directly: up{job=\"api\"}".to_owned(),
            TokenKind::Symbol("(") if matches!(operand.node, Node::Select(_)) => "this is not a function".to_owned(),
            TokenKind::Symbol(",") => "a comma is valid only between arguments of a function".to_owned(),
            TokenKind::Word if is_one_of(self.written(rest), &["by", "without"]) => {
                let word = self.written(rest);
                format!("{word} belongs to an aggregation: sum {word} (job) (up)")
            }
            _ => {
                let before = self.text.get(operand.start..operand.end).unwrap_or_default();
                let last = before.split_whitespace().next_back().unwrap_or_default();
                format!("an operator is missing between {last} and {}", self.written(rest))
            }
        };
        self.error_at(rest.start, rest.end, message)
    }

    /// Parses operands joined by operators of at least the precedence `min`.
    pub(super) fn expression(&mut self, min: Precedence) -> Result<Operand, SignalError> {
        self.enter()?;
        let mut left = self.signed()?;
        loop {
            let token = self.peek().clone();
            let found = match token.kind {
                TokenKind::Symbol(symbol) => operator(symbol),
                TokenKind::Word => operator(self.written(&token)),
                _ => None,
            };
            let Some((op, precedence)) = found.filter(|(_, precedence)| *precedence >= min) else { break };
            self.advance();
            let modifiers = self.modifiers()?;
            if self.peek().kind == TokenKind::End {
                let message = format!("the right side of {} is missing", self.written(&token));
                return Err(self.error_at(token.start, token.end, message));
            }
            // `^` is right-associative, all other operators are left-associative.
            let is_power = precedence == Precedence::Power;
            let right = self.expression(if is_power { precedence } else { precedence.next_higher() })?;
            left = self.joined(op, &token, modifiers, left, right)?;
        }
        self.leave();
        Ok(left)
    }

    /// Checks both operands and creates the binary operation.
    fn joined(
        &self,
        op: BinaryOp,
        token: &Token,
        modifiers: Modifiers,
        left: Operand,
        right: Operand,
    ) -> Result<Operand, SignalError> {
        let (start, end) = (left.start, right.end);
        let depth = left.depth.max(right.depth) + 1;
        self.limit_depth(depth)?;
        let Modifiers { return_bool, has_matching, has_fill, matching } = modifiers;
        // The checks need both operands, whose nodes move into the operation only afterwards.
        let placeholder =
            Binary { op, left: Node::Number(0.0), right: Node::Number(0.0), matching, return_bool, start };
        self.check_binary(&placeholder, (has_matching, has_fill), (&left, &right), (token.start, token.end))?;
        let binary = Binary { left: left.node, right: right.node, ..placeholder };
        let mut operand = Operand::new(Node::Binary(Box::new(binary)), start, end, depth);
        operand.bare = false;
        Ok(operand)
    }

    /// Parses the modifiers after an operator.
    fn modifiers(&mut self) -> Result<Modifiers, SignalError> {
        let matching = Matching {
            names: Vec::new(),
            on: false,
            cardinality: Cardinality::OneToOne,
            fill_left: None,
            fill_right: None,
        };
        let mut modifiers = Modifiers { return_bool: false, has_matching: false, has_fill: false, matching };
        if self.is_word(&["bool"]) {
            self.advance();
            modifiers.return_bool = true;
        }
        if self.is_word(&["on", "ignoring"]) {
            let word = self.advance();
            modifiers.has_matching = true;
            modifiers.matching.on = is_one_of(self.written(&word), &["on"]);
            modifiers.matching.names = self.labels(&word)?;
        }
        if self.is_word(&["group_left", "group_right"]) {
            let word = self.advance();
            if !modifiers.has_matching {
                let message = format!("{} needs on(…) or ignoring(…) before it", self.written(&word));
                return Err(self.error_at(word.start, word.end, message));
            }
            let names = if self.peek().is("(") { self.labels(&word)? } else { Vec::new() };
            modifiers.matching.cardinality = if is_one_of(self.written(&word), &["group_left"]) {
                Cardinality::ManyToOne(names)
            } else {
                Cardinality::OneToMany(names)
            };
        }
        self.fills(&mut modifiers)?;
        Ok(modifiers)
    }

    /// Parses `fill(…)`, or one or both of `fill_left(…)` and `fill_right(…)`.
    fn fills(&mut self, modifiers: &mut Modifiers) -> Result<(), SignalError> {
        // Without a bracket `fill` is the name of a metric.
        while self.is_word(&["fill", "fill_left", "fill_right"])
            && self.tokens.get(self.next + 1).is_some_and(|token| token.is("("))
        {
            let word = self.advance();
            let opening = self.advance();
            let value = self.fill_value(&word, &opening)?;
            let matching = &mut modifiers.matching;
            let name = self.written(&word).to_ascii_lowercase();
            let sides: &mut [&mut Option<f64>] = match name.as_str() {
                "fill" => &mut [&mut matching.fill_left, &mut matching.fill_right],
                "fill_left" => &mut [&mut matching.fill_left],
                _ => &mut [&mut matching.fill_right],
            };
            if sides.iter().any(|side| side.is_some()) {
                return Err(self.error_at(word.start, self.last_end, "a side is filled twice"));
            }
            sides.iter_mut().for_each(|side| **side = Some(value));
            modifiers.has_fill = true;
            self.uses(Feature::FillModifiers, name);
        }
        Ok(())
    }

    /// Parses the number of a `fill`, with its closing bracket.
    fn fill_value(&mut self, word: &Token, opening: &Token) -> Result<f64, SignalError> {
        let negative = self.peek().is("-");
        if negative || self.peek().is("+") {
            self.advance();
        }
        let token = self.advance();
        #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
        let value = match &token.kind {
            TokenKind::Number(value) => Some(*value),
            TokenKind::Duration(ms) => Some(*ms as f64 / 1000.0),
            TokenKind::Word => number(self.written(&token)),
            _ => None,
        };
        let Some(value) = value else {
            let message = format!("{} needs a number, such as {0}(0)", self.written(word));
            return Err(self.error_at(word.start, token.end, message));
        };
        self.close(opening, "bracket", ")")?;
        Ok(if negative { -value } else { value })
    }

    pub(super) fn is_word(&self, words: &[&str]) -> bool {
        let next = self.peek();
        next.kind == TokenKind::Word && is_one_of(self.written(next), words)
    }

    /// Parses the names of labels in parentheses after `word`.
    pub(super) fn labels(&mut self, word: &Token) -> Result<Vec<String>, SignalError> {
        let opening = self.advance();
        if !opening.is("(") {
            let (name, next) = (self.written(word), self.written(&opening));
            let example = if opening.kind == TokenKind::Word { next } else { "job" };
            let message = format!("the labels after {name} must be in brackets: {name} ({example})");
            let culprit = if opening.kind == TokenKind::End { word } else { &opening };
            return Err(self.error_at(culprit.start, culprit.end, message));
        }
        let mut names = Vec::new();
        loop {
            let token = self.advance();
            if token.is(")") {
                return Ok(names);
            }
            let written = self.written(&token);
            names.push(match &token.kind {
                TokenKind::Word if !written.contains(':') && !is_one_of(written, &["without", "inf", "nan"]) => {
                    written.to_owned()
                }
                TokenKind::Text(text) if !text.is_empty() => text.clone(),
                TokenKind::End => return Err(self.unclosed(&opening, "bracket", ")")),
                _ => {
                    let message = "a label's name is expected here, as in (job, instance)";
                    return Err(self.error_at(token.start, token.end, message));
                }
            });
            if !self.peek().is(",") && !self.peek().is(")") {
                self.close(&opening, "list of labels", ")")?;
            } else if self.peek().is(",") {
                self.advance();
            }
        }
    }

    /// Parses an operand with any signs before it. Signs have a lower precedence than `^`.
    fn signed(&mut self) -> Result<Operand, SignalError> {
        let sign = self.peek().clone();
        let negative = sign.is("-");
        if !negative && !sign.is("+") {
            return self.primary();
        }
        self.advance();
        let mut operand = self.expression(Precedence::Power)?;
        self.need_number(&operand, self.written(&sign))?;
        (operand.start, operand.bare) = (sign.start, false);
        operand.node = match operand.node {
            Node::Number(value) => Node::Number(if negative { -value } else { value }),
            Node::Duration(value) => Node::Duration(if negative { -value } else { value }),
            other => {
                operand.depth += 1;
                self.limit_depth(operand.depth)?;
                if negative { Node::Negate(Box::new(other)) } else { Node::Plus(Box::new(other)) }
            }
        };
        Ok(operand)
    }

    /// Parses an operand with its modifiers.
    fn primary(&mut self) -> Result<Operand, SignalError> {
        let token = self.peek().clone();
        let one = |node: Node| Operand::new(node, token.start, token.end, 1);
        let operand = match &token.kind {
            TokenKind::Number(value) => {
                self.advance();
                one(Node::Number(*value))
            }
            TokenKind::Duration(ms) => {
                self.advance();
                #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
                one(Node::Duration(*ms as f64 / 1000.0))
            }
            TokenKind::Text(text) => {
                self.advance();
                one(Node::String(text.clone()))
            }
            TokenKind::Word => self.word_operand()?,
            TokenKind::Symbol("(") => {
                self.advance();
                if self.peek().is(")") {
                    return Err(self.error_at(token.start, self.peek().end, "the brackets are empty"));
                }
                let inner = self.expression(Precedence::LOWEST)?;
                self.close_after(&inner, &token)?;
                let (start, end, depth) = (token.start, self.last_end, inner.depth + 1);
                self.limit_depth(depth)?;
                let mut wrapped = Operand::new(Node::Paren(Box::new(inner.node)), start, end, depth);
                (wrapped.has_at, wrapped.has_offset) = (inner.has_at, inner.has_offset);
                wrapped
            }
            TokenKind::Symbol("{") => self.selector(None)?,
            TokenKind::Symbol(symbol) => {
                let message = match *symbol {
                    ")" | "}" | "]" => format!("an expression is expected before {symbol}"),
                    "," => "an expression is expected before the comma".to_owned(),
                    "[" => "a range follows a selector: up[5m]".to_owned(),
                    other => format!("{other} has no left side"),
                };
                return Err(self.error_at(token.start, token.end, message));
            }
            TokenKind::End => {
                let end = self.text.len();
                return Err(self.error_at(end, end, "an operand is expected, but the expression ends"));
            }
        };
        self.modified(operand)
    }

    /// Consumes the bracket that closes `opening`. Any other token is an error with an explanation.
    pub(super) fn close_after(&mut self, inner: &Operand, opening: &Token) -> Result<(), SignalError> {
        let next = self.peek().clone();
        if next.is(")") || next.kind == TokenKind::End || next.is("]") || next.is("}") {
            return self.close(opening, "bracket", ")");
        }
        Err(self.trailing_error(inner, &next))
    }

    /// Parses an operand that starts with a word: a number, an aggregation, a call, or a selector.
    fn word_operand(&mut self) -> Result<Operand, SignalError> {
        let word = self.advance();
        let name = self.written(&word);
        if let Some(value) = number(name) {
            return Ok(Operand::new(Node::Number(value), word.start, word.end, 1));
        }
        let opens = self.peek().is("(");
        if let Some(op) = aggregation(name)
            && (opens || self.is_word(&["by", "without"]))
        {
            if matches!(op, AggregateOp::Limitk | AggregateOp::LimitRatio) {
                self.uses(Feature::ExperimentalFunctions, op.name());
            }
            return self.aggregate(op, &word);
        }
        if opens && !is_one_of(name, &NOT_FUNCTION_NAMES) {
            return self.call(&word);
        }
        if is_one_of(name, &NOT_METRIC_NAMES) {
            let message = format!("{name} is a keyword here; a metric of this name is written {{__name__=\"{name}\"}}");
            return Err(self.error_at(word.start, word.end, message));
        }
        self.selector(Some(&word))
    }
}
