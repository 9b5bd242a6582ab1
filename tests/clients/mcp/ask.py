"""Asks a server of the Model Context Protocol with the protocol's Python SDK: ask.py URL TOKEN MODE < CALLS.

CALLS is a JSON list of [tool, arguments]. Prints one JSON object: the protocol's version, the server, its tools, and
the answer of each call. TOKEN may be empty; MODE is auto, or legacy for the protocol with a handshake.
"""

import asyncio
import json
import sys

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


async def ask(url, token, mode, calls):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            tools = (await client.list_tools()).tools
            answers = []
            for tool, arguments in calls:
                answer = await client.call_tool(tool, arguments)
                text = "".join(part.text for part in answer.content)
                answers.append({"is_error": bool(answer.is_error), "text": text, "answer": answer.structured_content})
            return {
                "protocol": client.protocol_version,
                "server": client.server_info.name,
                "instructions": client.instructions,
                "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools],
                "answers": answers,
            }


url, token, mode = sys.argv[1:4]
print(json.dumps(asyncio.run(ask(url, token, mode, json.load(sys.stdin)))))
