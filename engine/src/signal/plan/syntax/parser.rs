//! The parser: operands joined by operators of different strength, calls, aggregations.

use super::{
    keywords::{NEVER_FUNCTIONS, NEVER_METRICS, aggregation, is_one_of, number},
    lexer::tokens,
    operand::{Binding, Operand, operator},
    place::wrong,
    token::{Kind, Token},
};
use crate::{
    series::{Labels, METRIC_NAME, MatchOp, Matcher},
    signal::{
        SignalError, ValueKind,
        functions::{self, Function},
        plan::{Aggregate, AggregateOp, Binary, Call, Cardinality, Grouping, Matching, Node},
    },
};

/// Operands within operands that may be open at one time: the parser recurses for each.
const MAX_NESTING: usize = 128;
/// Levels of operations in one expression: what evaluates it recurses for each.
const MAX_DEPTH: usize = 200;

/// A plan and how many selectors it has.
#[derive(Debug)]
pub(in crate::signal::plan) struct Parsed {
    pub(in crate::signal::plan) root: Node,
    pub(in crate::signal::plan) selectors: usize,
}

/// Reads a whole expression.
///
/// # Errors
/// As [`crate::signal::parse`].
pub(in crate::signal::plan) fn parse(text: &str) -> Result<Parsed, SignalError> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, last_end: 0, selectors: 0, nesting: 0 };
    if parser.peek().kind == Kind::End {
        return Err(parser.wrong(0, text.len(), "the expression is empty"));
    }
    let operand = parser.expression(Binding::WEAKEST)?;
    let rest = parser.peek().clone();
    if rest.kind != Kind::End {
        return Err(parser.left_over(&operand, &rest));
    }
    Ok(Parsed { root: operand.node, selectors: parser.selectors })
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    /// Where the token ended that was read last.
    pub(super) last_end: usize,
    pub(super) selectors: usize,
    nesting: usize,
}

/// `bool`, `on`, `ignoring`, `group_left`, `group_right` after an operator.
struct Modifiers {
    return_bool: bool,
    has_matching: bool,
    matching: Matching,
}

