"""A small OTLP/HTTP receiver: writes every export as a line of OTLP JSON. Arguments: port, file.

The file has the form of the collector's file exporter; a line can be sent to `POST /v1/traces` as it is.
"""

import base64
import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

BODY_MAX = 32 << 20
IDENTIFIERS = ("traceId", "spanId", "parentSpanId")


def as_otlp_json(message):
    """Returns the message as OTLP JSON: identifiers in hexadecimal, enumerations as numbers."""
    tree = MessageToDict(message, use_integers_for_enums=True)
    for resource in tree.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for part in (span, *span.get("links", [])):
                    part.update({name: base64.b64decode(part[name]).hex() for name in IDENTIFIERS if name in part})
    return tree


def serve(port, path):
    """Receives on loopback until the process ends."""
    lock = Lock()
    with open(path, "a", buffering=1) as file:
        class Handler(BaseHTTPRequestHandler):
            """Takes `POST /v1/traces`."""

            def do_POST(self):
                size = int(self.headers.get("Content-Length", "0"))
                if self.path != "/v1/traces" or size > BODY_MAX:
                    return self.send_error(404 if size <= BODY_MAX else 413)
                body = self.rfile.read(size)
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                line = json.dumps(as_otlp_json(ExportTraceServiceRequest.FromString(body)), separators=(",", ":"))
                with lock:
                    file.write(line + "\n")
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                """Logs nothing."""
        ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
