"""The log of a cache's operations, which the time-to-live advisor reads. Shared with the recorder."""

import os
import time


class CacheLog:
    """Appends `timestamp_ms,cache,key,op,hit,bytes,miss_cost_ms` lines to `cache_events.PROCESS.csv` in a folder; "" logs nothing."""

    def __init__(self, process, folder):
        self.file = open(os.path.join(folder, f"cache_events.{process}.csv"), "a", buffering=1 << 16) if folder else None

    def write(self, cache, key, op, hit="", size="", cost=""):
        """Logs an operation: `get` (with hit, bytes and, for a miss, its cost), `write` or `delete`."""
        if self.file:
            self.file.write(f"{time.time_ns() // 1_000_000},{cache},{key},{op},{hit},{size},{cost}\n")

    def close(self):
        """Writes what is buffered."""
        if self.file:
            self.file.close()
