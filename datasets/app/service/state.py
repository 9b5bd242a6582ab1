"""What the routes share: pools, caches, batches and the queue. One for each process, made at its start."""

from dataclasses import dataclass

from datasets.app.service import metrics
from datasets.app.service.caches import Caches
from datasets.app.service.db import Batches, Orm, Raw

PROFILE_SQL = "SELECT id, name, locale, version FROM users WHERE id = $1"


@dataclass
class State:
    """Handles of a process; `orm` is None in the worker."""

    orm: Orm | None
    raw: Raw
    caches: Caches
    batches: Batches
    redis: object

    async def profile(self, user):
        """Returns the profile of a user, from the cache `user_profile` if it is there."""
        async def load():
            rows = await self.raw.fetch(PROFILE_SQL, user)
            return dict(rows[0]) if rows else {}
        return await self.caches.get("user_profile", f"u{user}", load)

    async def enqueue(self, kind, *parts):
        """Puts a job into the queue."""
        metrics.QUEUE_JOBS.labels(kind).inc()
        await self.redis.lpush("queue:jobs", ":".join([kind, *map(str, parts)]))
