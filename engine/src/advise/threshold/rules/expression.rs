//! The outer structure of a PromQL expression with places in the text: operators, brackets, aggregations.
//!
//! Selectors, function calls and whatever else is no operator are one operand each: the evaluator's own parser checks them.

use std::ops::Range;

use super::tokens::{Token, TokenKind, tokens};

/// Aggregations that exist as soon as one of the elements that they aggregate does.
const AGGREGATIONS: [&str; 8] = ["sum", "min", "max", "avg", "group", "stddev", "stdvar", "count"];
/// Aggregations with a parameter; what they keep depends on more than one element.
const WITH_PARAMETER: [&str; 6] = ["topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"];
/// Functions whose first argument gives their elements, one for one.
const PASSING: [&str; 4] = ["sort", "sort_desc", "label_replace", "label_join"];
/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 100;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) kind: PartKind,
    pub(super) span: Range<usize>,
}

/// What a part of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PartKind {
    Number(f64),
    /// A selector, a call, a string.
    Operand,
    Paren(Box<Part>),
    Negated(Box<Part>),
    /// `sum by (a) (…)`: the grouping as written, empty without one.
    Aggregate {
        grouping: Range<usize>,
        inner: Box<Part>,
    },
    /// A call whose first argument gives its elements.
    Passing(Box<Part>),
    Binary(Box<Binary>),
}

/// Two parts and the operator between them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binary {
    /// In lower case.
    pub(super) operator: String,
    pub(super) bool_modifier: bool,
    /// `on (…)` or `ignoring (…)` as written.
    pub(super) matching: Option<Range<usize>>,
    pub(super) group: Option<Group>,
    pub(super) left: Part,
    pub(super) right: Part,
}

/// Which side of a many-to-one match has many elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Left,
    Right,
}

