use std::time::{Duration, SystemTime};

use promql_parser::{
    label::MatchOp as ParsedOp,
    parser::{
        AggregateExpr, AtModifier, BinaryExpr, Call as ParsedCall, Expr, LabelModifier, Offset, SubqueryExpr,
        VectorMatchCardinality, VectorSelector, token,
    },
};

use super::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, CompareOp, Function, Grouping, Matching, Node,
    RangeSelector, Selector, SetOp, Subquery, TimeShift,
};
use crate::{
    series::{Labels, METRIC_NAME, MatchOp, Matcher},
    signal::SignalError,
};

/// Levels of operations in one expression.
const MAX_DEPTH: usize = 200;

/// A lowered expression.
pub(super) struct Lowered {
    pub(super) root: Node,
    pub(super) selectors: usize,
}

/// Turns the parser's tree into ours: names resolved, durations in milliseconds, nothing left that
/// cannot be evaluated.
pub(super) fn lower(text: &str, expr: &Expr) -> Result<Lowered, SignalError> {
    let mut lowering = Lowering { text, selectors: 0 };
    let root = lowering.node(expr, 0)?;
    Ok(Lowered { root, selectors: lowering.selectors })
}

struct Lowering<'a> {
    text: &'a str,
    selectors: usize,
}

impl Lowering<'_> {
    fn node(&mut self, expr: &Expr, depth: usize) -> Result<Node, SignalError> {
        if depth > MAX_DEPTH {
            return Err(SignalError::TooDeep { limit: MAX_DEPTH });
        }
        let deeper = depth + 1;
        Ok(match expr {
            Expr::Paren(paren) => self.node(&paren.expr, depth + 1)?,
            Expr::NumberLiteral(number) => Node::Number(number.val),
            Expr::StringLiteral(string) => Node::String(string.val.clone()),
            Expr::Unary(unary) => Node::Negate(Box::new(self.node(&unary.expr, deeper)?)),
            Expr::VectorSelector(selector) => Node::Select(self.selector(selector)?),
            Expr::MatrixSelector(matrix) => Node::Range(RangeSelector {
                selector: self.selector(&matrix.vs)?,
                range_ms: self.positive_ms(matrix.range, "range")?,
            }),
            Expr::Subquery(subquery) => self.subquery(subquery, deeper)?,
            Expr::Call(call) => self.call(call, deeper)?,
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, deeper)?,
            Expr::Binary(binary) => self.binary(binary, deeper)?,
            Expr::Extension(extension) => return Err(unsupported(format!("extension {}", extension.expr.name()))),
        })
    }

    fn selector(&mut self, selector: &VectorSelector) -> Result<Selector, SignalError> {
        if !selector.matchers.or_matchers.is_empty() {
            return Err(unsupported("\"or\" between label matchers"));
        }
        let mut matchers = Vec::with_capacity(selector.matchers.matchers.len() + 1);
        matchers.extend(selector.name.as_ref().map(|name| Matcher::equal(METRIC_NAME, name.as_str())));
        for parsed in &selector.matchers.matchers {
            let op = match &parsed.op {
                ParsedOp::Equal => MatchOp::Equal,
                ParsedOp::NotEqual => MatchOp::NotEqual,
                ParsedOp::Re(_) => MatchOp::Regex,
                ParsedOp::NotRe(_) => MatchOp::NotRegex,
            };
            matchers.push(Matcher::new(parsed.name.as_str(), op, parsed.value.as_str())?);
        }
        let slot = self.selectors;
        self.selectors += 1;
        let shift = self.shift(selector.at.as_ref(), selector.offset.as_ref())?;
        Ok(Selector { slot, matchers: matchers.into(), shift })
    }

    fn subquery(&mut self, subquery: &SubqueryExpr, depth: usize) -> Result<Node, SignalError> {
        Ok(Node::Subquery(Subquery {
            inner: Box::new(self.node(&subquery.expr, depth)?),
            range_ms: self.positive_ms(subquery.range, "range")?,
            step_ms: subquery.step.map(|step| self.positive_ms(step, "step")).transpose()?,
            shift: self.shift(subquery.at.as_ref(), subquery.offset.as_ref())?,
        }))
    }

    fn call(&mut self, call: &ParsedCall, depth: usize) -> Result<Node, SignalError> {
        let name = call.func.name;
        let function = Function::named(name).ok_or_else(|| unsupported(format!("function {name}")))?;
        let args = call.args.args.iter().map(|arg| self.node(arg, depth)).collect::<Result<Vec<_>, _>>()?;
        let absent_labels = match (function, args.first()) {
            (Function::Absent, Some(Node::Select(selector))) => absent_labels(&selector.matchers),
            (Function::AbsentOverTime, Some(Node::Range(range))) => absent_labels(&range.selector.matchers),
            _ => Labels::default(),
        };
        // The parser skips the type check of these when their argument is a constant.
        if let (Function::Math(_), Some(Node::Number(_))) = (function, args.first()) {
            return Err(self.invalid(format!("{name} needs an instant vector, got a scalar")));
        }
        Ok(Node::Call(Call { function, args, absent_labels }))
    }

    fn aggregate(&mut self, parsed: &AggregateExpr, depth: usize) -> Result<Node, SignalError> {
        let op = match parsed.op.id() {
            token::T_SUM => AggregateOp::Sum,
            token::T_AVG => AggregateOp::Avg,
            token::T_MIN => AggregateOp::Min,
            token::T_MAX => AggregateOp::Max,
            token::T_COUNT => AggregateOp::Count,
            token::T_GROUP => AggregateOp::Group,
            token::T_STDDEV => AggregateOp::Stddev,
            token::T_STDVAR => AggregateOp::Stdvar,
            token::T_QUANTILE => AggregateOp::Quantile,
            token::T_TOPK => AggregateOp::Topk,
            token::T_BOTTOMK => AggregateOp::Bottomk,
            token::T_LIMITK => AggregateOp::Limitk,
            token::T_COUNT_VALUES => AggregateOp::CountValues,
            _ => return Err(unsupported(format!("aggregation {}", parsed.op))),
        };
        let (names, without) = match &parsed.modifier {
            None => (Vec::new(), false),
            Some(LabelModifier::Include(labels)) => (labels.labels.clone(), false),
            Some(LabelModifier::Exclude(labels)) => (labels.labels.clone(), true),
        };
        let takes_param = matches!(
            op,
            AggregateOp::Quantile
                | AggregateOp::Topk
                | AggregateOp::Bottomk
                | AggregateOp::Limitk
                | AggregateOp::CountValues
        );
        if takes_param != parsed.param.is_some() {
            let wanted = if takes_param { "needs a parameter" } else { "takes no parameter" };
            return Err(self.invalid(format!("{} {wanted}", op.name())));
        }
        let param = parsed.param.as_ref().map(|param| self.node(param, depth)).transpose()?;
        let inner = self.node(&parsed.expr, depth)?;
        Ok(Node::Aggregate(Box::new(Aggregate { op, param, inner, grouping: Grouping { names, without } })))
    }

    fn binary(&mut self, parsed: &BinaryExpr, depth: usize) -> Result<Node, SignalError> {
        let op = match parsed.op.id() {
            token::T_ADD => BinaryOp::Add,
            token::T_SUB => BinaryOp::Sub,
            token::T_MUL => BinaryOp::Mul,
            token::T_DIV => BinaryOp::Div,
            token::T_MOD => BinaryOp::Mod,
            token::T_POW => BinaryOp::Pow,
            token::T_ATAN2 => BinaryOp::Atan2,
            token::T_EQLC => BinaryOp::Compare(CompareOp::Equal),
            token::T_NEQ => BinaryOp::Compare(CompareOp::NotEqual),
            token::T_GTR => BinaryOp::Compare(CompareOp::Greater),
            token::T_LSS => BinaryOp::Compare(CompareOp::Less),
            token::T_GTE => BinaryOp::Compare(CompareOp::GreaterEqual),
            token::T_LTE => BinaryOp::Compare(CompareOp::LessEqual),
            token::T_LAND => BinaryOp::Set(SetOp::And),
            token::T_LOR => BinaryOp::Set(SetOp::Or),
            token::T_LUNLESS => BinaryOp::Set(SetOp::Unless),
            _ => return Err(unsupported(format!("operator {}", parsed.op))),
        };
        let mut matching = Matching { names: Vec::new(), on: false, cardinality: Cardinality::OneToOne };
        let mut return_bool = false;
        if let Some(modifier) = &parsed.modifier {
            if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
                return Err(unsupported("binary modifier fill"));
            }
            return_bool = modifier.return_bool;
            match &modifier.matching {
                None => {}
                Some(LabelModifier::Include(labels)) => (matching.names, matching.on) = (labels.labels.clone(), true),
                Some(LabelModifier::Exclude(labels)) => matching.names = labels.labels.clone(),
            }
            matching.cardinality = match &modifier.card {
                VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => Cardinality::OneToOne,
                VectorMatchCardinality::ManyToOne(labels) => Cardinality::ManyToOne(labels.labels.clone()),
                VectorMatchCardinality::OneToMany(labels) => Cardinality::OneToMany(labels.labels.clone()),
            };
        }
        let (left, right) = (self.node(&parsed.lhs, depth)?, self.node(&parsed.rhs, depth)?);
        Ok(Node::Binary(Box::new(Binary { op, left, right, matching, return_bool })))
    }

    fn shift(&self, at: Option<&AtModifier>, offset: Option<&Offset>) -> Result<TimeShift, SignalError> {
        let at = match at {
            None => None,
            Some(AtModifier::Start) => Some(At::Start),
            Some(AtModifier::End) => Some(At::End),
            Some(AtModifier::At(time)) => Some(At::Time(self.epoch_ms(*time)?)),
        };
        let offset_ms = match offset {
            None => 0,
            Some(Offset::Pos(duration)) => self.ms(*duration)?,
            Some(Offset::Neg(duration)) => -self.ms(*duration)?,
        };
        Ok(TimeShift { at, offset_ms })
    }

    fn epoch_ms(&self, time: SystemTime) -> Result<i64, SignalError> {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => self.ms(after),
            Err(before) => self.ms(before.duration()).map(|ms| -ms),
        }
    }

    fn ms(&self, duration: Duration) -> Result<i64, SignalError> {
        // Beyond ±100 million years the sum of a time and an offset could overflow.
        i64::try_from(duration.as_millis())
            .ok()
            .filter(|ms| *ms < i64::MAX / 4)
            .ok_or_else(|| self.invalid(format!("a duration of {} s is too long", duration.as_secs())))
    }

    fn positive_ms(&self, duration: Duration, what: &str) -> Result<i64, SignalError> {
        match self.ms(duration)? {
            0 => Err(self.invalid(format!("a {what} must last at least a millisecond"))),
            ms => Ok(ms),
        }
    }

    fn invalid(&self, message: String) -> SignalError {
        SignalError::Parse { expr: self.text.to_owned(), message }
    }
}

fn unsupported(what: impl Into<String>) -> SignalError {
    SignalError::Unsupported { what: what.into() }
}

/// The labels that a selector fixes: each name that stands in one matcher only, and there with `=`.
fn absent_labels(matchers: &[Matcher]) -> Labels {
    let fixed = matchers.iter().filter(|matcher| {
        matcher.name() != METRIC_NAME
            && matcher.op() == MatchOp::Equal
            && matchers.iter().filter(|other| other.name() == matcher.name()).count() == 1
    });
    Labels::from_pairs(fixed.map(|matcher| (matcher.name(), matcher.value()))).unwrap_or_default()
}
