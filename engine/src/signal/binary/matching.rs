//! Operators between vectors: which elements match, and with which labels the result is given.

use hashbrown::HashMap;

use super::operators::{apply, changes_meaning};
use crate::{
    series::{Labels, METRIC_NAME},
    signal::{
        EvalLimits, SignalError,
        frame::{Frame, Interner, RowLabels, is_absent},
        plan::{Binary, Cardinality, Matching},
    },
};

/// The signature of each row: the same number where the matching labels are equal.
pub(super) type Side = Vec<usize>;

/// Both sides of a binary operation by what makes their elements match.
pub(super) struct Signatures {
    pub(super) left: Side,
    pub(super) right: Side,
    pub(super) count: usize,
}

pub(super) fn signatures(left: &Frame, right: &Frame, matching: &Matching) -> Signatures {
    let mut names: Vec<&str> = matching.names.iter().map(String::as_str).collect();
    if !matching.on {
        names.push(METRIC_NAME);
    }
    names.sort_unstable();
    let mut interner = Interner::default();
    let mut side = |frame: &Frame| -> Side {
        let id = |row: &RowLabels| {
            interner.id(row.iter().filter(|(name, _)| names.binary_search(name).is_ok() == matching.on))
        };
        frame.rows.iter().map(id).collect()
    };
    let (left, right) = (side(left), side(right));
    Signatures { left, right, count: interner.len() }
}

/// An arithmetic operation or comparison between the matching elements of two vectors.
///
/// # Errors
/// [`SignalError::Matching`] when an element has several partners at one step where it may have one.
pub(in crate::signal) fn between_vectors(
    binary: &Binary,
    left: &Frame,
    right: &Frame,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let signatures = signatures(left, right, &binary.matching);
    let swapped = matches!(binary.matching.cardinality, Cardinality::OneToMany(_));
    // From here on several elements of `many` may match one of `one`; one-to-one is checked below.
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let (many_signature, one_signature) =
        if swapped { (signatures.right, signatures.left) } else { (signatures.left, signatures.right) };
    let pairing = Pairing { binary, swapped, many, one };
    let partners = by_signature(&one_signature, signatures.count);
    pairing.check_one_side(&partners)?;

    let mut result = Frame::new(left.steps);
    let mut made: HashMap<(usize, Labels), usize> = HashMap::new();
    // What was computed at each step, also where a comparison then did not hold.
    let mut computed: Vec<bool> = Vec::new();
    let one_to_one = binary.matching.cardinality == Cardinality::OneToOne;
    let mut matched = vec![false; if one_to_one { signatures.count * left.steps } else { 0 }];
    for (row, signature) in many_signature.iter().enumerate() {
        for partner in &partners[*signature] {
            limits.check_cells(result.cells.len() + result.steps)?;
            let labels = pairing.result_labels(row, *partner);
            let target = *made.entry((*signature, labels.clone())).or_insert_with(|| {
                let target = result.push_absent(RowLabels::new(labels.clone()));
                computed.resize(result.cells.len(), false);
                target
            });
            for step in 0..result.steps {
                let (many_value, one_value) = (many.cell(row, step), one.cell(*partner, step));
                if is_absent(many_value) || is_absent(one_value) {
                    continue;
                }
                let seen = if one_to_one {
                    &mut matched[signature * result.steps + step]
                } else {
                    &mut computed[target * result.steps + step]
                };
                if std::mem::replace(seen, true) {
                    return Err(pairing.several_matches(&labels));
                }
                let value = pairing.value(many_value, one_value);
                result.row_mut(target)[step] = value;
            }
        }
    }
    result.compact().merge()
}

fn by_signature(signature: &Side, count: usize) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); count];
    signature.iter().enumerate().for_each(|(row, signature)| rows[*signature].push(row));
    rows
}

struct Pairing<'a> {
    binary: &'a Binary,
    swapped: bool,
    many: &'a Frame,
    one: &'a Frame,
}

impl Pairing<'_> {
    fn value(&self, many: f64, one: f64) -> f64 {
        let (op, return_bool) = (self.binary.op, self.binary.return_bool);
        if self.swapped { apply(op, return_bool, one, many) } else { apply(op, return_bool, many, one) }
    }

    /// Where one element is allowed there may be only one at any step at which both sides have elements.
    fn check_one_side(&self, partners: &[Vec<usize>]) -> Result<(), SignalError> {
        for rows in partners.iter().filter(|rows| rows.len() > 1) {
            for step in 0..self.one.steps {
                let mut there = rows.iter().filter(|row| !is_absent(self.one.cell(**row, step)));
                if let (Some(first), Some(second)) = (there.next(), there.next())
                    && (0..self.many.rows.len()).any(|row| !is_absent(self.many.cell(row, step)))
                {
                    let side = if self.swapped { "left" } else { "right" };
                    let (first, second) = (&self.one.rows[*first], &self.one.rows[*second]);
                    return Err(SignalError::Matching {
                        message: format!(
                            "several elements on the {side} side match {}: {} and {}; many-to-many matching is not allowed",
                            self.matching_labels(first),
                            first.to_labels(),
                            second.to_labels(),
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    fn several_matches(&self, labels: &Labels) -> SignalError {
        let message = match self.binary.matching.cardinality {
            Cardinality::OneToOne => format!(
                "several elements on the left side match one on the right for {labels}: many-to-one matching must be explicit (group_left or group_right)"
            ),
            _ => format!("several matches give the labels {labels}: grouping labels must ensure unique matches"),
        };
        SignalError::Matching { message }
    }

    fn matching_labels(&self, row: &RowLabels) -> Labels {
        let mut names: Vec<&str> = self.binary.matching.names.iter().map(String::as_str).collect();
        if self.binary.matching.on {
            return row.only(&names);
        }
        names.push(METRIC_NAME);
        row.without(&names)
    }

    /// The labels of what a pair gives.
    fn result_labels(&self, many: usize, one: usize) -> Labels {
        let Binary { op, matching, return_bool, .. } = self.binary;
        let mut dropped = Vec::new();
        if changes_meaning(*op, *return_bool) {
            dropped.push(METRIC_NAME);
        }
        let many = &self.many.rows[many];
        let names = matching.names.iter().map(String::as_str);
        let labels = match (&matching.cardinality, matching.on) {
            (Cardinality::OneToOne, true) => {
                let kept: Vec<&str> = names.filter(|name| !dropped.contains(name)).collect();
                many.only(&kept)
            }
            (Cardinality::OneToOne, false) => {
                dropped.extend(names);
                many.without(&dropped)
            }
            _ => many.without(&dropped),
        };
        let included = match &matching.cardinality {
            Cardinality::OneToOne => return labels,
            Cardinality::ManyToOne(included) | Cardinality::OneToMany(included) => included,
        };
        if included.is_empty() {
            return labels;
        }
        let mut builder = labels.to_builder();
        for name in included {
            builder.set(name, self.one.rows[one].get(name));
        }
        builder.build()
    }
}
