//! Finds the runs of rows that become spans of a picture, and bounds their number.

use super::types::{SPANS_MAX, Span, SpanRole, position};

/// Returns a span for each run of rows at which `holds`. A span ends at the row after its run, or at the last row.
///
/// `timestamps`: ascending, epoch milliseconds.
///
/// ```
/// use almanac_engine::advise::picture::{SpanRole, spans_where};
///
/// let short = |row: usize| row == 1 || row == 2;
/// let spans = spans_where(&[0, 10, 20, 30], short, SpanRole::Shortfall, "falls short");
/// assert_eq!((spans.len(), spans[0].from, spans[0].to), (1, 10.0, 30.0));
/// ```
pub fn spans_where(timestamps: &[i64], holds: impl Fn(usize) -> bool, role: SpanRole, label: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open = false;
    for (row, &at_ms) in timestamps.iter().enumerate() {
        let held = holds(row);
        match spans.last_mut() {
            Some(span) if open => span.to = position(at_ms),
            _ if held => {
                spans.push(Span { from: position(at_ms), to: position(at_ms), role, label: label.to_owned() });
            }
            _ => {}
        }
        open = held;
    }
    spans
}

/// Spans of a picture, at most [`SPANS_MAX`]. Lists share the number fairly: a short list is drawn whole, of a longer one
/// the longest spans are drawn, and the text says how many are not.
#[derive(Debug, Clone, Default)]
pub struct SpanBudget(Vec<(String, Vec<Span>)>);

impl SpanBudget {
    /// Adds a list. `what`: plural noun for the text, such as "shortfalls of the reactive rule".
    pub fn add(&mut self, what: impl Into<String>, spans: Vec<Span>) {
        self.0.push((what.into(), spans));
    }

    /// Returns the spans in ascending time, and the text with a sentence about those that are left out.
    #[must_use]
    pub fn finish(self, mut text: String) -> (Vec<Span>, String) {
        let Self(mut lists) = self;
        // From the shortest list on, each may use an equal part of what is left.
        lists.sort_by_key(|(_, spans)| spans.len());
        let (mut drawn, n_lists) = (Vec::new(), lists.len());
        for (nth, (what, mut spans)) in lists.into_iter().enumerate() {
            let (all, most) = (spans.len(), (SPANS_MAX - drawn.len()) / (n_lists - nth));
            if all > most {
                spans.sort_by(|a, b| (b.to - b.from).total_cmp(&(a.to - a.from)));
                spans.truncate(most);
                text += &format!(" Of {all} {what} the {most} longest are drawn.");
            }
            drawn.extend(spans);
        }
        drawn.sort_by(|a, b| a.from.total_cmp(&b.from));
        (drawn, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_spans_until_the_next_row() {
        let at: Vec<i64> = (0..8).map(|row| row * 10).collect();
        let of = |text: &str| -> Vec<(f64, f64)> {
            let held: Vec<bool> = text.chars().map(|c| c == 'x').collect();
            let spans = spans_where(&at, |row| held[row], SpanRole::Alert, "a");
            spans.iter().map(|span| (span.from, span.to)).collect()
        };
        assert_eq!(of(".xx.x..x"), [(10.0, 30.0), (40.0, 50.0), (70.0, 70.0)]);
        assert_eq!(of("xxxxxxxx"), [(0.0, 70.0)]);
        assert_eq!(of("........"), []);
    }

    #[test]
    fn the_longest_are_kept_and_the_rest_is_counted() {
        let span = |from: u32, to: u32| Span {
            from: f64::from(from),
            to: f64::from(to),
            role: SpanRole::Shortfall,
            label: String::new(),
        };
        let many: Vec<Span> = (0..500).map(|n| span(10 * n, 10 * n + n % 7)).collect();
        let mut budget = SpanBudget::default();
        budget.add("shortfalls", many.clone());
        budget.add("incidents", vec![span(3, 4)]);
        let (spans, text) = budget.finish("Read this.".to_owned());
        assert_eq!(spans.len(), SPANS_MAX);
        assert!(spans.windows(2).all(|pair| pair[0].from <= pair[1].from));
        assert!(spans.iter().filter(|span| span.to - span.from > 5.5).count() >= 70);
        assert_eq!(text, "Read this. Of 500 shortfalls the 199 longest are drawn.");
        let mut budget = SpanBudget::default();
        ["a", "b", "c"].into_iter().for_each(|what| budget.add(what, many.clone()));
        assert_eq!(budget.finish(String::new()).0.len(), SPANS_MAX);
    }
}
