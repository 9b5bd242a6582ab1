//! Parses selectors: names, matchers in braces, ranges, subqueries, `offset` and `@`.

use super::{
    duration_expr::ParsedDuration,
    keywords::is_one_of,
    operand::Operand,
    parser::Parser,
    token::{Token, TokenKind},
};
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher},
    signal::{
        Feature, SignalError, ValueKind,
        plan::{Node, RangeSelector, Selector, Subquery},
        time::{At, Extension, TimeShift},
    },
};

/// Operators of matchers as written.
const MATCH_OPERATORS: [(&str, MatchOp); 4] =
    [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];

impl Parser<'_> {
    /// Parses a selector. `name`: the consumed token of the metric name, if any.
    pub(super) fn selector(&mut self, name: Option<&Token>) -> Result<Operand, SignalError> {
        let start = name.map_or(self.peek().start, |name| name.start);
        let mut matchers = Vec::new();
        if let Some(name) = name {
            matchers.push(Matcher::equal(METRIC_NAME, self.written(name)));
        }
        if self.peek().is("{") {
            self.matchers(&mut matchers, name.is_some())?;
        }
        let end = self.last_end;
        let is_empty = !matchers.iter().any(|matcher| !matcher.matches_value(""));
        if is_empty && !self.permits_empty_selectors {
            let message =
                "a selector needs a name or a matcher that does not match the empty text, such as {job=~\".+\"}";
            return Err(self.error_at(start, end, message));
        }
        // Slots number the selectors of a query in the order written.
        let slot = self.selectors;
        self.selectors += 1;
        let selector = Selector {
            slot,
            matchers: matchers.into(),
            has_name: name.is_some(),
            shift: TimeShift::default(),
            offset: None,
            extension: None,
            start,
        };
        Ok(Operand::new(Node::Select(selector), start, end, 1))
    }

    /// Parses matchers in braces. `named`: whether the metric name was before the brace.
    fn matchers(&mut self, matchers: &mut Vec<Matcher>, mut named: bool) -> Result<(), SignalError> {
        let brace = self.advance();
        loop {
            if self.peek().is("}") {
                self.advance();
                return Ok(());
            }
            let label = self.advance();
            let name = match &label.kind {
                TokenKind::Word => self.written(&label).to_owned(),
                TokenKind::Text(text) => text.clone(),
                TokenKind::End => return Err(self.unclosed(&brace, "brace", "}")),
                _ if label.is(",") => {
                    return Err(self.error_at(
                        label.start,
                        label.end,
                        "a matcher such as job=\"api\" is expected before ,",
                    ));
                }
                _ => {
                    let message = "a label's name is expected, as in {job=\"api\"}; write } to close the brace";
                    return Err(self.error_at(label.start, label.end, message));
                }
            };
            // A quoted text without an operator is the metric name: {"http.requests"}.
            let alone = matches!(label.kind, TokenKind::Text(_)) && (self.peek().is(",") || self.peek().is("}"));
            let matcher = if alone {
                if name.is_empty() {
                    return Err(self.error_at(label.start, label.end, "the metric name is empty"));
                }
                Matcher::equal(METRIC_NAME, name)
            } else {
                self.matcher(&brace, &label, name)?
            };
            if alone || matcher.name() == METRIC_NAME {
                // Several matchers of __name__ are allowed, but only one plain name.
                if named {
                    return Err(self.error_at(label.start, self.last_end, "the metric name is set twice"));
                }
                named = alone;
            }
            matchers.push(matcher);
            self.after_matcher(&brace)?;
        }
    }

    /// Parses the operator and the value of a matcher.
    fn matcher(&mut self, brace: &Token, label: &Token, name: String) -> Result<Matcher, SignalError> {
        let operator = self.advance();
        let shown = self.written(label).to_owned();
        let Some((_, op)) = MATCH_OPERATORS.iter().find(|(symbol, _)| operator.is(symbol)) else {
            if operator.kind == TokenKind::End {
                return Err(self.unclosed(brace, "brace", "}"));
            }
            let message = format!("after the label {shown} one of =, !=, =~, !~ is expected");
            return Err(self.error_at(operator.start, operator.end, message));
        };
        let symbol = self.written(&operator).to_owned();
        let value = self.advance();
        match &value.kind {
            TokenKind::Text(text) => Matcher::new(name, *op, text.as_str()).map_err(|error| {
                self.error_at(value.start, value.end, format!("this is not a regular expression: {}", error.source))
            }),
            TokenKind::End => Err(self.unclosed(brace, "brace", "}")),
            TokenKind::Word | TokenKind::Number(_) | TokenKind::Duration(_) => {
                let written = self.written(&value);
                let message = format!("a label value must be in quotes: {shown}{symbol}\"{written}\"");
                Err(self.error_at(value.start, value.end, message))
            }
            TokenKind::Symbol(_) => {
                let message = format!("a value in quotes is expected: {shown}{symbol}\"…\"");
                Err(self.error_at(value.start, value.end, message))
            }
        }
    }

    /// Consumes the comma after a matcher, or checks that the closing brace is next.
    fn after_matcher(&mut self, brace: &Token) -> Result<(), SignalError> {
        let next = self.peek().clone();
        if next.is("}") {
            return Ok(());
        }
        if next.is(",") {
            self.advance();
            return Ok(());
        }
        if next.kind == TokenKind::End {
            return Err(self.unclosed(brace, "brace", "}"));
        }
        if next.kind == TokenKind::Word && is_one_of(self.written(&next), &["or"]) {
            let message = "alternatives of matchers are a pattern, {job=~\"a|b\"}, or two selectors joined by or";
            return Err(self.error_at(next.start, next.end, message));
        }
        if matches!(next.kind, TokenKind::Word | TokenKind::Text(_)) {
            return Err(self.error_at(next.start, next.end, "a comma is missing between matchers"));
        }
        // Most likely the brace was forgotten, and the expression continues.
        let message = "the open brace is not closed; write } before this, or , before the next matcher";
        Err(self.error_at(next.start, next.end, message))
    }

    /// Parses the modifiers after an operand: ranges, subqueries, `offset`, `@`.
    pub(super) fn modified(&mut self, mut operand: Operand) -> Result<Operand, SignalError> {
        loop {
            let next = self.peek().clone();
            let word = if next.kind == TokenKind::Word { self.written(&next) } else { "" };
            if next.is("[") {
                operand = self.range(operand)?;
            } else if is_one_of(word, &["offset"]) {
                self.offset(&mut operand)?;
            } else if next.is("@") {
                self.at_time(&mut operand)?;
            } else if is_one_of(word, &["anchored", "smoothed"]) && operand.bare {
                self.extension(&mut operand)?;
            } else {
                return Ok(operand);
            }
        }
    }

    /// Parses a range or a subquery after an operand.
    fn range(&mut self, operand: Operand) -> Result<Operand, SignalError> {
        let bracket = self.advance();
        if self.peek().is("]") {
            return Err(self.error_at(bracket.start, self.peek().end, "a range needs a duration, such as [5m]"));
        }
        let (range_ms, range) = self.bracketed_duration("a range", &bracket)?;
        if self.peek().is(":") {
            return self.subquery(operand, (range_ms, range), &bracket);
        }
        self.close(&bracket, "bracket", "]")?;
        let end = self.last_end;
        let is_plain = operand.bare && !operand.has_at && !operand.has_offset;
        match operand.node {
            Node::Select(selector) if is_plain => {
                let node = Node::Range(RangeSelector { selector, range_ms, range });
                Ok(Operand::new(node, operand.start, end, operand.depth + 1))
            }
            Node::Select(_) if operand.bare => {
                let message = "offset and @ must be after the range: up[5m] offset 1h";
                Err(self.error_at(bracket.start, end, message))
            }
            _ => {
                let written = self.text.get(bracket.start..end).unwrap_or("[5m]").trim_end_matches(']').to_owned();
                let message =
                    format!("only a selector can have a range; use a subquery for any other expression: {written}:1m]");
                Err(self.error_at(bracket.start, end, message))
            }
        }
    }

    /// Parses a subquery from its colon on.
    fn subquery(
        &mut self,
        operand: Operand,
        (range_ms, range): ParsedDuration,
        bracket: &Token,
    ) -> Result<Operand, SignalError> {
        self.advance();
        let (step_ms, step) = if self.peek().is("]") {
            (None, None)
        } else {
            let (step_ms, step) = self.bracketed_duration("a subquery's step", bracket)?;
            (Some(step_ms), step)
        };
        self.close(bracket, "bracket", "]")?;
        self.need(&operand, ValueKind::Vector, "a subquery")?;
        let (start, depth) = (operand.start, operand.depth + 1);
        let inner = Box::new(operand.node);
        let node = Node::Subquery(Subquery {
            inner,
            range_ms,
            step_ms,
            shift: TimeShift::default(),
            range,
            step,
            offset: None,
        });
        self.limit_depth(depth)?;
        Ok(Operand::new(node, start, self.last_end, depth))
    }

    /// Parses `offset`.
    fn offset(&mut self, operand: &mut Operand) -> Result<(), SignalError> {
        let keyword = self.advance();
        let (offset_ms, expression) = self.offset_duration(&keyword)?;
        let end = self.last_end;
        if operand.has_offset {
            return Err(self.error_at(keyword.start, end, "offset is given twice"));
        }
        self.shift(operand, &keyword)?.offset_ms = offset_ms;
        match &mut operand.node {
            Node::Select(selector) => selector.offset = expression,
            Node::Range(range) => range.selector.offset = expression,
            Node::Subquery(subquery) => subquery.offset = expression,
            _ => {}
        }
        (operand.has_offset, operand.end) = (true, end);
        Ok(())
    }

    /// Parses `anchored` or `smoothed`.
    fn extension(&mut self, operand: &mut Operand) -> Result<(), SignalError> {
        let word = self.advance();
        let extension =
            if is_one_of(self.written(&word), &["anchored"]) { Extension::Anchored } else { Extension::Smoothed };
        let name = extension.name();
        let wrong = |message: String| Err(self.error_at(word.start, word.end, message));
        let current = match &mut operand.node {
            Node::Range(range) => &mut range.selector.extension,
            Node::Select(selector) => &mut selector.extension,
            _ => return wrong(format!("{name} is valid after a selector, not after a subquery")),
        };
        if current.is_some() {
            return wrong(format!("{name} follows another modifier of this kind; write one of anchored and smoothed"));
        }
        *current = Some(extension);
        operand.end = word.end;
        self.uses(Feature::ExtendedRangeSelectors, name);
        Ok(())
    }

    /// Parses `@` with epoch seconds, `start()` or `end()`.
    fn at_time(&mut self, operand: &mut Operand) -> Result<(), SignalError> {
        let keyword = self.advance();
        let negative = self.peek().is("-");
        if negative || self.peek().is("+") {
            self.advance();
        }
        let value = self.advance();
        let expected = "@ needs epoch seconds, start() or end()";
        let at = match value.kind {
            TokenKind::Number(seconds) => At::Time(self.epoch_ms(if negative { -seconds } else { seconds }, &value)?),
            TokenKind::Duration(ms) => At::Time(if negative { -ms } else { ms }),
            TokenKind::Word if is_one_of(self.written(&value), &["start", "end"]) => {
                let is_start = is_one_of(self.written(&value), &["start"]);
                let opening = self.advance();
                if !opening.is("(") || !self.peek().is(")") {
                    return Err(self.error_at(value.start, opening.end, expected));
                }
                self.advance();
                if is_start { At::Start } else { At::End }
            }
            TokenKind::Word if super::keywords::number(self.written(&value)).is_some() => {
                return Err(self.error_at(value.start, value.end, "the time after @ is out of range"));
            }
            _ => return Err(self.error_at(value.start, value.end, expected)),
        };
        let end = self.last_end;
        if operand.has_at {
            return Err(self.error_at(keyword.start, end, "@ is given twice"));
        }
        self.shift(operand, &keyword)?.at = Some(at);
        (operand.has_at, operand.end) = (true, end);
        Ok(())
    }

    /// Returns the shift of a selector or subquery; an error for any other operand.
    fn shift<'o>(&self, operand: &'o mut Operand, keyword: &Token) -> Result<&'o mut TimeShift, SignalError> {
        match &mut operand.node {
            Node::Select(selector) if operand.bare => Ok(&mut selector.shift),
            Node::Range(range) if operand.bare => Ok(&mut range.selector.shift),
            Node::Subquery(subquery) if operand.bare => Ok(&mut subquery.shift),
            _ => {
                let word = self.written(keyword);
                let message = format!("{word} is valid only after a selector or a subquery; move it inside");
                Err(self.error_at(keyword.start, keyword.end, message))
            }
        }
    }

    /// Converts epoch seconds to milliseconds.
    fn epoch_ms(&self, seconds: f64, token: &Token) -> Result<i64, SignalError> {
        let ms = (seconds * 1000.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "checked to lie within the range of i64")]
        if ms.abs() < 9.2e18 {
            Ok(ms as i64)
        } else {
            Err(self.error_at(token.start, token.end, "the time after @ is out of range"))
        }
    }
}
