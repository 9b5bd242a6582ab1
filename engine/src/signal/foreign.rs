//! Syntax trees of the crate `promql-parser`, for code that rewrites or compares expressions.
//!
//! The crate panics on some input, such as a range of `1e30`, and ends the process on deeply nested input when the tree
//! is dropped. This module therefore parses with our own grammar first, which refuses both, and makes any panic that is
//! left a refusal.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

use promql_parser::parser::Expr;

use super::parse;

thread_local! {
    /// Whether a panic of this thread is caught and says nothing.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Parses an expression and passes its tree to `read`. `None` if either parser refuses it, and if `read` returns none or
/// panics in the crate's code, such as in writing the tree.
pub(crate) fn tree<T>(expr: &str, read: impl FnOnce(Expr) -> Option<T>) -> Option<T> {
    parse(expr).ok()?;
    quietly(|| promql_parser::parser::parse(expr).ok().and_then(read)).flatten()
}

/// Runs `work`; `None` if it panics. The panic writes no message and no backtrace; those of other threads, and later
/// ones of this thread, are not affected.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    HOOK.call_once(|| {
        let former = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                former(panic);
            }
        }));
    });
    let was_quiet = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(was_quiet);
    done.inspect_err(|_| tracing::debug!("promql-parser panicked on an expression, which is left as it is")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set in the process that the test below starts.
    const CHILD: &str = "ALMANAC_TEST_QUIET";

    #[test]
    fn a_panic_of_the_crate_is_a_refusal_and_others_are_still_reported() {
        let inputs = ["x[1e30]", "x offset 1e300", "rate(x[99999999999999999999])"];
        if std::env::var_os(CHILD).is_some() {
            // The crate itself panics on the first; without that, this test would show nothing.
            assert!(quietly(|| promql_parser::parser::parse(inputs[0]).is_ok()).is_none());
            assert!(inputs.iter().all(|expr| tree(expr, Some).is_none()));
            assert!(catch_unwind(|| panic!("a loud one")).is_err());
            assert!(std::thread::spawn(|| panic!("another thread")).join().is_err());
            return;
        }
        let name = "signal::foreign::tests::a_panic_of_the_crate_is_a_refusal_and_others_are_still_reported";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let done = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let log = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("1 passed"), "{log}");
        assert!(log.contains("a loud one") && log.contains("another thread"), "{log}");
        assert_eq!(log.matches("panicked at").count(), 2, "{log}");
    }

    #[test]
    fn trees_of_refused_expressions_are_not_built() {
        for expr in ["", "sum(", &"(".repeat(100_000), &format!("{}1", "-".repeat(100_000))] {
            assert!(tree(expr, Some).is_none(), "{}", expr.len());
        }
        assert_eq!(
            tree("sum by(job)(rate(x[5m]))", |tree| Some(tree.to_string())).unwrap(),
            "sum by (job) (rate(x[5m]))"
        );
    }
}
