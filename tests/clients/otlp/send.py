"""Sends metrics, spans and log records with OpenTelemetry's SDK: send.py http|grpc ENDPOINT [TOKEN].

Metrics are exported three times: the counters rise by 5, 7 and 11. Exits with 1 when an exporter reports a failure.
"""

import logging
import sys

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry._logs import LogRecord, SeverityNumber

protocol, endpoint = sys.argv[1], sys.argv[2]
token = sys.argv[3] if len(sys.argv) > 3 else None
headers = {"authorization": f"Bearer {token}"} if token else {}
failures = []


class Failures(logging.Handler):
    def emit(self, record):
        failures.append(record.getMessage())


logging.getLogger("opentelemetry").addHandler(Failures(logging.WARNING))

if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    def exporter(kind, path, **more):
        return kind(endpoint=f"{endpoint}/v1/{path}", headers=headers, compression=Compression.Gzip, timeout=30, **more)
else:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    def exporter(kind, path, **more):
        return kind(
            endpoint=endpoint, insecure=True, headers=headers, compression=grpc.Compression.Gzip, timeout=30, **more
        )


resource = Resource.create(
    {
        "service.name": "shop",
        "service.namespace": "demo",
        "service.instance.id": f"{protocol}-1",
        "deployment.environment.name": "test",
    }
)


def meters(temporality):
    chosen = {Counter: temporality, Histogram: temporality}
    reader = PeriodicExportingMetricReader(
        exporter(OTLPMetricExporter, "metrics", preferred_temporality=chosen), export_interval_millis=3_600_000
    )
    views = [View(instrument_name="*.exponential", aggregation=ExponentialBucketHistogramAggregation())]
    return MeterProvider([reader], resource=resource, views=views)


for name, temporality in [("cumulative", AggregationTemporality.CUMULATIVE), ("delta", AggregationTemporality.DELTA)]:
    provider = meters(temporality)
    meter = provider.get_meter("checkout", "1.2.3", attributes={"team": "payments"})
    orders = meter.create_counter(f"{name}.orders", unit="{order}", description="Orders by outcome")
    sent = meter.create_counter(f"{name}.io", unit="By")
    waiting = meter.create_up_down_counter(f"{name}.waiting")
    meter.create_observable_gauge(f"{name}.utilization", [lambda options: [__import__("opentelemetry.metrics").metrics.Observation(0.25)]], unit="1")
    duration = meter.create_histogram(f"{name}.duration", unit="s", explicit_bucket_boundaries_advisory=[0.1, 0.5, 1])
    exponential = meter.create_histogram(f"{name}.exponential", unit="s")
    for more in [5, 7, 11]:
        orders.add(more, {"order.outcome": "paid"})
        sent.add(more * 1000)
        waiting.add(more - 6)
        for idx in range(more * 10):
            duration.record(0.05 if idx % 10 else 0.7, {"http.route": "/pay"})
            exponential.record((idx + 1) / (more * 10))
        if not provider.force_flush(30_000):
            failures.append(f"{name}: flush")
    provider.shutdown()

tracing = TracerProvider(resource=resource)
tracing.add_span_processor(BatchSpanProcessor(exporter(OTLPSpanExporter, "traces")))
tracer = tracing.get_tracer("checkout")
start = 1_700_000_000_000_000_000
for idx in range(10):
    span = tracer.start_span(
        f"GET /orders/{{id}}", kind=SpanKind.SERVER, attributes={"http.route": "/orders/{id}"}, start_time=start
    )
    if idx == 0:
        span.set_status(Status(StatusCode.ERROR))
    child = tracer.start_span("query", start_time=start)
    child.end(start + 2_000_000)
    span.end(start + (idx + 1) * 20_000_000)
tracing.force_flush(30_000)
tracing.shutdown()

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(exporter(OTLPLogExporter, "logs")))
logger = logs.get_logger("checkout")
for idx in range(20):
    logger.emit(LogRecord(body=f"order {idx} paid by customer-{idx}", severity_number=SeverityNumber.INFO))
for idx in range(3):
    logger.emit(LogRecord(body=f"payment of order {idx} declined", severity_number=SeverityNumber.ERROR))
logs.force_flush(30_000)
logs.shutdown()

for failure in failures:
    print(failure)
sys.exit(1 if failures else 0)
