//! Parses calls of functions and aggregations, and suggests a function for an unknown name.

use super::{
    keywords::is_one_of,
    operand::{Operand, Precedence},
    parser::Parser,
    token::{Token, TokenKind},
};
use crate::{
    series::{Labels, METRIC_NAME, MatchOp, Matcher},
    signal::{
        SignalError, ValueKind,
        functions::{self, Function},
        plan::{Aggregate, AggregateOp, Call, Grouping, Node},
    },
};

impl Parser<'_> {
    /// Parses arguments in parentheses; the opening one is next.
    fn arguments(&mut self, name: &str) -> Result<Vec<Operand>, SignalError> {
        let opening = self.advance();
        let mut args = Vec::new();
        if self.peek().is(")") {
            self.advance();
            return Ok(args);
        }
        loop {
            if self.peek().kind == TokenKind::End {
                return Err(self.unclosed(&opening, "bracket", ")"));
            }
            let arg = self.expression(Precedence::LOWEST)?;
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
                return Err(self.error_at(comma.start, comma.end, message));
            }
        }
    }

    /// Parses the call of a function.
    pub(super) fn call(&mut self, word: &Token) -> Result<Operand, SignalError> {
        let name = self.written(word);
        let function = function_named(name).map_err(|error| match error {
            UnknownFunction::NotEvaluated => SignalError::Unsupported { what: format!("function {name}") },
            UnknownFunction::Unknown(hint) => {
                self.error_at(word.start, word.end, format!("there is no function {name:?}{hint}"))
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

    /// Parses an aggregation; its grouping may be before or after its arguments.
    pub(super) fn aggregate(&mut self, op: AggregateOp, word: &Token) -> Result<Operand, SignalError> {
        let mut grouping = self.grouping()?;
        if !self.peek().is("(") {
            let next = self.peek().clone();
            let message = format!("the expression of {} must be in brackets after the labels", op.name());
            let culprit = if next.kind == TokenKind::End { word } else { &next };
            return Err(self.error_at(culprit.start, culprit.end, message));
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
            let noun = if wanted == 1 { "argument" } else { "arguments" };
            let message = format!("{} takes {wanted} {noun}, got {}: {shape}", op.name(), args.len());
            return Err(self.error_at(word.start, end, message));
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

    /// Parses `by (…)` or `without (…)`; `None` if neither is next.
    fn grouping(&mut self) -> Result<Option<Grouping>, SignalError> {
        if !self.is_word(&["by", "without"]) {
            return Ok(None);
        }
        let word = self.advance();
        let without = is_one_of(self.written(&word), &["without"]);
        Ok(Some(Grouping { names: self.labels(&word)?, without }))
    }
}

/// The error of a name that is not a supported function.
enum UnknownFunction {
    /// A function of Prometheus that is not supported.
    NotEvaluated,
    /// Not a function of Prometheus. The text suggests another one.
    Unknown(String),
}

/// Returns the function with this name.
fn function_named(name: &str) -> Result<&'static Function, UnknownFunction> {
    if let Some(function) = functions::find_function(name) {
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

/// Returns the labels that a selector fixes: the names with exactly one matcher, which is `=`.
fn fixed_labels(matchers: &[Matcher]) -> Labels {
    let fixed = matchers.iter().filter(|matcher| {
        matcher.name() != METRIC_NAME
            && matcher.op() == MatchOp::Equal
            && matchers.iter().filter(|other| other.name() == matcher.name()).count() == 1
    });
    Labels::from_pairs(fixed.map(|matcher| (matcher.name(), matcher.value()))).unwrap_or_default()
}
