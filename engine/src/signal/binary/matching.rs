//! Operators between vectors: matches elements by their labels and computes the labels of the result.

use hashbrown::HashMap;

use super::{
    Operands,
    operators::{cells, changes_meaning},
};
use crate::{
    series::{Labels, METRIC_NAME},
    signal::{
        EvalLimits, SignalError,
        frame::{Frame, Interner, OF_METRIC, RowLabels, is_absent},
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
    let operands = Operands { limits, at: binary.start };
    let pairing = Pairing { binary, swapped, many, one, operands };
    let partners = by_signature(&one_signature, signatures.count);
    pairing.check_one_side(&partners)?;

    let mut output = Output {
        pairing: &pairing,
        result: Frame::new(left.steps),
        rows: HashMap::new(),
        computed: Vec::new(),
        matched: vec![false; signatures.count * left.steps],
        limits,
    };
    let (fill_one, fill_many) = pairing.fills();
    for (row, signature) in many_signature.iter().enumerate() {
        for partner in &partners[*signature] {
            let target = output.target(*signature, &many.rows[row], &one.rows[*partner])?;
            for step in 0..left.steps {
                let values = (many.cell(row, step), one.cell(*partner, step));
                if !is_absent(values.0) && !is_absent(values.1) {
                    output.set(target, *signature, step, values)?;
                }
            }
        }
        if let Some(fill) = fill_one {
            let filled = many.rows[row].with(pairing.matching_labels(&many.rows[row]));
            let target = output.target(*signature, &many.rows[row], &filled)?;
            for step in 0..left.steps {
                let has_partner = partners[*signature].iter().any(|partner| !is_absent(one.cell(*partner, step)));
                let value = many.cell(row, step);
                if !is_absent(value) && !has_partner {
                    output.set(target, *signature, step, (value, fill))?;
                }
            }
        }
    }
    for (partner, signature) in one_signature.iter().enumerate().filter(|_| fill_many.is_some()) {
        let filled = one.rows[partner].with(pairing.matching_labels(&one.rows[partner]));
        let target = output.target(*signature, &filled, &one.rows[partner])?;
        for step in 0..left.steps {
            let value = one.cell(partner, step);
            if let Some(fill) = fill_many
                && !is_absent(value)
                && !output.matched[signature * left.steps + step]
            {
                output.set(target, *signature, step, (fill, value))?;
            }
        }
    }
    output.result.compact().merge()
}

/// The result of pairs, row by row.
struct Output<'a> {
    pairing: &'a Pairing<'a>,
    result: Frame,
    /// Row of the result by signature and labels.
    rows: HashMap<(usize, Labels), usize>,
    /// Cells that were computed, including those where a comparison was false.
    computed: Vec<bool>,
    /// Steps of each signature at which a pair was computed.
    matched: Vec<bool>,
    limits: &'a EvalLimits,
}

impl Output<'_> {
    /// Returns the row for a pair of rows.
    fn target(&mut self, signature: usize, many: &RowLabels, one: &RowLabels) -> Result<usize, SignalError> {
        self.limits.check_cells(self.result.cells.len() + self.result.steps)?;
        let labels = self.pairing.result_labels(many, one);
        Ok(*self.rows.entry((signature, labels.clone())).or_insert_with(|| {
            let target = self.result.push_absent(self.pairing.row(many, labels));
            self.computed.resize(self.result.cells.len(), false);
            target
        }))
    }

    /// Computes a cell from the values of the `many` and the `one` side.
    fn set(&mut self, row: usize, signature: usize, step: usize, values: (f64, f64)) -> Result<(), SignalError> {
        let was_matched = std::mem::replace(&mut self.matched[signature * self.result.steps + step], true);
        let was_computed = std::mem::replace(&mut self.computed[row * self.result.steps + step], true);
        let one_to_one = self.pairing.binary.matching.cardinality == Cardinality::OneToOne;
        if was_computed || (one_to_one && was_matched) {
            return Err(self.pairing.several_matches(&self.result.rows[row].to_labels()));
        }
        self.result.row_mut(row)[step] = self.pairing.value(values.0, values.1);
        Ok(())
    }
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
    operands: Operands<'a>,
}

impl Pairing<'_> {
    /// Applies the operator to a pair, in the order written.
    fn value(&self, many: f64, one: f64) -> f64 {
        let (op, return_bool) = (self.binary.op, self.binary.return_bool);
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        cells(op, return_bool, left, right, self.operands)
    }

    /// Checks that the `one` side has at most one element of each signature at each step at which the other side has
    /// any.
    fn check_one_side(&self, partners: &[Vec<usize>]) -> Result<(), SignalError> {
        for rows in partners.iter().filter(|rows| rows.len() > 1) {
            for step in 0..self.one.steps {
                let mut present = rows.iter().filter(|row| !is_absent(self.one.cell(**row, step)));
                if let (Some(first), Some(second)) = (present.next(), present.next())
                    && (self.fills() != (None, None)
                        || (0..self.many.rows.len()).any(|row| !is_absent(self.many.cell(row, step))))
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

    /// Returns the values of missing elements of the `one` and of the `many` side. With `group_right` the sides are
    /// exchanged before they are filled, as in Prometheus: `fill_left` then fills the right side.
    fn fills(&self) -> (Option<f64>, Option<f64>) {
        (self.binary.matching.fill_right, self.binary.matching.fill_left)
    }

    /// Returns a row of the result. Where names are dropped from the result only, `bool` is one of the reasons.
    fn row(&self, many: &RowLabels, labels: Labels) -> RowLabels {
        let mut row = RowLabels::selected(labels, many.delays());
        if many.delays() && self.binary.return_bool {
            row.drop_name();
        }
        row
    }

    /// Returns the labels of the result of a pair.
    fn result_labels(&self, many: &RowLabels, one: &RowLabels) -> Labels {
        let Binary { op, matching, return_bool, .. } = self.binary;
        let mut dropped = Vec::new();
        if changes_meaning(*op, *return_bool && !many.delays()) {
            dropped.extend(OF_METRIC);
        }
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
            builder.set(name, one.get(name));
        }
        builder.build()
    }
}
