//! Parses durations in brackets and after `offset`: numbers with or without a unit, and expressions of them.

use super::{
    keywords::is_one_of,
    parser::Parser,
    token::{Token, TokenKind},
};
use crate::signal::{
    SignalError,
    plan::{DurationNode, DurationOp, QuerySpan},
};

/// A duration in milliseconds, and its expression if it is not a number. Of an expression that depends on the query the
/// milliseconds are 1 until the query is known.
pub(super) type ParsedDuration = (i64, Option<Box<DurationNode>>);

/// Words that are functions in a duration.
const FUNCTIONS: [&str; 4] = ["step", "range", "min_of", "max_of"];

impl Parser<'_> {
    /// Parses the positive duration of a range or a step of a subquery.
    pub(super) fn bracketed_duration(&mut self, what: &str, opening: &Token) -> Result<ParsedDuration, SignalError> {
        let start = self.peek().start;
        let node = self.duration_sum(1, what, opening)?;
        self.parsed(node, start, false)
    }

    /// Parses the duration after `offset`. Operators after it belong to the expression around the selector, unless they
    /// are in parentheses.
    pub(super) fn offset_duration(&mut self, keyword: &Token) -> Result<ParsedDuration, SignalError> {
        let start = self.peek().start;
        let node = self.duration_signed("offset", keyword, false)?;
        self.parsed(node, start, true)
    }

    /// Computes a constant duration; an expression that depends on the query stays open.
    fn parsed(&mut self, node: DurationNode, start: usize, any_sign: bool) -> Result<ParsedDuration, SignalError> {
        if !node.is_constant() {
            self.has_open_durations = true;
            return Ok((1, Some(Box::new(node))));
        }
        let span = QuerySpan { step: 0.0, range: 0.0 };
        let ms = node.milliseconds(span, any_sign).map_err(|message| self.error_at(start, self.last_end, message))?;
        Ok((ms, (!node.is_number()).then(|| Box::new(node))))
    }

    /// Parses operands joined by operators of at least the strength `min`.
    fn duration_sum(&mut self, min: u8, what: &str, opening: &Token) -> Result<DurationNode, SignalError> {
        self.enter()?;
        let mut left = self.duration_signed(what, opening, true)?;
        while let TokenKind::Symbol(symbol) = self.peek().kind {
            let Some((op, strength)) = DurationOp::of(symbol).filter(|(_, strength)| *strength >= min) else { break };
            self.advance();
            // `^` is right-associative, all other operators are left-associative.
            let next = if op == DurationOp::Pow { strength } else { strength + 1 };
            let right = self.duration_sum(next, what, opening)?;
            left = DurationNode::Arithmetic { op, left: Box::new(left), right: Box::new(right) };
        }
        self.leave();
        Ok(left)
    }

    /// Parses an operand with any signs before it. `in_brackets`: a sign is weaker than `^`.
    fn duration_signed(&mut self, what: &str, opening: &Token, in_brackets: bool) -> Result<DurationNode, SignalError> {
        let sign = self.peek().clone();
        let negative = sign.is("-");
        if !negative && !sign.is("+") {
            return self.duration_operand(what, opening);
        }
        self.advance();
        let inner =
            if in_brackets { self.duration_sum(3, what, opening)? } else { self.duration_operand(what, opening)? };
        Ok(DurationNode::Signed { negative, inner: Box::new(inner) })
    }

    /// Parses a number, a function or an expression in parentheses.
    fn duration_operand(&mut self, what: &str, opening: &Token) -> Result<DurationNode, SignalError> {
        let token = self.advance();
        match token.kind {
            #[expect(clippy::cast_precision_loss, reason = "durations are shorter than 2^53 ms in practice")]
            TokenKind::Duration(ms) => Ok(DurationNode::Number { seconds: ms as f64 / 1000.0, has_unit: true }),
            TokenKind::Number(seconds) => Ok(DurationNode::Number { seconds, has_unit: false }),
            TokenKind::Symbol("(") => {
                let inner = self.duration_sum(1, what, &token)?;
                self.close(&token, "bracket", ")")?;
                Ok(DurationNode::Bracketed(Box::new(inner)))
            }
            TokenKind::Word if is_one_of(self.written(&token), &FUNCTIONS) && self.peek().is("(") => {
                let bracket = self.advance();
                let name = self.written(&token).to_ascii_lowercase();
                let node = match name.as_str() {
                    "step" => DurationNode::Step,
                    "range" => DurationNode::Range,
                    _ => {
                        let left = Box::new(self.duration_sum(1, what, &bracket)?);
                        let comma = self.advance();
                        if !comma.is(",") {
                            let message = format!("{name} takes two durations: {name}(step(), 1h)");
                            return Err(self.error_at(token.start, comma.end, message));
                        }
                        let right = Box::new(self.duration_sum(1, what, &bracket)?);
                        if name == "min_of" {
                            DurationNode::LeastOf(left, right)
                        } else {
                            DurationNode::GreatestOf(left, right)
                        }
                    }
                };
                self.close(&bracket, "bracket", ")")?;
                Ok(node)
            }
            TokenKind::End if opening.is("[") => Err(self.unclosed(opening, "bracket", "]")),
            _ => {
                let message = format!("{what} needs a duration, such as 5m");
                let culprit = if token.kind == TokenKind::End { opening } else { &token };
                Err(self.error_at(culprit.start, culprit.end, message))
            }
        }
    }
}
