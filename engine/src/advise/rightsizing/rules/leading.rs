//! The rule that is recommended: of CPU that of three rules which has cost least so far, of memory always the first.

use super::{
    super::cost_of, ContainerResource, Covering, CoveringOptions, Expected, Krr, RequestRule, Vpa, histogram::ms_to_f64,
};

const DAY_MS: i64 = 86_400_000;
/// Time after which what a rule has cost counts half: a fortnight, as long as the slowest of [`Covering`]'s histograms.
const HALF_LIFE_MS: i64 = 14 * DAY_MS;
/// What another rule must have cost less, in shares of the usage, for it to be followed instead.
const WORTH: f64 = 0.02;

/// Follows that rule of [`Covering`], [`Vpa`] and [`Krr`] whose requests of CPU have cost least so far; of memory always the first.
///
/// No rule serves every container: where incidents drive usage to many times what is usual, a rule that covers what it has
/// seen idles for days afterwards.
///
/// # Reference
/// Follow the leader (Cesa-Bianchi & Lugosi 2006, Prediction, learning, and games, section 3.2), with past costs forgotten.
#[derive(Debug, Clone)]
pub struct Leading {
    options: CoveringOptions,
    covering: Covering,
    vpa: Vpa,
    krr: Krr,
    followers: [Follower; 3],
    leader: usize,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
}

/// What a rule would ask for, and what that has cost.
#[derive(Debug, Clone, Copy, Default)]
struct Follower {
    request: Option<f64>,
    idle: f64,
    above: f64,
    usage: f64,
    steps: f64,
}

impl Follower {
    fn cost(&self, above_cost: f64) -> Option<f64> {
        (self.steps > 0.0).then(|| cost_of(self.idle, self.usage, self.above / self.steps, above_cost))
    }
}

impl Leading {
    /// A rule that has seen nothing; it begins with [`Covering`].
    #[must_use]
    pub fn new(options: CoveringOptions) -> Self {
        Self {
            options,
            covering: Covering::new(options),
            vpa: Vpa::new(options.resource),
            krr: Krr::new(options.resource),
            followers: [Follower::default(); 3],
            leader: 0,
            first_ms: None,
            last_ms: None,
        }
    }

    /// The name of the rule that is followed.
    #[must_use]
    pub fn leader(&self) -> &'static str {
        ["covering", "vpa", "krr"][self.leader]
    }

    /// What `request` is expected to bring over the day to come.
    #[must_use]
    pub fn expects(&self, request: f64) -> Option<Expected> {
        self.covering.expects(request)
    }

    /// How far the busy hours of one day usually lie from those of the next, as a logarithm.
    #[must_use]
    pub fn drift(&self) -> f64 {
        self.covering.drift()
    }

    /// Whether usage is above `request` now, see [`Covering::exceeds`].
    #[must_use]
    pub fn exceeds(&self, request: f64) -> bool {
        self.covering.exceeds(request)
    }

    fn choose(&mut self, at_ms: i64) {
        // What a kill for want of memory costs is known only after it: there the rule that lies above its peaks stands.
        // And a day at least: by night every rule that saw no day yet looks cheap.
        if self.options.resource == ContainerResource::Memory
            || self.first_ms.is_none_or(|first_ms| at_ms - first_ms < DAY_MS)
        {
            return;
        }
        let price = self.options.above_cost;
        let best = self.followers.iter().enumerate().filter_map(|(idx, follower)| Some((idx, follower.cost(price)?)));
        let best = best.min_by(|a, b| a.1.total_cmp(&b.1));
        if let (Some((best, cost)), Some(present)) = (best, self.followers[self.leader].cost(price))
            && present - cost > WORTH
        {
            self.leader = best;
        }
    }
}

impl RequestRule for Leading {
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64> {
        let rules: [&mut dyn RequestRule; 3] = [&mut self.covering, &mut self.vpa, &mut self.krr];
        for (rule, follower) in rules.into_iter().zip(&mut self.followers) {
            follower.request = rule.request(at_ms, follower.request);
        }
        self.choose(at_ms);
        // In whole units, as it would be written, and never below the least request.
        let CoveringOptions { resource, least, .. } = self.options;
        let request = self.followers[self.leader].request.map(|request| resource.quantity(request.max(least)).0);
        request.or(current)
    }

    fn observe(&mut self, at_ms: i64, usage: f64) {
        self.first_ms.get_or_insert(at_ms);
        let passed_ms = at_ms - self.last_ms.replace(at_ms).unwrap_or(at_ms);
        let kept = (-ms_to_f64(passed_ms) / ms_to_f64(HALF_LIFE_MS)).exp2();
        for follower in &mut self.followers {
            if let Some(request) = follower.request {
                follower.idle = follower.idle * kept + (request - usage).max(0.0);
                follower.above = follower.above * kept + f64::from(u8::from(usage > request));
                follower.usage = follower.usage * kept + usage;
                follower.steps = follower.steps * kept + 1.0;
            }
        }
        let rules: [&mut dyn RequestRule; 3] = [&mut self.covering, &mut self.vpa, &mut self.krr];
        rules.into_iter().for_each(|rule| rule.observe(at_ms, usage));
    }
}
