//! Classifies the conjuncts of WHERE and ON.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::{
    build::Walk,
    types::{Filter, Join, Key, Operand, Pattern, Role, Test},
};

/// What one side of a comparison is.
enum Side {
    /// A column or expression of a relation of the present block.
    Local(usize, Key),
    /// A value.
    Value(Operand),
    /// Something else, such as an expression over two relations.
    Mixed,
}

impl Walk<'_> {
    /// Reads one conjunct, or all of a conjunction.
    pub(super) fn conjunct(&mut self, expr: &Expr) {
        match expr {
            Expr::Nested(inner) => self.conjunct(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.conjunct(left);
                self.conjunct(right);
            }
            expr => {
                // Subqueries and columns are noted once, whatever the form of the conjunct.
                self.use_columns(expr);
                self.classify(expr);
            }
        }
    }

    fn classify(&mut self, expr: &Expr) {
        match expr {
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right),
            Expr::InList { expr, list, negated } => {
                let is_fixed = list.iter().all(|item| matches!(self.side(item), Side::Value(_)));
                let test = if *negated || !is_fixed { Test::Other } else { Test::In(Some(list.len())) };
                self.test(expr, test);
            }
            Expr::InSubquery { expr, negated, .. } => {
                self.test(expr, if *negated { Test::Other } else { Test::In(None) })
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                let test = if matches!(self.side(right), Side::Value(_)) { Test::In(None) } else { Test::Other };
                self.test(left, test);
            }
            Expr::Between { expr, negated: false, low, high } => {
                for (bound, is_upper) in [(low, false), (high, true)] {
                    if let Side::Value(operand) = self.side(bound) {
                        self.test(expr, Test::Range { is_upper, operand });
                    }
                }
            }
            Expr::IsNull(inner) => self.test(inner, Test::IsNull),
            Expr::IsNotNull(inner) => self.test(inner, Test::IsNotNull),
            Expr::IsTrue(inner) => self.test(inner, Test::Is(true)),
            Expr::IsFalse(inner) => self.test(inner, Test::Is(false)),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => match strip(expr) {
                inner @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => self.test(inner, Test::Is(false)),
                inner => self.test_all(inner, &Test::Other),
            },
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.test(expr, Test::Is(true)),
            Expr::Like { negated, expr, pattern, .. } => self.like(expr, pattern, *negated, false),
            Expr::ILike { negated, expr, pattern, .. } => self.like(expr, pattern, *negated, true),
            other => self.test_all(other, &Test::Other),
        }
    }

    fn comparison(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) {
        // A row comparison bounds its first column.
        if let (Expr::Tuple(lefts), Expr::Tuple(rights)) = (strip(left), strip(right))
            && let (Some(first), Some(value)) = (lefts.first(), rights.first())
        {
            if *op == BinaryOperator::Eq && lefts.len() == rights.len() {
                for (left, right) in lefts.iter().zip(rights) {
                    self.comparison(left, op, right);
                }
            } else {
                self.comparison(first, op, value);
            }
            return;
        }
        let like = |op: &BinaryOperator| match op {
            BinaryOperator::PGLikeMatch => Some((false, false)),
            BinaryOperator::PGILikeMatch => Some((false, true)),
            BinaryOperator::PGNotLikeMatch => Some((true, false)),
            BinaryOperator::PGNotILikeMatch => Some((true, true)),
            _ => None,
        };
        if let Some((negated, is_insensitive)) = like(op) {
            return self.like(left, right, negated, is_insensitive);
        }
        match (self.side(left), self.side(right)) {
            (Side::Local(a, x), Side::Local(b, y)) => self.both((a, x), op, (b, y)),
            (Side::Local(relation, key), Side::Value(operand)) => {
                let test = test_of(op, operand, false);
                self.add(relation, key, test);
            }
            (Side::Value(operand), Side::Local(relation, key)) => {
                let test = test_of(op, operand, true);
                self.add(relation, key, test);
            }
            (Side::Mixed, _) | (_, Side::Mixed) => {
                self.test_all(left, &Test::Other);
                self.test_all(right, &Test::Other);
            }
            (Side::Value(_), Side::Value(_)) => {}
        }
    }

    fn both(&mut self, left: (usize, Key), op: &BinaryOperator, right: (usize, Key)) {
        let Some(&idx) = self.stack.last() else { return };
        if left.0 != right.0 && *op == BinaryOperator::Eq {
            self.block(idx).joins.push(Join { left, right });
        } else if left.0 == right.0 {
            self.add(left.0, left.1, Test::Other);
        }
    }

    fn like(&mut self, expr: &Expr, pattern: &Expr, negated: bool, is_insensitive: bool) {
        let test = if negated { Test::Other } else { Test::Like { is_insensitive, pattern: form(pattern) } };
        self.test(expr, test);
    }

    /// Adds a test on a column or expression; a test on something else restricts nothing that an index could find.
    fn test(&mut self, expr: &Expr, test: Test) {
        match self.side(expr) {
            Side::Local(relation, key) => self.add(relation, key, test),
            Side::Value(_) => {}
            Side::Mixed => self.test_all(expr, &Test::Other),
        }
    }

    /// Adds a test for every local column inside an expression.
    fn test_all(&mut self, expr: &Expr, test: &Test) {
        for (relation, column) in self.local_columns(expr) {
            self.add(relation, Key::Column(column), test.clone());
        }
    }

    fn add(&mut self, relation: usize, key: Key, test: Test) {
        let Some(&idx) = self.stack.last() else { return };
        let filter = Filter { relation, key, test };
        if !self.block(idx).filters.contains(&filter) {
            self.block(idx).filters.push(filter);
        }
    }

    /// Says what one side of a comparison is.
    fn side(&mut self, expr: &Expr) -> Side {
        let expr = strip(expr);
        if let Some((relation, key)) = self.key(expr) {
            return Side::Local(relation, key);
        }
        match expr {
            Expr::Value(value) => Side::Value(match &value.value {
                Value::Placeholder(text) => {
                    Operand::Parameter(text.strip_prefix('$').and_then(|digits| digits.parse().ok()).unwrap_or(0))
                }
                value => Operand::Literal(value.to_string()),
            }),
            Expr::Cast { expr: inner, .. } => match self.side(inner) {
                Side::Value(operand) => Side::Value(operand),
                _ => Side::Mixed,
            },
            Expr::TypedString(typed) => Side::Value(Operand::Literal(typed.value.to_string())),
            Expr::Subquery(_) => Side::Value(Operand::Subquery),
            other if self.local_columns(other).is_empty() => {
                Side::Value(if self.has_columns(other) { Operand::Outer } else { Operand::Computed })
            }
            _ => Side::Mixed,
        }
    }
}

