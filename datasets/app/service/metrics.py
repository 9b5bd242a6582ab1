"""Prometheus metrics of the API and the worker, with the names that `[[pool]]`, `[[queue]]` and `[[compression]]` use."""

from prometheus_client import CONTENT_TYPE_LATEST, GC_COLLECTOR, PLATFORM_COLLECTOR, REGISTRY, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
BYTES = (50, 100, 250, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 500000)

REQUESTS = Counter("http_requests", "Requests answered.", ["handler", "method", "status"])
DURATION = Histogram("http_request_duration_seconds", "Time to answer.", ["handler"], buckets=SECONDS)
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests being answered.")
RESPONSE_BYTES = Histogram("http_response_size_bytes", "Bodies before compression.", ["handler", "content_type"], buckets=BYTES)
COMPRESSED = Counter("http_compression_bytes", "Bytes of compressed bodies, before (in) and after (out).", ["direction"])
COMPRESSION_SECONDS = Histogram("http_compression_seconds", "Processor time to compress a body.", buckets=SHORT)

POOL_SIZE = Gauge("db_pool_size", "Connections that the pool may have, without overflow.", ["pool"])
POOL_IN_USE = Gauge("db_pool_in_use", "Connections of the pool in use.", ["pool"])
POOL_CHECKOUTS = Counter("db_pool_checkouts", "Connections taken from the pool.", ["pool"])
POOL_HOLD = Histogram("db_pool_hold_seconds", "Time from taking a connection to giving it back.", ["pool"], buckets=SECONDS)
POOL_WAIT = Histogram("db_pool_wait_seconds", "Time until the pool gave a connection.", ["pool"], buckets=SHORT)
QUERY_SECONDS = Histogram("db_query_duration_seconds", "Time of a statement once it has a connection.", ["query"], buckets=SHORT)
BATCH_ROWS = Histogram("db_batch_rows", "Rows of an inserting statement.", ["statement"], buckets=ROWS)
BATCH_SECONDS = Histogram("db_batch_seconds", "Time of an inserting statement.", ["statement"], buckets=SHORT)

CACHE = Counter("cache_requests", "Reads of a cache.", ["cache", "result"])
CACHE_INVALIDATED = Counter("cache_invalidations", "Copies dropped because the origin changed.", ["cache"])
QUEUE_DEPTH = Gauge("queue_depth", "Jobs waiting in the queue.")
QUEUE_JOBS = Counter("queue_jobs", "Jobs put into the queue.", ["class"])
JOB_SECONDS = Histogram("queue_job_seconds", "Time of a job.", ["class"], buckets=SECONDS)
JOBS_DONE = Counter("worker_jobs", "Jobs finished.", ["class", "result"])
WORKERS = Gauge("worker_up", "Jobs that the worker does at a time.")
TASKS_DONE = Counter("tasks_completed", "Tasks set to done.")
EVENTS_CREATED = Counter("calendar_events_created", "Calendar events created.")


def clean_registry():
    """Removes the collectors of the Python interpreter."""
    REGISTRY.unregister(GC_COLLECTOR)
    REGISTRY.unregister(PLATFORM_COLLECTOR)


def exposition():
    """Returns body and content type of `/metrics`."""
    return generate_latest(), CONTENT_TYPE_LATEST
