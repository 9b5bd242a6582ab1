//! Operators between vectors: matches elements by their labels and computes the labels of the result.

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

/// Signature of each row: equal numbers if the matching labels are equal.
pub(super) type RowSignatures = Vec<usize>;

/// The signatures of both sides of a binary operation.
pub(super) struct Signatures {
    pub(super) left: RowSignatures,
    pub(super) right: RowSignatures,
    /// Number of different signatures.
    pub(super) count: usize,
}

/// Computes the signatures of both sides from the labels of `on` or `ignoring`.
pub(super) fn signatures(left: &Frame, right: &Frame, matching: &Matching) -> Signatures {
    let mut names: Vec<&str> = matching.names.iter().map(String::as_str).collect();
    if !matching.on {
        names.push(METRIC_NAME);
    }
    names.sort_unstable();
    let mut interner = Interner::default();
    let mut side = |frame: &Frame| -> RowSignatures {
        let id = |row: &RowLabels| {
            interner.id(row.iter().filter(|(name, _)| names.binary_search(name).is_ok() == matching.on))
        };
        frame.rows.iter().map(id).collect()
    };
    let (left, right) = (side(left), side(right));
    Signatures { left, right, count: interner.len() }
}

/// Applies an arithmetic operator or a comparison to the matching elements of two vectors.
///
/// # Errors
/// [`SignalError::Matching`] if an element matches several elements at a step where only one match is allowed.
pub(in crate::signal) fn between_vectors(
    binary: &Binary,
    left: &Frame,
    right: &Frame,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let signatures = signatures(left, right, &binary.matching);
    let swapped = matches!(binary.matching.cardinality, Cardinality::OneToMany(_));
    // All cardinalities are computed as many-to-one. One-to-one is checked by `matched` below.
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let (many_signature, one_signature) =
        if swapped { (signatures.right, signatures.left) } else { (signatures.left, signatures.right) };
    let pairing = Pairing { binary, swapped, many, one };
    let partners = by_signature(&one_signature, signatures.count);
    pairing.check_one_side(&partners)?;

    let mut result = Frame::new(left.steps);
    // Row of the result by signature and labels.
    let mut rows_of_result: HashMap<(usize, Labels), usize> = HashMap::new();
    // Cells that were computed, including those where a comparison was false.
    let mut computed: Vec<bool> = Vec::new();
    let one_to_one = binary.matching.cardinality == Cardinality::OneToOne;
    let mut matched = vec![false; if one_to_one { signatures.count * left.steps } else { 0 }];
    for (row, signature) in many_signature.iter().enumerate() {
        for partner in &partners[*signature] {
            limits.check_cells(result.cells.len() + result.steps)?;
            let labels = pairing.result_labels(row, *partner);
            let target = *rows_of_result.entry((*signature, labels.clone())).or_insert_with(|| {
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

/// Returns the rows of each signature.
fn by_signature(signature: &RowSignatures, count: usize) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); count];
    signature.iter().enumerate().for_each(|(row, signature)| rows[*signature].push(row));
    rows
}

/// A binary operation whose elements are paired many-to-one.
struct Pairing<'a> {
    binary: &'a Binary,
    /// Whether `many` is the right side.
    swapped: bool,
    many: &'a Frame,
    one: &'a Frame,
}

impl Pairing<'_> {
    /// Applies the operator to a pair, in the order written.
    fn value(&self, many: f64, one: f64) -> f64 {
        let (op, return_bool) = (self.binary.op, self.binary.return_bool);
        if self.swapped { apply(op, return_bool, one, many) } else { apply(op, return_bool, many, one) }
    }

    /// Checks that the `one` side has at most one element of each signature at each step at which the other side has
    /// any.
    fn check_one_side(&self, partners: &[Vec<usize>]) -> Result<(), SignalError> {
        for rows in partners.iter().filter(|rows| rows.len() > 1) {
            for step in 0..self.one.steps {
                let mut present = rows.iter().filter(|row| !is_absent(self.one.cell(**row, step)));
                if let (Some(first), Some(second)) = (present.next(), present.next())
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

    /// Returns the error of several matches for one element of the result.
    fn several_matches(&self, labels: &Labels) -> SignalError {
        let message = match self.binary.matching.cardinality {
            Cardinality::OneToOne => format!(
                "several elements on the left side match one on the right for {labels}: many-to-one matching must be explicit (group_left or group_right)"
            ),
            _ => format!("several matches give the labels {labels}: grouping labels must ensure unique matches"),
        };
        SignalError::Matching { message }
    }

    /// Returns the labels of a row by which it is matched.
    fn matching_labels(&self, row: &RowLabels) -> Labels {
        let mut names: Vec<&str> = self.binary.matching.names.iter().map(String::as_str).collect();
        if self.binary.matching.on {
            return row.only(&names);
        }
        names.push(METRIC_NAME);
        row.without(&names)
    }

    /// Returns the labels of the result of a pair.
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
        // Labels named in `group_left` or `group_right` come from the `one` side.
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
