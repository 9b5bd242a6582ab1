"""Traces by the OpenTelemetry SDK: the published instrumentations of FastAPI, SQLAlchemy, asyncpg and redis, exported by OTLP/HTTP."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from datasets.app.service import settings


def start(service):
    """Exports the spans of this process to every address of `APP_OTLP`; without an address there are none."""
    if not settings.OTLP:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": "1.0"}))
    for url in settings.OTLP:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=5), max_queue_size=20000,
                                                       max_export_batch_size=2000, schedule_delay_millis=2000))
    trace.set_tracer_provider(provider)
    AsyncPGInstrumentor().instrument()
    RedisInstrumentor().instrument()


def instrument_engine(engine):
    """Makes spans of an engine's statements."""
    if settings.OTLP:
        SQLAlchemyInstrumentor().instrument(engine=engine.sync_engine)


def instrument_app(app):
    """Makes a server span of each request but `/metrics`."""
    if settings.OTLP:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        FastAPIInstrumentor.instrument_app(app, excluded_urls="/metrics", exclude_spans=["send", "receive"])


def stop():
    """Exports what is left."""
    if settings.OTLP:
        trace.get_tracer_provider().shutdown()
