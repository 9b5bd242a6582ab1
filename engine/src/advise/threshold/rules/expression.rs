//! Parses the outer structure of a PromQL expression with byte ranges: operators, parentheses, aggregations.
//!
//! Selectors, function calls and all other parts are opaque operands; the evaluator's parser validates them.

use std::ops::Range;

use super::tokens::{Token, TokenKind, tokens};

/// Aggregations with an element whenever one of the aggregated elements exists.
const AGGREGATIONS: [&str; 8] = ["sum", "min", "max", "avg", "group", "stddev", "stdvar", "count"];
/// Aggregations with a parameter; their elements depend on several aggregated elements.
const WITH_PARAMETER: [&str; 6] = ["topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"];
/// Functions with one element for each element of their first argument.
const PASSING: [&str; 4] = ["sort", "sort_desc", "label_replace", "label_join"];
/// Maximum nesting depth.
const MAX_DEPTH: usize = 100;

/// A node of the syntax tree, with its byte range in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExprNode {
    pub(super) kind: ExprKind,
    pub(super) span: Range<usize>,
}

/// Kind of a syntax node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    Number(f64),
    /// A selector, a call or a string, not parsed further.
    Operand,
    Paren(Box<ExprNode>),
    Negated(Box<ExprNode>),
    /// `sum by (a) (…)`: the byte range of the grouping, empty without one.
    Aggregate {
        grouping: Range<usize>,
        inner: Box<ExprNode>,
    },
    /// A call of one of the [`PASSING`] functions, with its first argument.
    Passing(Box<ExprNode>),
    Binary(Box<BinaryExpr>),
}

/// A binary operator with its modifiers and both sides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BinaryExpr {
    /// Operator in lower case.
    pub(super) operator: String,
    pub(super) bool_modifier: bool,
    /// Byte range of `on (…)` or `ignoring (…)`.
    pub(super) matching: Option<Range<usize>>,
    pub(super) group: Option<ManySide>,
    pub(super) left: ExprNode,
    pub(super) right: ExprNode,
}

/// Side of a many-to-one match that has many elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ManySide {
    Left,
    Right,
}