impl<'a> Parser<'a> {
    /// The token that comes next; past the end it is the end.
    pub(super) fn peek(&self) -> &Token {
        // There is at least the end, and it is never passed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != Kind::End {
            self.next += 1;
            self.last_end = token.end;
        }
        token
    }

    pub(super) fn written(&self, token: &Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    pub(super) fn wrong(&self, start: usize, end: usize, message: impl Into<String>) -> SignalError {
        wrong(self.text, start, end, message)
    }

    pub(super) fn unclosed(&self, opening: &Token, what: &str, closing: &str) -> SignalError {
        let message = format!("the {what} that opens here is never closed; write {closing}");
        self.wrong(opening.start, self.text.len(), message)
    }

    /// Reads the bracket that closes `opening`.
    pub(super) fn close(&mut self, opening: &Token, what: &str, closing: &'static str) -> Result<(), SignalError> {
        let next = self.peek().clone();
        if next.is(closing) {
            self.advance();
            return Ok(());
        }
        if next.kind == Kind::End {
            return Err(self.unclosed(opening, what, closing));
        }
        let message = format!("{closing} is expected here, for the {what} that is open");
        Err(self.wrong(next.start, next.end, message))
    }

    pub(super) fn limit_depth(&self, depth: usize) -> Result<(), SignalError> {
        if depth > MAX_DEPTH { Err(SignalError::TooDeep { limit: MAX_DEPTH }) } else { Ok(()) }
    }

    /// Says what is wrong with a text that goes on after a whole expression.
    fn left_over(&self, operand: &Operand, rest: &Token) -> SignalError {
        let message = match &rest.kind {
            Kind::Symbol(closing @ (")" | "}" | "]")) => format!("{closing} closes nothing; take it out"),
            Kind::Symbol("=") => "a comparison is written ==".to_owned(),
            Kind::Symbol("=~" | "!~") => "patterns are matched in braces: up{job=~\"a.*\"}".to_owned(),
            Kind::Symbol("{") => "matchers follow a metric's name directly: up{job=\"api\"}".to_owned(),
            Kind::Symbol("(") if matches!(operand.node, Node::Select(_)) => "this is not a function".to_owned(),
            Kind::Symbol(",") => "a comma separates arguments of a function; here is none".to_owned(),
            Kind::Word if is_one_of(self.written(rest), &["by", "without"]) => {
                let word = self.written(rest);
                format!("{word} belongs to an aggregation: sum {word} (job) (up)")
            }
            _ => {
                let before = self.text.get(operand.start..operand.end).unwrap_or_default();
                let last = before.split_whitespace().next_back().unwrap_or_default();
                format!("an operator is missing between {last} and {}", self.written(rest))
            }
        };
        self.wrong(rest.start, rest.end, message)
    }

    /// Reads operands joined by operators that bind at least as strongly as `least`.
    pub(super) fn expression(&mut self, least: Binding) -> Result<Operand, SignalError> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(SignalError::TooDeep { limit: MAX_NESTING });
        }
        let mut left = self.signed()?;
        loop {
            let token = self.peek().clone();
            let found = match token.kind {
                Kind::Symbol(symbol) => operator(symbol),
                Kind::Word => operator(self.written(&token)),
                _ => None,
            };
            let Some((op, binding)) = found.filter(|(_, binding)| *binding >= least) else { break };
            self.advance();
            let modifiers = self.modifiers()?;
            if self.peek().kind == Kind::End {
                let message = format!("the right side of {} is missing", self.written(&token));
                return Err(self.wrong(token.start, token.end, message));
            }
            // A power joins from the right, everything else from the left.
            let is_power = binding == Binding::Power;
            let right = self.expression(if is_power { binding } else { binding.stronger() })?;
            left = self.joined(op, &token, modifiers, left, right)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn joined(
        &self,
        op: crate::signal::plan::BinaryOp,
        token: &Token,
        modifiers: Modifiers,
        left: Operand,
        right: Operand,
    ) -> Result<Operand, SignalError> {
        let (start, end) = (left.start, right.end);
        let depth = left.depth.max(right.depth) + 1;
        self.limit_depth(depth)?;
        let Modifiers { return_bool, has_matching, matching } = modifiers;
        // The checks look at what stands on both sides; the nodes move into the operation afterwards.
        let placeholder = Binary { op, left: Node::Number(0.0), right: Node::Number(0.0), matching, return_bool };
        self.check_binary(&placeholder, has_matching, (&left, &right), (token.start, token.end))?;
        let binary = Binary { left: left.node, right: right.node, ..placeholder };
        let mut operand = Operand::new(Node::Binary(Box::new(binary)), start, end, depth);
        operand.bare = false;
        Ok(operand)
    }

    fn modifiers(&mut self) -> Result<Modifiers, SignalError> {
        let matching = Matching { names: Vec::new(), on: false, cardinality: Cardinality::OneToOne };
        let mut modifiers = Modifiers { return_bool: false, has_matching: false, matching };
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
                return Err(self.wrong(word.start, word.end, message));
            }
            let names = if self.peek().is("(") { self.labels(&word)? } else { Vec::new() };
            modifiers.matching.cardinality = if is_one_of(self.written(&word), &["group_left"]) {
                Cardinality::ManyToOne(names)
            } else {
                Cardinality::OneToMany(names)
            };
        }
        let opens = self.tokens.get(self.next + 1).is_some_and(|token| token.is("("));
        if self.is_word(&["fill", "fill_left", "fill_right"]) && opens {
            return Err(SignalError::Unsupported { what: "binary modifier fill".to_owned() });
        }
        Ok(modifiers)
    }

    fn is_word(&self, words: &[&str]) -> bool {
        let next = self.peek();
        next.kind == Kind::Word && is_one_of(self.written(next), words)
    }

    /// Names of labels in brackets after `word`.
    fn labels(&mut self, word: &Token) -> Result<Vec<String>, SignalError> {
        let opening = self.advance();
        if !opening.is("(") {
            let (name, next) = (self.written(word), self.written(&opening));
            let example = if opening.kind == Kind::Word { next } else { "job" };
            let message = format!("the labels after {name} are written in brackets: {name} ({example})");
            let place = if opening.kind == Kind::End { word } else { &opening };
            return Err(self.wrong(place.start, place.end, message));
        }
        let mut names = Vec::new();
        loop {
            let token = self.advance();
            if token.is(")") {
                return Ok(names);
            }
            let written = self.written(&token);
            names.push(match &token.kind {
                Kind::Word if !written.contains(':') && !is_one_of(written, &["without", "inf", "nan"]) => {
                    written.to_owned()
                }
                Kind::Text(text) if !text.is_empty() => text.clone(),
                Kind::End => return Err(self.unclosed(&opening, "bracket", ")")),
                _ => {
                    let message = "a label's name is expected here, as in (job, instance)";
                    return Err(self.wrong(token.start, token.end, message));
                }
            });
            if !self.peek().is(",") && !self.peek().is(")") {
                self.close(&opening, "list of labels", ")")?;
            } else if self.peek().is(",") {
                self.advance();
            }
        }
    }

    /// An operand with any signs before it; they bind less than a power.
    fn signed(&mut self) -> Result<Operand, SignalError> {
        let sign = self.peek().clone();
        let negative = sign.is("-");
        if !negative && !sign.is("+") {
            return self.primary();
        }
        self.advance();
        let mut operand = self.expression(Binding::Power)?;
        self.need_number(&operand, self.written(&sign))?;
        (operand.start, operand.bare) = (sign.start, false);
        if negative {
            operand.node = match operand.node {
                Node::Number(value) => Node::Number(-value),
                other => {
                    operand.depth += 1;
                    self.limit_depth(operand.depth)?;
                    Node::Negate(Box::new(other))
                }
            };
        }
        Ok(operand)
    }

    fn primary(&mut self) -> Result<Operand, SignalError> {
        let token = self.peek().clone();
        let one = |node: Node| Operand::new(node, token.start, token.end, 1);
        let operand = match &token.kind {
            Kind::Number(value) => {
                self.advance();
                one(Node::Number(*value))
            }
            Kind::Duration(ms) => {
                self.advance();
                #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
                one(Node::Number(*ms as f64 / 1000.0))
            }
            Kind::Text(text) => {
                self.advance();
                one(Node::String(text.clone()))
            }
            Kind::Word => self.named()?,
            Kind::Symbol("(") => {
                self.advance();
                if self.peek().is(")") {
                    return Err(self.wrong(token.start, self.peek().end, "the brackets are empty"));
                }
                let mut inner = self.expression(Binding::WEAKEST)?;
                self.close_after(&inner, &token)?;
                (inner.start, inner.end, inner.bare) = (token.start, self.last_end, false);
                inner
            }
            Kind::Symbol("{") => self.selector(None)?,
            Kind::Symbol(symbol) => {
                let message = match *symbol {
                    ")" | "}" | "]" => format!("an expression is expected before {symbol}"),
                    "," => "an expression is expected before the comma".to_owned(),
                    "[" => "a range follows a selector: up[5m]".to_owned(),
                    other => format!("{other} has no left side"),
                };
                return Err(self.wrong(token.start, token.end, message));
            }
            Kind::End => {
                let end = self.text.len();
                return Err(self.wrong(end, end, "the expression ends too early; an operand is expected"));
            }
        };
        self.modified(operand)
    }

    /// The bracket after an expression in brackets; what stands there instead is explained.
    fn close_after(&mut self, inner: &Operand, opening: &Token) -> Result<(), SignalError> {
        let next = self.peek().clone();
        if next.is(")") || next.kind == Kind::End || next.is("]") || next.is("}") {
            return self.close(opening, "bracket", ")");
        }
        Err(self.left_over(inner, &next))
    }

    /// What a word begins: a number, an aggregation, a call, or a selector.
    fn named(&mut self) -> Result<Operand, SignalError> {
        let word = self.advance();
        let name = self.written(&word);
        if let Some(value) = number(name) {
            return Ok(Operand::new(Node::Number(value), word.start, word.end, 1));
        }
        let opens = self.peek().is("(");
        if let Some(op) = aggregation(name)
            && (opens || self.is_word(&["by", "without"]))
        {
            let op = op.map_err(|name| SignalError::Unsupported { what: format!("aggregation {name}") })?;
            return self.aggregate(op, &word);
        }
        if opens && !is_one_of(name, &NEVER_FUNCTIONS) {
            return self.call(&word);
        }
        if is_one_of(name, &NEVER_METRICS) {
            let message = format!("{name} is a keyword here; a metric of this name is written {{__name__=\"{name}\"}}");
            return Err(self.wrong(word.start, word.end, message));
        }
        self.selector(Some(&word))
    }

    /// Arguments in brackets; the bracket comes next.
    fn arguments(&mut self, name: &str) -> Result<Vec<Operand>, SignalError> {
        let opening = self.advance();
        let mut args = Vec::new();
        if self.peek().is(")") {
            self.advance();
            return Ok(args);
        }
        loop {
            if self.peek().kind == Kind::End {
                return Err(self.unclosed(&opening, "bracket", ")"));
            }
            let arg = self.expression(Binding::WEAKEST)?;
            let comma = self.peek().clone();
            if !comma.is(",") {
                self.close_after(&arg, &opening)?;
                args.push(arg);
                return Ok(args);
            }
            args.push(arg);
            self.advance();
            if self.peek().is(")") {
                let message = format!("an argument of {name} is missing after the comma");
                return Err(self.wrong(comma.start, comma.end, message));
            }
        }
    }

    fn call(&mut self, word: &Token) -> Result<Operand, SignalError> {
        let name = self.written(word);
        let function = function_named(name).map_err(|error| match error {
            UnknownFunction::NotEvaluated => SignalError::Unsupported { what: format!("function {name}") },
            UnknownFunction::Unknown(hint) => {
                self.wrong(word.start, word.end, format!("there is no function {name:?}{hint}"))
            }
        })?;
        let args = self.arguments(name)?;
        let end = self.last_end;
        self.check_call(function, &args, word.start, end)?;
        let depth = args.iter().map(|arg| arg.depth).max().unwrap_or(0) + 1;
        self.limit_depth(depth)?;
        let args: Vec<Node> = args.into_iter().map(|arg| arg.node).collect();
        let absent_labels = match args.first() {
            Some(Node::Select(selector)) => fixed_labels(&selector.matchers),
            Some(Node::Range(range)) => fixed_labels(&range.selector.matchers),
            _ => Labels::default(),
        };
        Ok(Operand::new(Node::Call(Call { function, args, absent_labels }), word.start, end, depth))
    }

    fn aggregate(&mut self, op: AggregateOp, word: &Token) -> Result<Operand, SignalError> {
        let mut grouping = self.grouping()?;
        if !self.peek().is("(") {
            let next = self.peek().clone();
            let message = format!("the expression that {} takes is written in brackets after the labels", op.name());
            let place = if next.kind == Kind::End { word } else { &next };
            return Err(self.wrong(place.start, place.end, message));
        }
        let mut args = self.arguments(op.name())?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let end = self.last_end;
        let wanted = if op.param().is_some() { 2 } else { 1 };
        if args.len() != wanted {
            let shape = if wanted == 2 {
                format!("{}(parameter, vector)", op.name())
            } else {
                format!("{}(vector)", op.name())
            };
            let message = format!("{} takes {wanted}, here are {}: {shape}", op.name(), args.len());
            return Err(self.wrong(word.start, end, message));
        }
        let depth = args.iter().map(|arg| arg.depth).max().unwrap_or(0) + 1;
        self.limit_depth(depth)?;
        let Some(inner) = args.pop() else { return Err(self.unclosed(word, "bracket", ")")) };
        self.need(&inner, ValueKind::Vector, op.name())?;
        let param = args.pop();
        if let (Some(param), Some(kind)) = (&param, op.param()) {
            self.need(param, kind, &format!("the parameter of {}", op.name()))?;
        }
        let grouping = grouping.unwrap_or(Grouping { names: Vec::new(), without: false });
        let aggregate = Aggregate { op, param: param.map(|param| param.node), inner: inner.node, grouping };
        Ok(Operand::new(Node::Aggregate(Box::new(aggregate)), word.start, end, depth))
    }

    /// `by (…)` or `without (…)`, if it comes next.
    fn grouping(&mut self) -> Result<Option<Grouping>, SignalError> {
        if !self.is_word(&["by", "without"]) {
            return Ok(None);
        }
        let word = self.advance();
        let without = is_one_of(self.written(&word), &["without"]);
        Ok(Some(Grouping { names: self.labels(&word)?, without }))
    }
}