impl Part {
    /// The value of a part that is made of numbers alone.
    pub(super) fn constant(&self) -> Option<f64> {
        match &self.kind {
            PartKind::Number(value) => Some(*value),
            PartKind::Paren(inner) => inner.constant(),
            PartKind::Negated(inner) => Some(-inner.constant()?),
            PartKind::Binary(binary) => {
                let (left, right) = (binary.left.constant()?, binary.right.constant()?);
                match binary.operator.as_str() {
                    "+" => Some(left + right),
                    "-" => Some(left - right),
                    "*" => Some(left * right),
                    "/" => Some(left / right),
                    "%" => Some(left % right),
                    "^" => Some(left.powf(right)),
                    "atan2" => Some(left.atan2(right)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Without the parentheses around it.
    pub(super) fn bare(&self) -> &Self {
        match &self.kind {
            PartKind::Paren(inner) => inner.bare(),
            _ => self,
        }
    }
}

/// Reads the structure of an expression.
///
/// # Errors
/// What does not belong where it is.
pub(super) fn parse(text: &str) -> Result<Part, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { text, tokens: &tokens, at: 0, depth: 0 };
    let part = reader.binary(0)?;
    match reader.tokens.get(reader.at) {
        None => Ok(part),
        Some(token) => Err(format!("{:?} is unexpected at position {}", reader.word(token), token.start + 1)),
    }
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn word(&self, token: &Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next_is(&self, kind: TokenKind) -> bool {
        self.peek().is_some_and(|token| token.kind == kind)
    }

    /// The next token's text in lower case, where it is a word or operator.
    fn keyword(&self) -> Option<String> {
        self.peek()
            .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Operator))
            .map(|token| self.word(token).to_ascii_lowercase())
    }

    /// Operators of at least this precedence, by precedence climbing; all but `^` associate to the left.
    fn binary(&mut self, least: u8) -> Result<Part, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        let mut left = self.unary()?;
        while let Some(operator) = self.keyword() {
            let Some(precedence) = precedence(&operator).filter(|precedence| *precedence >= least) else { break };
            self.at += 1;
            let (bool_modifier, matching, group) = self.modifiers()?;
            let right = self.binary(if operator == "^" { precedence } else { precedence + 1 })?;
            let span = left.span.start..right.span.end;
            let binary = Binary { operator, bool_modifier, matching, group, left, right };
            left = Part { kind: PartKind::Binary(Box::new(binary)), span };
        }
        self.depth -= 1;
        Ok(left)
    }

    #[expect(clippy::type_complexity, reason = "the three modifiers, used at one place")]
    fn modifiers(&mut self) -> Result<(bool, Option<Range<usize>>, Option<Group>), String> {
        let (mut bool_modifier, mut matching, mut group) = (false, None, None);
        while let Some(word) = self.keyword() {
            let start = self.peek().map_or(0, |token| token.start);
            match word.as_str() {
                "bool" => {
                    self.at += 1;
                    bool_modifier = true;
                }
                "on" | "ignoring" => {
                    self.at += 1;
                    matching = Some(start..self.labels()?);
                }
                "group_left" | "group_right" => {
                    self.at += 1;
                    group = Some(if word == "group_left" { Group::Left } else { Group::Right });
                    if self.next_is(TokenKind::Open) {
                        self.labels()?;
                    }
                }
                _ => break,
            }
        }
        Ok((bool_modifier, matching, group))
    }

    /// Passes over `(a, b)`; where it ends.
    fn labels(&mut self) -> Result<usize, String> {
        if !self.next_is(TokenKind::Open) {
            return Err("a list of labels in parentheses is missing".to_owned());
        }
        while let Some(token) = self.peek() {
            self.at += 1;
            if token.kind == TokenKind::Close {
                return Ok(token.end);
            }
        }
        Err("a parenthesis is not closed".to_owned())
    }

    fn unary(&mut self) -> Result<Part, String> {
        let sign =
            self.peek().filter(|token| token.kind == TokenKind::Operator && matches!(self.word(token), "-" | "+"));
        let Some(sign) = sign else { return self.operand() };
        self.at += 1;
        // A sign binds less than `^` and more than everything else.
        let inner = self.binary(POWER)?;
        let span = sign.start..inner.span.end;
        let negative = self.word(sign) == "-";
        Ok(if negative { Part { kind: PartKind::Negated(Box::new(inner)), span } } else { Part { span, ..inner } })
    }

    fn operand(&mut self) -> Result<Part, String> {
        let Some(first) = self.peek() else { return Err("it ends where an operand is expected".to_owned()) };
        let start = first.start;
        self.at += 1;
        let kind = match first.kind {
            TokenKind::Number(value) => PartKind::Number(value),
            TokenKind::Open => {
                let inner = self.binary(0)?;
                self.close()?;
                PartKind::Paren(Box::new(inner))
            }
            TokenKind::Word => self.named(&self.word(first).to_ascii_lowercase())?,
            TokenKind::Bracketed => PartKind::Operand,
            _ => return Err(format!("{:?} is unexpected at position {}", self.word(first), start + 1)),
        };
        let before = self.at;
        self.suffixes()?;
        // With a range, an offset or a pinned time it is one operand, whatever is inside.
        let kind = if self.at > before { PartKind::Operand } else { kind };
        let end = self.tokens[self.at - 1].end;
        Ok(Part { kind, span: start..end })
    }

    /// What follows a name: its labels, the arguments of a call, an aggregation's grouping.
    fn named(&mut self, name: &str) -> Result<PartKind, String> {
        let mut grouping = 0..0;
        if AGGREGATIONS.contains(&name) || WITH_PARAMETER.contains(&name) {
            grouping = self.grouping()?.unwrap_or(grouping);
        }
        if !self.next_is(TokenKind::Open) {
            return Ok(PartKind::Operand);
        }
        self.at += 1;
        if !(AGGREGATIONS.contains(&name) || PASSING.contains(&name)) {
            self.skip_arguments()?;
            // `topk(5, a) by (b)` and its kin.
            self.grouping()?;
            return Ok(PartKind::Operand);
        }
        let inner = Box::new(self.binary(0)?);
        if PASSING.contains(&name) {
            self.skip_arguments()?;
            return Ok(PartKind::Passing(inner));
        }
        self.close()?;
        if grouping.is_empty() {
            grouping = self.grouping()?.unwrap_or(grouping);
        }
        Ok(PartKind::Aggregate { grouping, inner })
    }

    fn grouping(&mut self) -> Result<Option<Range<usize>>, String> {
        let Some("by" | "without") = self.keyword().as_deref() else { return Ok(None) };
        let start = self.peek().map_or(0, |token| token.start);
        self.at += 1;
        Ok(Some(start..self.labels()?))
    }

    /// Passes over what is left of a call's arguments, and the parenthesis that closes them.
    fn skip_arguments(&mut self) -> Result<(), String> {
        let mut depth = 1_usize;
        while let Some(token) = self.peek() {
            self.at += 1;
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err("a parenthesis is not closed".to_owned())
    }

    fn close(&mut self) -> Result<(), String> {
        match self.peek() {
            Some(token) if token.kind == TokenKind::Close => {
                self.at += 1;
                Ok(())
            }
            Some(token) => Err(format!("{:?} is unexpected at position {}", self.word(token), token.start + 1)),
            None => Err("a parenthesis is not closed".to_owned()),
        }
    }

    /// Ranges, subqueries, `offset` and `@` after an operand.
    fn suffixes(&mut self) -> Result<(), String> {
        while let Some(token) = self.peek() {
            match token.kind {
                TokenKind::Bracketed => self.at += 1,
                TokenKind::Word if self.word(token).eq_ignore_ascii_case("offset") => {
                    self.at += 1;
                    self.signed()?;
                }
                TokenKind::At => {
                    self.at += 1;
                    self.signed()?;
                    if self.next_is(TokenKind::Open) {
                        self.labels()?;
                    }
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn signed(&mut self) -> Result<(), String> {
        if self.next_is(TokenKind::Operator) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Err("it ends where a duration or a time is expected".to_owned());
        }
        self.at += 1;
        Ok(())
    }
}

const POWER: u8 = 6;

fn precedence(operator: &str) -> Option<u8> {
    Some(match operator {
        "or" => 1,
        "and" | "unless" => 2,
        "==" | "!=" | "<=" | "<" | ">=" | ">" => 3,
        "+" | "-" => 4,
        "*" | "/" | "%" | "atan2" => 5,
        "^" => POWER,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The structure with every operator in brackets.
    fn shape(text: &str, part: &Part) -> String {
        match &part.kind {
            PartKind::Binary(binary) => {
                format!("[{} {} {}]", shape(text, &binary.left), binary.operator, shape(text, &binary.right))
            }
            PartKind::Paren(inner) => shape(text, inner),
            PartKind::Negated(inner) => format!("[-{}]", shape(text, inner)),
            PartKind::Aggregate { grouping, inner } => {
                format!("agg {} {}", &text[grouping.clone()], shape(text, inner))
            }
            PartKind::Passing(inner) => format!("pass {}", shape(text, inner)),
            PartKind::Number(_) | PartKind::Operand => text[part.span.clone()].to_owned(),
        }
    }

    #[test]
    fn operators_bind_as_in_prometheus() {
        for (text, expected) in [
            ("a + b * c > 2 ^ 3 ^ 2 and d or e", "[[[[a + [b * c]] > [2 ^ [3 ^ 2]]] and d] or e]"),
            ("-a ^ 2 * b", "[[-[a ^ 2]] * b]"),
            (
                "rate(a{b=\"x > 1\"}[5m] offset -1h) / on (c) group_left (d) e > bool 1",
                "[[rate(a{b=\"x > 1\"}[5m] offset -1h) / e] > 1]",
            ),
            ("sum by (a) (b > 1) UNLESS c", "[agg by (a) [b > 1] unless c]"),
            ("sum(b > 1) without (a) - 1", "[agg without (a) [b > 1] - 1]"),
            ("label_replace(a > 1, \"x\", \"$1\", \"y\", \"(.*)\")", "pass [a > 1]"),
            ("topk(3, a) by (b) > 1", "[topk(3, a) by (b) > 1]"),
            (
                "topk by (b) (3, a) / on (b) quantile without (c) (0.5, d) > 1",
                "[[topk by (b) (3, a) / quantile without (c) (0.5, d)] > 1]",
            ),
            ("a @ start() > 1 # c", "[a @ start() > 1]"),
            ("a[5m:1m] > 1", "[a[5m:1m] > 1]"),
        ] {
            let part = parse(text).unwrap();
            assert_eq!(shape(text, &part), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_says_where() {
        for text in ["a >", "(a", "a b", "> 1", "a on", "sum(a", "a offset", "a )", "by (x)(", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"(".repeat(500)).is_err());
    }
}
