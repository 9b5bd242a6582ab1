use rand::{Rng, seq::SliceRandom};

use super::{SimulatorOptions, options::DAY_MS};

/// Kinds of incidents that are injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// Something else eats the API's processor.
    ProcessorHog,
    /// A lock is held on a table.
    TableLock,
    /// Redis answers nobody.
    RedisPause,
    /// The API leaks memory.
    MemoryLeak,
    /// The worker's queue stands.
    QueueStall,
    /// A part of the requests fails.
    ErrorBurst,
    /// Twice the usual traffic and more.
    TrafficSurge,
}

/// How an incident changes a measurement once it has its full strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Effect {
    /// The value is multiplied.
    Times(f64),
    /// The value moves to this one if it is not beyond.
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

    /// A title that a person would write.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ProcessorHog => "processor hog in the API's container",
            Self::TableLock => "lock held on tasks",
            Self::RedisPause => "Redis answers nobody",
            Self::MemoryLeak => "API leaks memory",
            Self::QueueStall => "worker's queue stands",
            Self::ErrorBurst => "requests fail",
            Self::TrafficSurge => "traffic surge",
        }
    }

    /// The part of the application concerned.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::TableLock => "postgres",
            Self::RedisPause => "redis",
            Self::QueueStall => "worker",
            _ => "api",
        }
    }

    /// What it does, by the catalogue's names; `load` is the rate of requests itself.
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

    /// Minutes from nothing to full strength.
    const fn ramp_minutes(self) -> f64 {
        match self {
            Self::MemoryLeak => 15.0,
            Self::QueueStall => 5.0,
            _ => 2.0,
        }
    }
}

/// An incident with its place in the data.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedIncident {
    /// What happens.
    pub kind: IncidentKind,
    /// First step that it touches.
    pub first: usize,
    /// First step after it.
    pub end: usize,
    ramp_steps: f64,
}

impl InjectedIncident {
    /// Strength at a step, from 0 (none) to 1 (full).
    pub(super) fn strength(&self, step: usize) -> f64 {
        if !(self.first..self.end).contains(&step) {
            return 0.0;
        }
        ((step - self.first + 1) as f64 / self.ramp_steps).min(1.0)
    }
}

/// The incidents of a run: every week each kind once, one a day in an order drawn anew, by day, never in the night, for 25 to 70
/// minutes.
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

/// Applies every incident that touches the measurement `name` to its values.
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

/// Whether incidents of this kind move one of these measurements.
pub(super) fn touches(kind: IncidentKind, names: &[&str]) -> bool {
    kind.effects().iter().any(|(row, _)| names.contains(row))
}

/// Whether an incident touches one of these measurements, a value each step.
pub(super) fn labels(incidents: &[InjectedIncident], names: &[&str], n: usize) -> Vec<bool> {
    let mut flags = vec![false; n];
    for incident in incidents {
        if touches(incident.kind, names) {
            flags[incident.first..incident.end].fill(true);
        }
    }
    flags
}
