"""The load of the recorded application as a function of the time of its day.

Pure: no clock, no I/O. A "day" lasts `day_seconds`; times of day are fractions in [0, 1).
"""

import math
import random

# Knots of the daily profile: (hour, share of the peak). Steep at the start of work and after lunch.
PROFILE = [
    (0.0, 0.12), (5.0, 0.10), (7.0, 0.22), (8.5, 0.35), (9.25, 0.92), (10.5, 1.00), (12.0, 0.80),
    (12.75, 0.55), (13.75, 0.85), (15.0, 0.95), (16.5, 0.75), (18.0, 0.45), (20.0, 0.38), (22.0, 0.22), (24.0, 0.12),
]
USERS = 80
MONTHS = [("this", 0.7), ("next", 0.2), ("last", 0.1)]
ZIPF_EXPONENT = 1.0
GROWTH_PER_DAY = 0.02

# Times-to-live of the application's caches, in seconds of a real day; the recorder divides them by 86400 / day_seconds.
CACHE_TTL_SECONDS = {"user_profile": 3600, "calendar_monthly": 1800, "task_counters": 300, "oauth_userinfo": 7200}


def daily(fraction):
    """Returns the share of the peak at this fraction of the day, by monotone cosine interpolation between the knots."""
    hour = (fraction % 1.0) * 24.0
    for (h0, v0), (h1, v1) in zip(PROFILE, PROFILE[1:]):
        if hour <= h1:
            w = (1.0 - math.cos(math.pi * (hour - h0) / (h1 - h0))) / 2.0
            return v0 + (v1 - v0) * w
    return PROFILE[-1][1]


def rate(elapsed, day_seconds, peak):
    """Returns the requests per second `elapsed` seconds after the first midnight, without noise."""
    day = elapsed / day_seconds
    return peak * daily(day) * (1.0 + GROWTH_PER_DAY * day)


def mix(fraction):
    """Returns weights of (calendar, tasks, auth, health) at this fraction of the day; tokens are refreshed in the morning."""
    hour = (fraction % 1.0) * 24.0
    morning = math.exp(-0.5 * ((hour - 9.0) / 0.8) ** 2)
    return [("calendar", 0.40), ("tasks", 0.40), ("auth", 0.12 + 0.20 * morning), ("health", 0.06)]


def zipf_weights(n, exponent=ZIPF_EXPONENT):
    """Returns unnormalised Zipf weights of ranks 1..n."""
    return [1.0 / (rank ** exponent) for rank in range(1, n + 1)]


class Noise:
    """AR(1) noise of the rate, once a second: factor exp(x), x' = 0.95 x + e, standard deviation of x about 6 %."""

    def __init__(self, rng):
        self.rng = rng
        self.x = 0.0

    def step(self):
        self.x = 0.95 * self.x + self.rng.gauss(0.0, 0.019)
        return math.exp(self.x)


def incident_plan(days, day_seconds, seed):
    """Returns incidents and deploys in seconds after the first midnight: [(kind, start, duration)].

    The first day has none. Then there are three incidents every two days, one of each kind in an order drawn from
    the seed; deploys are in the evenings of days 2 and 4 (counted from 0).
    """
    rng = random.Random(seed * 7919 + 1)
    kinds, plan = [], []
    slots = [0.40, 1.32, 1.68]
    base = 1.0
    while base < days:
        for slot in slots:
            at = base + slot + rng.uniform(-0.04, 0.04)
            if not kinds:
                kinds = ["cpu_hog", "table_lock", "redis_pause"]
                rng.shuffle(kinds)
            duration = rng.uniform(0.055, 0.085) * day_seconds
            if at + 0.15 < days:
                plan.append((kinds.pop(), at * day_seconds, duration))
        base += 2.0
    deploys = [("deploy", (day + 0.88) * day_seconds, 0.0) for day in (2, 4) if day + 0.95 < days]
    return sorted(plan + deploys, key=lambda row: row[1])
