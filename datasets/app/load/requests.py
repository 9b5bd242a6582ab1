"""What the load generator asks for: kinds of requests by time of day, users by Zipf's law, deep pages now and then.

Pure: a function of the random generator, the time of day and the sizes of the tables.
"""

import itertools
import math
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from datasets.app.load import shape

# Users that are online; they own more rows than others do, since rows follow the same law.
ACTIVE_USERS = 600
ZIPF_EXPONENT = 0.6
# Weights of the kinds of requests, at any time of day but for tokens.
MIX = [("month", 0.20), ("create_event", 0.025), ("move_event", 0.02), ("tasks", 0.20), ("search", 0.03), ("change_task", 0.06),
       ("create_task", 0.02), ("dashboard", 0.12), ("notifications", 0.10), ("read", 0.02), ("admin_tasks", 0.05), ("overdue", 0.03),
       ("login", 0.03), ("health", 0.04)]
REFRESH, REFRESH_MORNING = 0.08, 0.15
DEEP_PAGE, DEEP_ADMIN_PAGE = 0.15, 0.5  # administrators look for old rows
FIRST = ("Bal", "Cor", "Dun", "Fal", "Gar", "Hel", "Kes", "Lor", "Mon", "Nar", "Per", "Tor")
MIDDLE = ("an", "bri", "cot", "dem", "el", "fir", "gon", "hi", "jo", "ka")
LAST = ("dale", "mere", "rix", "ton", "vane")


def project(p):
    """Returns the name of project p, 0 <= p < 600: the same function as in datasets/app/schema/data.sql."""
    return FIRST[p % 12] + MIDDLE[p // 12 % 10] + LAST[p // 120]


def weights(fraction):
    """Returns (kinds, weights) at this fraction of the day; tokens are refreshed in the morning."""
    morning = math.exp(-0.5 * (((fraction % 1.0) * 24.0 - 9.0) / 0.8) ** 2)
    return zip(*MIX, ("refresh", REFRESH + REFRESH_MORNING * morning))


class Requests:
    """Draws requests; `rows`: table -> number of rows, `now`: the present time in UTC."""

    def __init__(self, rng, rows, seed, now):
        self.rng, self.rows, self.seed, self.now = rng, rows, seed, now
        self.active = min(ACTIVE_USERS, rows["users"])
        self.users = list(itertools.accumulate(shape.zipf_weights(self.active, ZIPF_EXPONENT)))
        self.ids = range(1, self.active + 1)

    def draw(self, fraction):
        """Returns (kind, method, path) of a request at this fraction of the day."""
        kinds, shares = weights(fraction)
        kind = self.rng.choices(kinds, shares)[0]
        user = self.rng.choices(self.ids, cum_weights=self.users)[0]
        return (kind, *getattr(self, kind)(user))

    def _month(self):
        back = self.rng.choices((0, -1, 1, 6), (0.7, 0.1, 0.15, 0.05))[0]
        month = self.now.year * 12 + self.now.month - 1 - back
        return f"{month // 12}-{month % 12 + 1:02d}"

    def _pages(self, pages, days=720, deep=DEEP_PAGE):
        """Returns parameters of the first page, or of a deep one: its number for OFFSET and the same place as a time for a keyset.

        `pages` cover the last `days`.
        """
        if self.rng.random() >= deep:
            return ""
        page = 1 + int(pages * self.rng.random() ** 2)
        before = self.now - timedelta(days=days) * (page / pages)
        return f"&page={page}&before={quote(before.isoformat(timespec='milliseconds'))}"

    def month(self, user):
        return "GET", f"/api/calendar/events?user={user}&month={self._month()}"

    def create_event(self, user):
        day = self.now + timedelta(days=int(self.rng.random() * 25), hours=int(self.rng.random() * 9))
        return "POST", f"/api/calendar/events?user={user}&day={day:%Y-%m-%dT%H:00}&guests={2 + int(8 * self.rng.random())}"

    def move_event(self, _user):
        return "PATCH", f"/api/calendar/events/{1 + int(self.rows['calendar_events'] * self.rng.random())}?minutes=15"

    def tasks(self, user):
        # A page has 20 rows; the share of an owner follows Zipf's law.
        owned = self.rows["tasks"] * 0.4 * user ** -0.6 / self.rows["users"] ** 0.4
        return "GET", f"/api/tasks?user={user}{self._pages(max(1, int(owned / 20)))}"

    def search(self, _user):
        return "GET", f"/api/tasks/search?q={project(int(600 * self.rng.random() ** 1.2))[1:]}"

    def change_task(self, _user):
        # Changes concern newer tasks.
        task = 1 + int(self.rows["tasks"] * (1 - 0.1 * self.rng.random()))
        status = self.rng.choices(("done", "in_progress", "open"), (0.6, 0.3, 0.1))[0]
        return "PATCH", f"/api/tasks/{min(task, self.rows['tasks'])}?status={status}"

    def create_task(self, user):
        return "POST", f"/api/tasks?user={user}&title={quote('Plan release for ' + project(int(600 * self.rng.random())))}"

    def dashboard(self, user):
        return "GET", f"/api/dashboard?user={user}"

    def notifications(self, user):
        return "GET", f"/api/notifications?user={user}"

    def read(self, user):
        return "POST", f"/api/notifications/read?user={user}"

    def admin_tasks(self, _user):
        # Most open tasks are from the last tenth of the time.
        if self.rng.random() < 0.2:
            return "GET", f"/api/admin/tasks?status=open{self._pages(max(1, self.rows['tasks'] // 2500), 72, DEEP_ADMIN_PAGE)}"
        return "GET", f"/api/admin/tasks?status=done{self._pages(max(1, self.rows['tasks'] // 100), deep=DEEP_ADMIN_PAGE)}"

    def overdue(self, _user):
        return "GET", "/api/admin/overdue"

    def login(self, user):
        return "POST", f"/api/auth/login?email=user.{user}@example.org"

    def refresh(self, _user):
        # The newest sessions are those that are used.
        session = self.rows["user_sessions"] - int(self.rows["user_sessions"] * 0.5 * self.rng.random() ** 2)
        return "POST", f"/api/auth/refresh?token=rt-{self.seed}-{session}"

    def health(self, _user):
        return "GET", "/api/health"


def utc_now():
    """Returns the present time in UTC."""
    return datetime.now(timezone.utc)