/// Removes parentheses.
fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

/// Returns the test of `key op value`, or of `value op key` if it is turned.
fn test_of(op: &BinaryOperator, operand: Operand, is_turned: bool) -> Test {
    use BinaryOperator::{
        Arrow, ArrowAt, AtArrow, AtAt, AtQuestion, Custom, Eq, Gt, GtEq, Lt, LtEq, PGCustomBinaryOperator, PGOverlap,
        Question, QuestionAnd, QuestionPipe,
    };
    match op {
        Eq => Test::Equal(operand),
        Lt | LtEq => Test::Range { is_upper: !is_turned, operand },
        Gt | GtEq => Test::Range { is_upper: is_turned, operand },
        AtArrow | ArrowAt => Test::Contains(if (*op == AtArrow) == is_turned { "<@" } else { "@>" }.to_owned()),
        AtAt | AtQuestion | PGOverlap | Question | QuestionAnd | QuestionPipe => Test::Contains(op.to_string()),
        // Referential checks are written with `OPERATOR(pg_catalog.=)`.
        PGCustomBinaryOperator(parts) if parts.last().is_some_and(|part| part == "=") => Test::Equal(operand),
        Arrow | Custom(_) => Test::Other,
        _ => Test::Other,
    }
}

/// Returns the form of a LIKE pattern.
fn form(pattern: &Expr) -> Pattern {
    match strip(pattern) {
        Expr::Value(value) => match value.value.clone().into_string() {
            Some(text) if text.starts_with(['%', '_']) => Pattern::Infix,
            Some(_) => Pattern::Prefix,
            None => Pattern::Unknown,
        },
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, .. } => match form(left) {
            Pattern::Unknown => Pattern::Unknown,
            known => known,
        },
        Expr::Cast { expr, .. } => form(expr),
        _ => Pattern::Unknown,
    }
}

/// Tells whether a subquery runs in a place that the role names.
pub(super) fn role_of(expr: &Expr) -> Option<Role> {
    match expr {
        Expr::Subquery(_) => Some(Role::Scalar),
        Expr::Exists { .. } => Some(Role::Exists),
        Expr::InSubquery { negated, .. } => Some(if *negated { Role::NotIn } else { Role::In }),
        _ => None,
    }
}
