"""Sends traces with OpenTelemetry's SDK as FastAPI's, SQLAlchemy's and Redis' instrumentations make them:
traces.py http|grpc ENDPOINT [TOKEN].

Routes with each form of a loop of statements, and healthy ones. Exits with 1 when an exporter reports a failure.
"""

import logging
import sys
import time

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

protocol, endpoint = sys.argv[1], sys.argv[2]
token = sys.argv[3] if len(sys.argv) > 3 else None
headers = {"authorization": f"Bearer {token}"} if token else {}
failures = []
MS = 1_000_000


class Failures(logging.Handler):
    def emit(self, record):
        failures.append(record.getMessage())


logging.getLogger("opentelemetry").addHandler(Failures(logging.WARNING))

if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", headers=headers, compression=Compression.Gzip)
else:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True, headers=headers, compression=grpc.Compression.Gzip)

provider = TracerProvider(resource=Resource.create({"service.name": f"shop-{protocol}"}))
# Small batches: a trace arrives in several exports.
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=50, max_queue_size=50_000, max_export_batch_size=40))
fastapi = provider.get_tracer("opentelemetry.instrumentation.fastapi", "0.66b2")
sqlalchemy = provider.get_tracer("opentelemetry.instrumentation.sqlalchemy", "0.66b2")
asyncpg = provider.get_tracer("opentelemetry.instrumentation.asyncpg", "0.66b2")
redis = provider.get_tracer("opentelemetry.instrumentation.redis", "0.66b2")


class Request:
    """A request of a route; its spans follow each other from `start` on."""

    def __init__(self, method, route, stable):
        self.stable = stable
        self.at = time.time_ns() - 2_000 * MS
        named = {"http.request.method": method} if stable else {"http.method": method}
        self.span = fastapi.start_span(
            f"{method} {route}", kind=SpanKind.SERVER, start_time=self.at, attributes={"http.route": route, **named}
        )
        self.context = set_span_in_context(self.span)
        self.at += MS // 2

    def sql(self, text, millis=2, start=None, rows=None, failed=False, tracer=sqlalchemy):
        begin = self.at if start is None else start
        operation = text.split()[0]
        if self.stable:
            attributes = {"db.system.name": "postgresql", "db.query.text": text, "db.namespace": "app"}
            if rows is not None:
                attributes["db.response.returned_rows"] = rows
        else:
            attributes = {"db.system": "postgresql", "db.statement": text, "db.name": "app", "net.peer.name": "db"}
        span = tracer.start_span(
            f"{operation} app", self.context, kind=SpanKind.CLIENT, start_time=begin, attributes=attributes
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR, "deadlock detected"))
        span.end(begin + int(millis * MS))
        self.at = max(self.at, begin + int(millis * MS) + MS // 5)

    def connect(self):
        attributes = {"db.system": "postgresql", "db.name": "app"}
        span = sqlalchemy.start_span("connect", self.context, SpanKind.CLIENT, attributes, start_time=self.at)
        span.end(self.at + MS // 10)
        self.at += MS // 5

    def get(self):
        attributes = {"db.system": "redis", "db.statement": "GET ?"}
        span = redis.start_span("GET", self.context, SpanKind.CLIENT, attributes, start_time=self.at)
        span.end(self.at + MS // 2)
        self.at += MS

    def end(self):
        body = fastapi.start_span("http send", self.context, kind=SpanKind.INTERNAL, start_time=self.at)
        body.end(self.at + MS // 10)
        self.span.end(self.at + MS)


LIST = "SELECT tasks.id, tasks.owner_id FROM tasks WHERE tasks.state = 'secret-state' LIMIT 50"
USER = "SELECT users.id, users.name FROM users WHERE users.id = $1::INTEGER"

for idx in range(40):
    stable = idx % 2 == 0
    size = 8 + idx % 13

    serial = Request("GET", "/serial", stable)
    serial.connect()
    serial.sql("BEGIN (implicit)", 0.1)
    serial.sql(LIST, 4, rows=size)
    for _ in range(size):
        serial.sql(USER)
    serial.sql("COMMIT", 0.1)
    serial.end()

    parallel = Request("GET", "/parallel", stable)
    parallel.sql(LIST, 4)
    begin = parallel.at
    for call in range(size):
        parallel.sql("SELECT count(*) FROM attendees WHERE event_id = $1", 6, start=begin + call * MS // 10, tracer=asyncpg)
    parallel.end()

    interleaved = Request("GET", "/interleaved", stable)
    interleaved.sql(LIST, 4)
    for call in range(size):
        interleaved.sql("SELECT users.name FROM users WHERE users.id = %(id_1)s")
        interleaved.sql("SELECT labels.id FROM labels WHERE labels.task_id = %(task_id_1)s", 3)
    interleaved.end()

    warm = Request("GET", "/warm", stable)
    warm.sql(LIST, 4)
    for call in range(20):
        warm.get()
        if call < idx % 4:
            warm.sql("SELECT profile FROM user_profiles WHERE user_id = $1")
    warm.end()

    # The driver has removed the values from the texts.
    stripped = Request("GET", "/stripped", stable)
    for _ in range(size):
        stripped.sql("SELECT * FROM notifications WHERE id = ?", 8)
    stripped.end()

    written = Request("POST", "/import", stable)
    for _ in range(size):
        written.sql("INSERT INTO events (a, b) VALUES (%(a)s, %(b)s)", 3)
    written.end()

    healthy = Request("GET", "/healthy", stable)
    for _ in range(8):
        healthy.connect()
        healthy.sql("SELECT 1", 0.2)
    healthy.sql(LIST, 40)
    for part in range(10):
        healthy.sql(f"SELECT count(*) FROM part_{part} WHERE owner = $1", 6)
    for _ in range(4):
        healthy.sql(USER, 15)
    for _ in range(7):
        healthy.sql("UPDATE counters SET n = n + 1 WHERE id = $1", 12, failed=True)
    healthy.sql("UPDATE counters SET n = n + 1 WHERE id = $1", 12)
    for _ in range(12):
        healthy.sql("FETCH FORWARD 100 FROM cursor_1", 9)
    healthy.end()

provider.force_flush(30_000)
provider.shutdown()
for failure in failures:
    print(failure)
sys.exit(1 if failures else 0)
