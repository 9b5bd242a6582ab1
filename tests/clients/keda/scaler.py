"""Calls an external scaler as KEDA does, with a client generated from its interface: scaler.py ADDRESS [CA].

Reads one command as JSON from each line of standard input and writes one answer as JSON:
{"call": METHOD, "scaler": METADATA, "metric": NAME?, "headers": {}?}, {"open": METHOD, "as": NAME, "scaler": METADATA},
{"read": NAME, "seconds": N}. All commands use one channel, as KEDA does.
"""

import json
import pathlib
import queue
import sys
import tempfile
import threading

import grpc
from google.protobuf.json_format import MessageToDict
from grpc_tools import protoc

folder = tempfile.mkdtemp()
interface = pathlib.Path(__file__).parent
arguments = ["protoc", f"-I{interface}", f"--python_out={folder}", f"--grpc_python_out={folder}", "externalscaler.proto"]
if protoc.main(arguments) != 0:
    sys.exit("the client could not be generated")
sys.path.insert(0, folder)
import externalscaler_pb2 as messages  # noqa: E402
import externalscaler_pb2_grpc as services  # noqa: E402

if len(sys.argv) > 2:
    authority = pathlib.Path(sys.argv[2]).read_bytes()
    channel = grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials(authority))
else:
    channel = grpc.insecure_channel(sys.argv[1])
stub = services.ExternalScalerStub(channel)
streams = {}


def fields(message):
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def failure(error):
    return {"error": error.code().name, "message": error.details()}


def request(command):
    scaled = messages.ScaledObjectRef(name="api", namespace="default", scalerMetadata=command["scaler"])
    if command.get("call") == "GetMetrics":
        return messages.GetMetricsRequest(scaledObjectRef=scaled, metricName=command["metric"])
    return scaled


def read_stream(stream, received):
    try:
        for message in stream:
            received.put(fields(message))
        received.put({"end": True})
    except grpc.RpcError as error:
        received.put(failure(error))


def answer(command):
    headers = list(command.get("headers", {}).items())
    if "call" in command:
        try:
            method = getattr(stub, command["call"])
            return fields(method(request(command), metadata=headers, timeout=60, wait_for_ready=True))
        except grpc.RpcError as error:
            return failure(error)
    if "open" in command:
        received = streams[command["as"]] = queue.Queue()
        stream = getattr(stub, command["open"])(request(command), metadata=headers, wait_for_ready=True)
        threading.Thread(target=read_stream, args=(stream, received), daemon=True).start()
        return {}
    try:
        return streams[command["read"]].get(timeout=command["seconds"])
    except queue.Empty:
        return {"nothing": True}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