impl ExprNode {
    /// Returns the value of a constant expression.
    pub(super) fn constant(&self) -> Option<f64> {
        match &self.kind {
            ExprKind::Number(value) => Some(*value),
            ExprKind::Paren(inner) => inner.constant(),
            ExprKind::Negated(inner) => Some(-inner.constant()?),
            ExprKind::Binary(binary) => {
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

    /// Returns the node inside of any parentheses.
    pub(super) fn bare(&self) -> &Self {
        match &self.kind {
            ExprKind::Paren(inner) => inner.bare(),
            _ => self,
        }
    }
}

/// Parses the structure of an expression.
///
/// # Errors
/// A message with the unexpected token and its position, counted from 1.
pub(super) fn parse(text: &str) -> Result<ExprNode, String> {
    let tokens = tokens(text)?;
    let mut reader = ExprParser { text, tokens: &tokens, at: 0, depth: 0 };
    let part = reader.binary(0)?;
    match reader.tokens.get(reader.at) {
        None => Ok(part),
        Some(token) => Err(format!("{:?} is unexpected at position {}", reader.word(token), token.start + 1)),
    }
}

/// Recursive-descent parser.
struct ExprParser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> ExprParser<'a> {
    fn word(&self, token: &Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next_is(&self, kind: TokenKind) -> bool {
        self.peek().is_some_and(|token| token.kind == kind)
    }

    /// Returns the next token's text in lower case, if it is a word or operator.
    fn keyword(&self) -> Option<String> {
        self.peek()
            .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Operator))
            .map(|token| self.word(token).to_ascii_lowercase())
    }

    /// Parses operators of at least this precedence by precedence climbing. All but `^` associate to the left.
    fn binary(&mut self, least: u8) -> Result<ExprNode, String> {
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
            let binary = BinaryExpr { operator, bool_modifier, matching, group, left, right };
            left = ExprNode { kind: ExprKind::Binary(Box::new(binary)), span };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// Parses the modifiers after an operator: `bool`, vector matching, and the many side.
    #[expect(clippy::type_complexity, reason = "the three modifiers, used at one place")]
    fn modifiers(&mut self) -> Result<(bool, Option<Range<usize>>, Option<ManySide>), String> {
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
                    group = Some(if word == "group_left" { ManySide::Left } else { ManySide::Right });
                    if self.next_is(TokenKind::Open) {
                        self.labels()?;
                    }
                }
                _ => break,
            }
        }
        Ok((bool_modifier, matching, group))
    }

    /// Skips `(a, b)` and returns the byte at which it ends.
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

    fn unary(&mut self) -> Result<ExprNode, String> {
        let sign =
            self.peek().filter(|token| token.kind == TokenKind::Operator && matches!(self.word(token), "-" | "+"));
        let Some(sign) = sign else { return self.operand() };
        self.at += 1;
        // A sign has a lower precedence than `^` and a higher one than all other operators.
        let inner = self.binary(POWER)?;
        let span = sign.start..inner.span.end;
        let negative = self.word(sign) == "-";
        Ok(if negative {
            ExprNode { kind: ExprKind::Negated(Box::new(inner)), span }
        } else {
            ExprNode { span, ..inner }
        })
    }

    fn operand(&mut self) -> Result<ExprNode, String> {
        let Some(first) = self.peek() else { return Err("it ends where an operand is expected".to_owned()) };
        let start = first.start;
        self.at += 1;
        let kind = match first.kind {
            TokenKind::Number(value) => ExprKind::Number(value),
            TokenKind::Open => {
                let inner = self.binary(0)?;
                self.close()?;
                ExprKind::Paren(Box::new(inner))
            }
            TokenKind::Word => self.named(&self.word(first).to_ascii_lowercase())?,
            TokenKind::Bracketed => ExprKind::Operand,
            _ => return Err(format!("{:?} is unexpected at position {}", self.word(first), start + 1)),
        };
        let before = self.at;
        self.suffixes()?;
        // With a range, an offset or `@` the whole node is one operand.
        let kind = if self.at > before { ExprKind::Operand } else { kind };
        let end = self.tokens[self.at - 1].end;
        Ok(ExprNode { kind, span: start..end })
    }

    /// Parses what follows a name: the arguments of a call or the grouping of an aggregation.
    fn named(&mut self, name: &str) -> Result<ExprKind, String> {
        let mut grouping = 0..0;
        if AGGREGATIONS.contains(&name) || WITH_PARAMETER.contains(&name) {
            grouping = self.grouping()?.unwrap_or(grouping);
        }
        if !self.next_is(TokenKind::Open) {
            return Ok(ExprKind::Operand);
        }
        self.at += 1;
        if !(AGGREGATIONS.contains(&name) || PASSING.contains(&name)) {
            self.skip_arguments()?;
            // A trailing grouping as in `topk(5, a) by (b)`.
            self.grouping()?;
            return Ok(ExprKind::Operand);
        }
        let inner = Box::new(self.binary(0)?);
        if PASSING.contains(&name) {
            self.skip_arguments()?;
            return Ok(ExprKind::Passing(inner));
        }
        self.close()?;
        if grouping.is_empty() {
            grouping = self.grouping()?.unwrap_or(grouping);
        }
        Ok(ExprKind::Aggregate { grouping, inner })
    }

    fn grouping(&mut self) -> Result<Option<Range<usize>>, String> {
        let Some("by" | "without") = self.keyword().as_deref() else { return Ok(None) };
        let start = self.peek().map_or(0, |token| token.start);
        self.at += 1;
        Ok(Some(start..self.labels()?))
    }

    /// Skips the rest of a call's arguments, including the closing parenthesis.
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

    /// Skips ranges, subqueries, `offset` and `@` after an operand.
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

    /// Skips an optional sign and the token after it.
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

/// Precedence of `^`, the highest.
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

    /// Formats the structure with every operator in brackets.
    fn shape(text: &str, part: &ExprNode) -> String {
        match &part.kind {
            ExprKind::Binary(binary) => {
                format!("[{} {} {}]", shape(text, &binary.left), binary.operator, shape(text, &binary.right))
            }
            ExprKind::Paren(inner) => shape(text, inner),
            ExprKind::Negated(inner) => format!("[-{}]", shape(text, inner)),
            ExprKind::Aggregate { grouping, inner } => {
                format!("agg {} {}", &text[grouping.clone()], shape(text, inner))
            }
            ExprKind::Passing(inner) => format!("pass {}", shape(text, inner)),
            ExprKind::Number(_) | ExprKind::Operand => text[part.span.clone()].to_owned(),
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
    fn invalid_expressions_are_rejected() {
        for text in ["a >", "(a", "a b", "> 1", "a on", "sum(a", "a offset", "a )", "by (x)(", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"(".repeat(500)).is_err());
    }
}