/// Why a name is no function.
enum UnknownFunction {
    /// Prometheus has it, the evaluator does not.
    NotEvaluated,
    /// Nobody has it; the text suggests another one.
    Unknown(String),
}

fn function_named(name: &str) -> Result<&'static Function, UnknownFunction> {
    if let Some(function) = functions::named(name) {
        return Ok(function);
    }
    if functions::NOT_EVALUATED.contains(&name) {
        return Err(UnknownFunction::NotEvaluated);
    }
    if name == "holt_winters" {
        return Err(UnknownFunction::Unknown("; its name is double_exponential_smoothing".to_owned()));
    }
    let names = functions::FUNCTIONS.iter().map(|function| function.name);
    let aggregations = AggregateOp::ALL.iter().map(|op| op.name());
    let nearest = names
        .chain(aggregations)
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest.map_or_else(String::new, |(_, known)| format!("; did you mean {known}?"));
    Err(UnknownFunction::Unknown(hint))
}

/// The labels that a selector fixes: each name that is in one matcher only, and there with `=`.
fn fixed_labels(matchers: &[Matcher]) -> Labels {
    let fixed = matchers.iter().filter(|matcher| {
        matcher.name() != METRIC_NAME
            && matcher.op() == MatchOp::Equal
            && matchers.iter().filter(|other| other.name() == matcher.name()).count() == 1
    });
    Labels::from_pairs(fixed.map(|matcher| (matcher.name(), matcher.value()))).unwrap_or_default()
}
