//! The resources that a container requests, and the interface of every request rule.

use std::fmt;

const MEBIBYTE: f64 = 1_048_576.0;

/// A resource that a container requests from its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerResource {
    /// CPU, in cores. Usage above the request may wait.
    Cpu,
    /// Memory, in bytes. A container above its request may be killed.
    Memory,
}

impl ContainerResource {
    /// Both resources.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// Returns the default minimum request: 10 millicores or 16 mebibytes.
    #[must_use]
    pub fn usual_least(self) -> f64 {
        match self {
            Self::Cpu => 0.01,
            Self::Memory => 16.0 * MEBIBYTE,
        }
    }

    /// Returns the name for sentences.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "memory",
        }
    }

    /// Parses an amount as Kubernetes writes it (`0.5`, `500m`, `512Mi`, `1.5G`) into cores or bytes.
    ///
    /// # Errors
    /// A line that names the text and a valid form.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        let text = text.trim();
        let digits = text.find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')).unwrap_or(text.len());
        // `1e3` has an exponent; `1E` would be the suffix exa, which no container needs.
        let (number, suffix) = text.split_at(digits);
        let unit = match (self, suffix.trim()) {
            (_, "") => Some(1.0),
            (_, "m") => Some(1e-3),
            (Self::Cpu, "n") => Some(1e-9),
            (Self::Cpu, "u") => Some(1e-6),
            (Self::Memory, "k") => Some(1e3),
            (Self::Memory, "M") => Some(1e6),
            (Self::Memory, "G") => Some(1e9),
            (Self::Memory, "T") => Some(1e12),
            (Self::Memory, "Ki") => Some(1_024.0),
            (Self::Memory, "Mi") => Some(MEBIBYTE),
            (Self::Memory, "Gi") => Some(1_024.0 * MEBIBYTE),
            (Self::Memory, "Ti") => Some(1_048_576.0 * MEBIBYTE),
            _ => None,
        };
        let amount = unit.zip(number.trim().parse::<f64>().ok()).map(|(unit, number)| number * unit);
        amount.filter(|amount| amount.is_finite()).ok_or_else(|| {
            let right = match self {
                Self::Cpu => "cores like 0.5 or 500m",
                Self::Memory => "bytes like 536870912 or 512Mi",
            };
            format!("{text:?} is not an amount of {}; write {right}", self.name())
        })
    }

    /// Returns the smallest request of at least `amount` in whole millicores or mebibytes, and its Kubernetes form.
    #[must_use]
    pub fn quantity(self, amount: f64) -> (f64, String) {
        let (unit, suffix) = match self {
            Self::Cpu => (1e-3, "m"),
            Self::Memory => (MEBIBYTE, "Mi"),
        };
        // The tolerance keeps a whole number of units.
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

/// A rule for the request of one container. It is driven step by step: [`RequestRule::request`], then
/// [`RequestRule::observe`] of the same step.
pub trait RequestRule {
    /// Returns the request from `at_ms` on, with `current` in effect. Uses only usage observed before. None before any
    /// usage.
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64>;

    /// Adds the usage at `at_ms`.
    fn observe(&mut self, at_ms: i64, usage: f64);
}

#[cfg(test)]
mod tests {
    use super::ContainerResource::{Cpu, Memory};

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        for (resource, text, amount) in [
            (Cpu, "0.5", 0.5),
            (Cpu, " 500m ", 0.5),
            (Cpu, "1e-2", 0.01),
            (Memory, "16Mi", 16_777_216.0),
            (Memory, "1.5G", 1.5e9),
            (Memory, "1073741824", 1_073_741_824.0),
        ] {
            let read = resource.parse(text).unwrap();
            assert!((read - amount).abs() <= 1e-12 * amount, "{text}: {read}");
        }
        for (resource, text) in [(Cpu, "5Mi"), (Cpu, ""), (Memory, "lots"), (Memory, "5Q"), (Cpu, "inf")] {
            assert!(resource.parse(text).unwrap_err().contains("write"), "{text}");
        }
    }

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
