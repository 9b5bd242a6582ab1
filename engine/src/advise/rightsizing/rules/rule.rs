use std::fmt;

/// What a container asks its node for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerResource {
    /// Processors, in cores: what exceeds the request waits.
    Cpu,
    /// Memory, in bytes: what exceeds the request is killed.
    Memory,
}

impl ContainerResource {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// The least request not below `amount` that Kubernetes writes in whole millicores or mebibytes, and how it is written.
    #[must_use]
    pub fn quantity(self, amount: f64) -> (f64, String) {
        let (unit, suffix) = match self {
            Self::Cpu => (1e-3, "m"),
            Self::Memory => (1_048_576.0, "Mi"),
        };
        // A whole number of units stays one, rounding aside.
        let units = (amount / unit * (1.0 - 1e-12)).ceil().max(1.0);
        (units * unit, format!("{units:.0}{suffix}"))
    }
}

impl fmt::Display for ContainerResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        })
    }
}

/// A rule for the request of one container, driven step by step: [`RequestRule::request`], then
/// [`RequestRule::observe`] of the same step.
pub trait RequestRule {
    /// The request from `at_ms` on, with `current` in force; only usage already observed is known. None while there is
    /// nothing to say.
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64>;

    /// The usage at `at_ms`.
    fn observe(&mut self, at_ms: i64, usage: f64);
}

#[cfg(test)]
mod tests {
    use super::ContainerResource::{Cpu, Memory};

    #[test]
    fn requests_are_written_in_whole_units() {
        for (resource, amount, request, written) in [
            (Cpu, 0.25, 0.25, "250m"),
            (Cpu, 0.2501, 0.251, "251m"),
            (Cpu, 0.0, 0.001, "1m"),
            (Memory, 1_048_576.0 * 1_500.0, 1_048_576.0 * 1_500.0, "1500Mi"),
            (Memory, 1.0, 1_048_576.0, "1Mi"),
        ] {
            let (rounded, text) = resource.quantity(amount);
            assert!((rounded - request).abs() < 1e-9 * request && text == written, "{amount}: {rounded} {text}");
        }
    }
}
