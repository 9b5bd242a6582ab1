//! Tools on syntax trees that all rewriters share. What is not understood is refused with a reason.

mod check;
mod finish;
mod make;
mod refusal;
mod scope;

pub(super) use check::{has_aggregate, is_constant, is_error_free, plain, pure};
pub(super) use finish::{finish, is_printable};
pub(super) use make::{
    conjuncts, directed, ident, is_count, joined, name_of, parameter, parameters_in, strip, taken, text_of_type,
    value_type, wrapped,
};
pub(super) use refusal::{Refusal, refuse};
pub(super) use scope::{Output, Scope, aggregate_of, output_names, unique_keys};
