//! A parsed part of an expression, and the operators that join such parts.

use crate::signal::{
    ValueKind,
    plan::{BinaryOp, CompareOp, Node, SetOp},
};

/// A part of an expression with what the grammar has to know of it.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) node: Node,
    /// Its bytes in the text.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Levels of operations.
    pub(super) depth: usize,
    /// Whether modifiers may follow: a selector or subquery that is not in brackets.
    pub(super) bare: bool,
    /// Whether it has an `offset` or `@` of its own.
    pub(super) has_offset: bool,
    pub(super) has_at: bool,
}

impl Operand {
    pub(super) fn new(node: Node, start: usize, end: usize, depth: usize) -> Self {
        let bare = matches!(node, Node::Select(_) | Node::Range(_) | Node::Subquery(_));
        Self { node, start, end, depth, bare, has_offset: false, has_at: false }
    }

    pub(super) fn kind(&self) -> ValueKind {
        self.node.kind()
    }
}

/// How strongly operators bind; the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binding {
    Or,
    And,
    Compare,
    Sum,
    Product,
    Power,
}

impl Binding {
    pub(super) const WEAKEST: Self = Self::Or;

    /// What the right side of an operator that joins from the left must bind at least; none past the strongest.
    pub(super) fn stronger(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Compare,
            Self::Compare => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product | Self::Power => Self::Power,
        }
    }
}

/// Every binary operator as written.
const OPERATORS: [(&str, BinaryOp, Binding); 16] = [
    ("or", BinaryOp::Set(SetOp::Or), Binding::Or),
    ("and", BinaryOp::Set(SetOp::And), Binding::And),
    ("unless", BinaryOp::Set(SetOp::Unless), Binding::And),
    ("==", BinaryOp::Compare(CompareOp::Equal), Binding::Compare),
    ("!=", BinaryOp::Compare(CompareOp::NotEqual), Binding::Compare),
    (">=", BinaryOp::Compare(CompareOp::GreaterEqual), Binding::Compare),
    ("<=", BinaryOp::Compare(CompareOp::LessEqual), Binding::Compare),
    (">", BinaryOp::Compare(CompareOp::Greater), Binding::Compare),
    ("<", BinaryOp::Compare(CompareOp::Less), Binding::Compare),
    ("+", BinaryOp::Add, Binding::Sum),
    ("-", BinaryOp::Sub, Binding::Sum),
    ("*", BinaryOp::Mul, Binding::Product),
    ("/", BinaryOp::Div, Binding::Product),
    ("%", BinaryOp::Mod, Binding::Product),
    ("atan2", BinaryOp::Atan2, Binding::Product),
    ("^", BinaryOp::Pow, Binding::Power),
];

/// The operator that a symbol or a word, in any case, stands for.
pub(super) fn operator(text: &str) -> Option<(BinaryOp, Binding)> {
    OPERATORS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text)).map(|(_, op, binding)| (*op, *binding))
}
