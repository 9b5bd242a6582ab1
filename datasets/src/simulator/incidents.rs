//! Plans incidents and applies their effects to simulated values.

use rand::{Rng, seq::SliceRandom};

use super::{SimulatorOptions, options::DAY_MS};

/// Kind of an injected incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// Other processes use up the API's processor.
    ProcessorHog,
    /// A lock is held on a table.
    TableLock,
    /// Redis does not answer.
    RedisPause,
    /// The API leaks memory.
    MemoryLeak,
    /// The worker processes no jobs.
    QueueStall,
    /// A part of the requests fails.
    ErrorBurst,
    /// Traffic of more than twice the usual.
    TrafficSurge,
}

/// Change of a measurement by an incident at full strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Effect {
    /// Multiplies the value.
    Times(f64),
    /// Raises the value to this one; a higher value stays.
    Reach(f64),
}

impl IncidentKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::ProcessorHog,
        Self::TableLock,
        Self::RedisPause,
        Self::MemoryLeak,
        Self::QueueStall,
        Self::ErrorBurst,
        Self::TrafficSurge,
    ];

    /// Returns the title of the incident.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ProcessorHog => "processor hog in the API's container",
            Self::TableLock => "lock held on tasks",
            Self::RedisPause => "Redis does not answer",
            Self::MemoryLeak => "API leaks memory",
            Self::QueueStall => "worker's queue stalls",
            Self::ErrorBurst => "requests fail",
            Self::TrafficSurge => "traffic surge",
        }
    }

    /// Returns the affected part of the application.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::TableLock => "postgres",
            Self::RedisPause => "redis",
            Self::QueueStall => "worker",
            _ => "api",
        }
    }

    /// Returns the effects by name of the catalogue; `load` is the rate of requests itself.
    pub(super) const fn effects(self) -> &'static [(&'static str, Effect)] {
        use Effect::{Reach, Times};
        const MB: f64 = 1_048_576.0;
        match self {
            Self::ProcessorHog => &[
                ("api_cpu", Reach(0.985)),
                ("api_health", Times(5.0)),
                ("api_calendar_events", Times(5.0)),
                ("api_tasks", Times(5.0)),
                ("api_auth_refresh", Times(5.0)),
                ("web_ttfb", Times(2.0)),
            ],
            Self::TableLock => &[
                ("query_simple", Times(8.0)),
                ("query_join", Times(8.0)),
                ("query_aggregation", Times(7.0)),
                ("api_calendar_events", Times(6.0)),
                ("api_tasks", Times(8.0)),
                ("db_connections", Reach(47.0)),
                ("queue_depth", Reach(190.0)),
            ],
            Self::RedisPause => &[
                ("redis_get", Times(60.0)),
                ("redis_set", Times(60.0)),
                ("redis_session", Times(50.0)),
                ("cache_miss_ratio", Reach(0.8)),
                ("api_calendar_events", Times(5.0)),
                ("api_tasks", Times(6.0)),
                ("api_auth_refresh", Times(6.0)),
                ("db_cpu", Reach(0.9)),
                ("error_ratio", Reach(0.09)),
            ],
            Self::MemoryLeak => &[("api_memory", Reach(500.0 * MB))],
            Self::QueueStall => &[("queue_depth", Reach(260.0)), ("queue_job_seconds", Times(6.0))],
            Self::ErrorBurst => &[("error_ratio", Reach(0.14)), ("web_call_failures", Reach(0.1))],
            Self::TrafficSurge => &[
                ("load", Times(2.6)),
                ("api_cpu", Reach(0.97)),
                ("api_connections", Times(3.0)),
                ("api_calendar_events", Times(5.0)),
                ("api_tasks", Times(5.0)),
                ("db_connections", Reach(45.0)),
                ("worker_cpu", Times(1.8)),
            ],
        }
    }

    /// Returns the minutes from the start to full strength.
    const fn ramp_minutes(self) -> f64 {
        match self {
            Self::MemoryLeak => 15.0,
            Self::QueueStall => 5.0,
            _ => 2.0,
        }
    }
}

/// Incident with its span in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedIncident {
    /// Kind of the incident.
    pub kind: IncidentKind,
    /// First affected step.
    pub first: usize,
    /// First step after the incident.
    pub end: usize,
    ramp_steps: f64,
}

impl InjectedIncident {
    /// Returns the strength at a step, from 0 (none) to 1 (full).
    pub(super) fn strength(&self, step: usize) -> f64 {
        if !(self.first..self.end).contains(&step) {
            return 0.0;
        }
        ((step - self.first + 1) as f64 / self.ramp_steps).min(1.0)
    }
}

/// Plans the incidents of a run: every week each kind once in random order, one per day between 8:00 and 20:00, for 25
/// to 70 minutes.
pub(super) fn plan(options: &SimulatorOptions) -> Vec<InjectedIncident> {
    if !options.incidents {
        return Vec::new();
    }
    let mut rng = options.stream("incidents");
    let minute = 60_000.0 / options.step.millis() as f64;
    let per_day = DAY_MS / options.step.millis();
    let mut all = Vec::new();
    for week in 0..i64::from(options.weeks) {
        let mut kinds = IncidentKind::ALL;
        kinds.shuffle(&mut rng);
        for (day, kind) in (0_i64..).zip(kinds) {
            let (hour, minutes) = (rng.random_range(8.0..20.0), rng.random_range(25.0..70.0));
            let day = week * 7 + day;
            // After the draws, so that the number of quiet days does not change the other incidents.
            if day < i64::from(options.quiet_days) {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a step of the run")]
            let first = (day * per_day) as usize + (hour * 60.0 * minute) as usize;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most some thousand steps")]
            let length = ((minutes * minute) as usize).max(1);
            let end = (first + length).min(options.n_steps());
            all.push(InjectedIncident { kind, first, end, ramp_steps: (kind.ramp_minutes() * minute).max(1.0) });
        }
    }
    all
}

/// Applies every incident that affects the measurement `name` to its values.
pub(super) fn apply(incidents: &[InjectedIncident], name: &str, values: &mut [f64]) {
    for incident in incidents {
        for (_, effect) in incident.kind.effects().iter().filter(|(row, _)| *row == name) {
            for (step, value) in values.iter_mut().enumerate().take(incident.end).skip(incident.first) {
                let strength = incident.strength(step);
                *value = match *effect {
                    Effect::Times(factor) => *value * factor.powf(strength),
                    Effect::Reach(level) => value.max(*value + (level - *value) * strength),
                };
            }
        }
    }
}

/// Returns whether incidents of this kind affect one of these measurements.
pub(super) fn touches(kind: IncidentKind, names: &[&str]) -> bool {
    kind.effects().iter().any(|(row, _)| names.contains(row))
}

/// Returns for each step whether an incident affects one of these measurements.
pub(super) fn labels(incidents: &[InjectedIncident], names: &[&str], n: usize) -> Vec<bool> {
    let mut flags = vec![false; n];
    for incident in incidents {
        if touches(incident.kind, names) {
            flags[incident.first..incident.end].fill(true);
        }
    }
    flags
}
