//! Linear algebra on small dense systems.

/// Solves `a · x = b` for a symmetric positive definite `a` by Cholesky factorisation, in place.
///
/// `a`: row-major `n × n`, its lower triangle is read and overwritten; `b`: length `n`, overwritten by the solution.
/// Returns `false`, with `b` undefined, when a pivot is not positive (singular or not finite).
///
/// # Reference
/// Golub & Van Loan (2013), Matrix Computations, algorithm 4.2.1.
///
/// # Panics
/// When `a` is shorter than `n²`, with `n` the length of `b`.
pub fn solve_spd(a: &mut [f64], b: &mut [f64]) -> bool {
    let n = b.len();
    // Factorise a = L · Lᵀ, column by column.
    for j in 0..n {
        for k in 0..j {
            let l_jk = a[j * n + k];
            if l_jk != 0.0 {
                for i in j..n {
                    a[i * n + j] -= a[i * n + k] * l_jk;
                }
            }
        }
        let pivot = a[j * n + j];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let root = pivot.sqrt();
        for i in j..n {
            a[i * n + j] /= root;
        }
    }
    // Forward substitution with L, then backward with Lᵀ.
    for i in 0..n {
        let mut sum = b[i];
        for k in 0..i {
            sum -= a[i * n + k] * b[k];
        }
        b[i] = sum / a[i * n + i];
    }
    for i in (0..n).rev() {
        let mut sum = b[i];
        for k in i + 1..n {
            sum -= a[k * n + i] * b[k];
        }
        b[i] = sum / a[i * n + i];
    }
    b.iter().all(|x| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_a_known_system() {
        // [[4, 2], [2, 3]] · [1, 2] = [8, 8], by hand.
        let mut a = vec![4.0, 2.0, 2.0, 3.0];
        let mut b = vec![8.0, 8.0];
        assert!(solve_spd(&mut a, &mut b));
        assert!((b[0] - 1.0).abs() < 1e-12 && (b[1] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_singular_matrix_returns_false() {
        let mut a = vec![1.0, 1.0, 1.0, 1.0];
        assert!(!solve_spd(&mut a, &mut [1.0, 1.0]));
        let mut a = vec![f64::NAN];
        assert!(!solve_spd(&mut a, &mut [1.0]));
    }
}
