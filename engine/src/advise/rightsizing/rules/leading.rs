//! The recommended rule: for CPU the one of three rules that has cost least so far, for memory always [`Covering`].
//! Called by `decide`.

use super::{
    super::cost_of, ContainerResource, Covering, CoveringOptions, Expected, Krr, RequestRule, Vpa, histogram::ms_to_f64,
};

const DAY_MS: i64 = 86_400_000;
/// Half-life of past costs: two weeks, like the slowest of [`Covering`]'s histograms.
const HALF_LIFE_MS: i64 = 14 * DAY_MS;
/// Minimum saving for following another rule, in units of the mean usage.
const MIN_SAVING: f64 = 0.02;

/// Follows the rule of [`Covering`], [`Vpa`] and [`Krr`] whose CPU requests have cost least so far. For memory it
/// always follows [`Covering`].
///
/// No rule is best for every container: if incidents drive usage to many times its normal level, a rule that covers all
/// observed usage idles for days afterwards.
///
/// # Reference
/// Follow the leader (Cesa-Bianchi & Lugosi 2006, Prediction, learning, and games, section 3.2), with decaying past
/// costs.
#[derive(Debug, Clone)]
pub struct Leading {
    options: CoveringOptions,
    covering: Covering,
    vpa: Vpa,
    krr: Krr,
    rule_costs: [RuleCosts; 3],
    leader: usize,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
}

/// Request of one rule and its decayed costs.
#[derive(Debug, Clone, Copy, Default)]
struct RuleCosts {
    request: Option<f64>,
    idle: f64,
    above: f64,
    usage: f64,
    steps: f64,
}

impl RuleCosts {
    fn cost(&self, above_cost: f64) -> Option<f64> {
        (self.steps > 0.0).then(|| cost_of(self.idle, self.usage, self.above / self.steps, above_cost))
    }
}

impl Leading {
    /// Creates a rule without observations that follows [`Covering`].
    #[must_use]
    pub fn new(options: CoveringOptions) -> Self {
        Self {
            options,
            covering: Covering::new(options),
            vpa: Vpa::new(options.resource),
            krr: Krr::new(options.resource),
            rule_costs: [RuleCosts::default(); 3],
            leader: 0,
            first_ms: None,
            last_ms: None,
        }
    }

    /// Returns the name of the rule that is followed.
    #[must_use]
    pub fn leader(&self) -> &'static str {
        ["covering", "vpa", "krr"][self.leader]
    }

    /// Returns the expected figures of `request` over the next day.
    #[must_use]
    pub fn expects(&self, request: f64) -> Option<Expected> {
        self.covering.expects(request)
    }

    /// Returns the mean distance of one day's busy usage from the next day's, as a logarithm.
    #[must_use]
    pub fn drift(&self) -> f64 {
        self.covering.drift()
    }

    /// Returns whether usage exceeds `request` now, see [`Covering::exceeds`].
    #[must_use]
    pub fn exceeds(&self, request: f64) -> bool {
        self.covering.exceeds(request)
    }

    /// Follows the cheapest rule if it saves enough over the present leader.
    fn choose(&mut self, at_ms: i64) {
        // Memory: the cost of running out of memory is seen only after the fact, so the rule above all peaks is kept.
        // CPU: at least a day of costs is needed, because at night a rule without daytime usage looks cheap.
        if self.options.resource == ContainerResource::Memory
            || self.first_ms.is_none_or(|first_ms| at_ms - first_ms < DAY_MS)
        {
            return;
        }
        let price = self.options.above_cost;
        let best = self.rule_costs.iter().enumerate().filter_map(|(idx, costs)| Some((idx, costs.cost(price)?)));
        let best = best.min_by(|a, b| a.1.total_cmp(&b.1));
        if let (Some((best, cost)), Some(present)) = (best, self.rule_costs[self.leader].cost(price))
            && present - cost > MIN_SAVING
        {
            self.leader = best;
        }
    }
}

impl RequestRule for Leading {
    fn request(&mut self, at_ms: i64, current: Option<f64>) -> Option<f64> {
        let rules: [&mut dyn RequestRule; 3] = [&mut self.covering, &mut self.vpa, &mut self.krr];
        for (rule, costs) in rules.into_iter().zip(&mut self.rule_costs) {
            costs.request = rule.request(at_ms, costs.request);
        }
        self.choose(at_ms);
        // Requests are rounded to whole units, as they are written, and never below the minimum request.
        let CoveringOptions { resource, least, .. } = self.options;
        let request = self.rule_costs[self.leader].request.map(|request| resource.quantity(request.max(least)).0);
        request.or(current)
    }

    fn observe(&mut self, at_ms: i64, usage: f64) {
        self.first_ms.get_or_insert(at_ms);
        let passed_ms = at_ms - self.last_ms.replace(at_ms).unwrap_or(at_ms);
        let kept = (-ms_to_f64(passed_ms) / ms_to_f64(HALF_LIFE_MS)).exp2();
        for costs in &mut self.rule_costs {
            if let Some(request) = costs.request {
                costs.idle = costs.idle * kept + (request - usage).max(0.0);
                costs.above = costs.above * kept + f64::from(u8::from(usage > request));
                costs.usage = costs.usage * kept + usage;
                costs.steps = costs.steps * kept + 1.0;
            }
        }
        let rules: [&mut dyn RequestRule; 3] = [&mut self.covering, &mut self.vpa, &mut self.krr];
        rules.into_iter().for_each(|rule| rule.observe(at_ms, usage));
    }
}
