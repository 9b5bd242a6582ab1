//! The syntax tree of an expression for callers: nodes with named fields, as in Prometheus' `/api/v1/parse_query`.

use super::{Binary, BinaryOp, Cardinality, DurationNode, Node, Selector, SetOp, Subquery, text};
use crate::{
    series::METRIC_NAME,
    signal::{
        ValueKind,
        functions::Function,
        time::{At, Extension, TimeShift},
    },
};

/// A node of a syntax tree: its fields in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree(pub Vec<(&'static str, TreeValue)>);

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum TreeValue {
    /// No value.
    None,
    /// A flag.
    Flag(bool),
    /// An integer, such as milliseconds.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A node.
    Node(Tree),
    /// A list.
    List(Vec<TreeValue>),
}

impl From<&str> for TreeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

fn list<T>(items: impl IntoIterator<Item = T>, value: impl FnMut(T) -> TreeValue) -> TreeValue {
    TreeValue::List(items.into_iter().map(value).collect())
}

fn texts(names: &[String]) -> TreeValue {
    list(names, |name| TreeValue::Text(name.clone()))
}

fn node(tree: &Node) -> TreeValue {
    TreeValue::Node(of(tree))
}

/// Returns the tree below a node.
pub(super) fn of(tree: &Node) -> Tree {
    let fields = match tree {
        Node::Number(value) => vec![("type", "numberLiteral".into()), ("val", TreeValue::Text(text::number(*value)))],
        Node::Duration(seconds) => {
            vec![("type", "numberLiteral".into()), ("val", TreeValue::Text(text::number(*seconds)))]
        }
        Node::String(value) => vec![("type", "stringLiteral".into()), ("val", TreeValue::Text(value.clone()))],
        Node::Paren(inner) => vec![("type", "parenExpr".into()), ("expr", node(inner))],
        Node::Negate(inner) => vec![("type", "unaryExpr".into()), ("op", "-".into()), ("expr", node(inner))],
        Node::Plus(inner) => vec![("type", "unaryExpr".into()), ("op", "+".into()), ("expr", node(inner))],
        Node::Select(selector) => {
            let mut fields = vec![("type", "vectorSelector".into())];
            fields.extend(selector_fields(selector));
            fields
        }
        Node::Range(range) => {
            let mut fields = vec![
                ("type", "matrixSelector".into()),
                ("range", TreeValue::Integer(known(range.range.as_deref(), range.range_ms))),
                ("rangeExpr", expression(range.range.as_deref())),
            ];
            fields.extend(selector_fields(&range.selector));
            fields
        }
        Node::Subquery(subquery) => subquery_fields(subquery),
        Node::Call(call) => vec![
            ("type", "call".into()),
            ("func", TreeValue::Node(function(call.function))),
            ("args", list(&call.args, node)),
        ],
        Node::Aggregate(aggregate) => vec![
            ("type", "aggregation".into()),
            ("op", aggregate.op.name().into()),
            ("expr", node(&aggregate.inner)),
            ("param", aggregate.param.as_ref().map_or(TreeValue::None, node)),
            ("grouping", texts(&aggregate.grouping.names)),
            ("without", TreeValue::Flag(aggregate.grouping.without)),
        ],
        Node::Binary(binary) => vec![
            ("type", "binaryExpr".into()),
            ("op", binary.op.symbol().into()),
            ("lhs", node(&binary.left)),
            ("rhs", node(&binary.right)),
            ("matching", matching(binary)),
            ("bool", TreeValue::Flag(binary.return_bool)),
        ],
    };
    Tree(fields)
}

/// Returns the length of a duration that does not depend on the query, else 0.
fn known(expression: Option<&DurationNode>, ms: i64) -> i64 {
    if expression.is_some() { 0 } else { ms }
}

fn selector_fields(selector: &Selector) -> Vec<(&'static str, TreeValue)> {
    let name = if selector.has_name { selector.matchers.first().map_or("", |first| first.value()) } else { "" };
    // The matcher of a name before the braces is the last one, as in Prometheus.
    let skipped = usize::from(selector.has_name);
    let matchers = selector.matchers.iter().skip(skipped).chain(selector.matchers.iter().take(skipped));
    let matcher = |matcher: &crate::series::Matcher| {
        TreeValue::Node(Tree(vec![
            ("name", matcher.name().into()),
            ("value", matcher.value().into()),
            ("type", text::match_symbol(matcher.op()).into()),
        ]))
    };
    debug_assert!(!selector.has_name || selector.matchers[0].name() == METRIC_NAME);
    let mut fields = vec![("name", name.into()), ("matchers", list(matchers, matcher))];
    fields.extend(shift_fields(selector.shift, selector.offset.as_deref()));
    fields.push(("anchored", TreeValue::Flag(selector.extension == Some(Extension::Anchored))));
    fields.push(("smoothed", TreeValue::Flag(selector.extension == Some(Extension::Smoothed))));
    fields
}

