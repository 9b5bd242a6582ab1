#!/usr/bin/env python3
"""Follows a stream of Almanac: handles each document, then acknowledges it.

    stream.py URL NAME [--once]      the token, if there is one, is in ALMANAC_TOKEN

What is handled twice after an interruption must do no harm: a document counts as handled when it is acknowledged.
"""
import json
import os
import sys
import time
import urllib.request


def call(url, body=None):
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token := os.environ.get("ALMANAC_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def handle(document):
    for row in document["recommendations"]:
        print(f"{row['kind']} {row['target']}: {row['state']}: {row['reason']}")
    for row in document["breaches"]:
        print(f"breach of {row['alert']} expected at {row['time']}")
    for row in document["incidents"]:
        print(f"incident since {row['time']}: {row['first_mover']} departed first")


def main(url, name, once):
    address = f"{url.rstrip('/')}/v1/streams/{name}"
    last = None
    while True:
        document = call(address)
        if document["cursor"] != last:
            handle(document)
            call(f"{address}/ack", {"cursor": document["cursor"]})
            last = document["cursor"]
        if once:
            return
        time.sleep(15)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], "--once" in sys.argv[3:])
