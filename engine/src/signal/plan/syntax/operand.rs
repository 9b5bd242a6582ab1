//! Parsed operands, and the binary operators with their precedence.

use crate::signal::{
    ValueKind,
    plan::{BinaryOp, CompareOp, Node, SetOp},
};

/// A parsed operand with the properties that the grammar checks.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) node: Node,
    /// First byte in the text.
    pub(super) start: usize,
    /// Byte after the last one in the text.
    pub(super) end: usize,
    /// Depth of the tree of operations.
    pub(super) depth: usize,
    /// Whether modifiers may follow: true for a selector or subquery that is not in parentheses.
    pub(super) bare: bool,
    /// Whether it has an `offset`.
    pub(super) has_offset: bool,
    /// Whether it has an `@`.
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

/// Precedence of binary operators, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precedence {
    Or,
    And,
    Compare,
    Sum,
    Product,
    Power,
}

impl Precedence {
    pub(super) const LOWEST: Self = Self::Or;

    /// Returns the next higher precedence: the minimum in the right operand of a left-associative operator.
    pub(super) fn next_higher(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Compare,
            Self::Compare => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product | Self::Power => Self::Power,
        }
    }
}

/// All binary operators as written.
const OPERATORS: [(&str, BinaryOp, Precedence); 18] = [
    ("or", BinaryOp::Set(SetOp::Or), Precedence::Or),
    ("and", BinaryOp::Set(SetOp::And), Precedence::And),
    ("unless", BinaryOp::Set(SetOp::Unless), Precedence::And),
    ("==", BinaryOp::Compare(CompareOp::Equal), Precedence::Compare),
    ("!=", BinaryOp::Compare(CompareOp::NotEqual), Precedence::Compare),
    (">=", BinaryOp::Compare(CompareOp::GreaterEqual), Precedence::Compare),
    ("<=", BinaryOp::Compare(CompareOp::LessEqual), Precedence::Compare),
    (">", BinaryOp::Compare(CompareOp::Greater), Precedence::Compare),
    ("<", BinaryOp::Compare(CompareOp::Less), Precedence::Compare),
    ("</", BinaryOp::TrimUpper, Precedence::Compare),
    (">/", BinaryOp::TrimLower, Precedence::Compare),
    ("+", BinaryOp::Add, Precedence::Sum),
    ("-", BinaryOp::Sub, Precedence::Sum),
    ("*", BinaryOp::Mul, Precedence::Product),
    ("/", BinaryOp::Div, Precedence::Product),
    ("%", BinaryOp::Mod, Precedence::Product),
    ("atan2", BinaryOp::Atan2, Precedence::Product),
    ("^", BinaryOp::Pow, Precedence::Power),
];

/// Returns the operator of a symbol or word, ignoring case.
pub(super) fn operator(text: &str) -> Option<(BinaryOp, Precedence)> {
    OPERATORS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text)).map(|(_, op, precedence)| (*op, *precedence))
}