fn subquery_fields(subquery: &Subquery) -> Vec<(&'static str, TreeValue)> {
    let mut fields = vec![
        ("type", "subquery".into()),
        ("expr", node(&subquery.inner)),
        ("range", TreeValue::Integer(known(subquery.range.as_deref(), subquery.range_ms))),
        ("rangeExpr", expression(subquery.range.as_deref())),
        ("step", TreeValue::Integer(known(subquery.step.as_deref(), subquery.step_ms.unwrap_or(0)))),
        ("stepExpr", expression(subquery.step.as_deref())),
    ];
    fields.extend(shift_fields(subquery.shift, subquery.offset.as_deref()));
    fields
}

fn shift_fields(shift: TimeShift, offset: Option<&DurationNode>) -> Vec<(&'static str, TreeValue)> {
    let (timestamp, edge) = match shift.at {
        None => (TreeValue::None, TreeValue::None),
        Some(At::Time(ms)) => (TreeValue::Integer(ms), TreeValue::None),
        Some(At::Start) => (TreeValue::None, "start".into()),
        Some(At::End) => (TreeValue::None, "end".into()),
    };
    vec![
        ("offset", TreeValue::Integer(known(offset, shift.offset_ms))),
        ("offsetExpr", expression(offset)),
        ("timestamp", timestamp),
        ("startOrEnd", edge),
    ]
}

/// Returns the tree of an expression of durations.
fn expression(duration: Option<&DurationNode>) -> TreeValue {
    duration.map_or(TreeValue::None, |duration| TreeValue::Node(duration_tree(duration, false)))
}

fn duration_tree(duration: &DurationNode, is_wrapped: bool) -> Tree {
    let inner = |node: &DurationNode| TreeValue::Node(duration_tree(node, false));
    let (op, left, right) = match duration {
        DurationNode::Bracketed(inner) => return duration_tree(inner, true),
        DurationNode::Number { seconds, has_unit } => {
            return Tree(vec![
                ("type", "numberLiteral".into()),
                ("val", TreeValue::Text(text::number(*seconds))),
                ("duration", TreeValue::Flag(*has_unit)),
            ]);
        }
        DurationNode::Step => ("step", TreeValue::None, TreeValue::None),
        DurationNode::Range => ("range", TreeValue::None, TreeValue::None),
        DurationNode::Signed { negative, inner: of } => (if *negative { "-" } else { "+" }, TreeValue::None, inner(of)),
        DurationNode::LeastOf(left, right) => ("min_of", inner(left), inner(right)),
        DurationNode::GreatestOf(left, right) => ("max_of", inner(left), inner(right)),
        DurationNode::Arithmetic { op, left, right } => (op.symbol(), inner(left), inner(right)),
    };
    Tree(vec![
        ("type", "durationExpr".into()),
        ("op", op.into()),
        ("lhs", left),
        ("rhs", right),
        ("wrapped", TreeValue::Flag(is_wrapped)),
    ])
}

fn function(function: &Function) -> Tree {
    let (least, most) = function.counts();
    // Prometheus: 0 exactly, -1 any number, else this many of the last arguments may be left out.
    let optional = match most {
        Some(most) if most == least => 0,
        Some(most) => i64::try_from(most - least).unwrap_or(0),
        None => -1,
    };
    Tree(vec![
        ("name", function.name.into()),
        ("argTypes", list(function.args, |kind| kind_name(*kind).into())),
        ("variadic", TreeValue::Integer(optional)),
        ("returnType", kind_name(function.kind()).into()),
    ])
}

fn kind_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Scalar => "scalar",
        ValueKind::Vector => "vector",
        ValueKind::Matrix => "matrix",
        ValueKind::String => "string",
    }
}

/// Returns how the elements of two vectors match; none if a side is a scalar.
fn matching(binary: &Binary) -> TreeValue {
    if [&binary.left, &binary.right].into_iter().any(|side| side.kind() == ValueKind::Scalar) {
        return TreeValue::None;
    }
    let matching = &binary.matching;
    let is_set = matches!(binary.op, BinaryOp::Set(SetOp::And | SetOp::Or | SetOp::Unless));
    let (cardinality, included): (_, &[String]) = match &matching.cardinality {
        Cardinality::OneToOne if is_set => ("many-to-many", &[]),
        Cardinality::OneToOne => ("one-to-one", &[]),
        Cardinality::ManyToOne(included) => ("many-to-one", included),
        Cardinality::OneToMany(included) => ("one-to-many", included),
    };
    let fill = |value: Option<f64>| value.map_or(TreeValue::None, TreeValue::Number);
    let fills = Tree(vec![("lhs", fill(matching.fill_left)), ("rhs", fill(matching.fill_right))]);
    TreeValue::Node(Tree(vec![
        ("card", cardinality.into()),
        ("labels", texts(&matching.names)),
        ("on", TreeValue::Flag(matching.on)),
        ("include", texts(included)),
        ("fillValues", TreeValue::Node(fills)),
    ]))
}
