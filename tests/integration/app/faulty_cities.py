"""The service of the example `cities` with faults: `faulty_cities.py FAULT LOG [PORT]`.

For each request with records it writes a line to LOG: how many requests were in progress, and how many records it has.
"""

import json
import random
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))

import cities  # noqa: E402

FAULT, LOG = sys.argv[1], open(sys.argv[2], "a", buffering=1)
RANDOM, LOCK = random.Random(7), threading.Lock()
IN_PROGRESS = 0


class Handler(cities.Handler):
    def do_POST(self):
        global IN_PROGRESS
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with LOCK:
            IN_PROGRESS += 1
            if request["records"]:
                LOG.write(f"{IN_PROGRESS} {len(request['records'])}\n")
            chance = RANDOM.random()
        response = self.response(request, chance)
        # Whoever gets the answer may send the next request before this thread goes on.
        with LOCK:
            IN_PROGRESS -= 1
        if response is None:
            self.close_connection = True
            return
        status, body, headers = response
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def response(self, request, chance):
        """The status, the body and more headers. None closes the connection."""
        answer = cities.answer(request)
        if FAULT == "slow":
            time.sleep(0.05 + 0.15 * chance)
        if FAULT == "failing" and request["records"]:
            if chance < 0.06:
                return 503, b"busy", {}
            if chance < 0.10:
                return 429, b"too many", {"retry-after": "0"}
            if chance < 0.12:
                return 200, b"{", {}
            if chance < 0.14:
                return None
            if chance < 0.16 and answer["ids"]:
                answer["ids"].pop()
        return 200, json.dumps(answer).encode(), {}


port = int(sys.argv[3]) if sys.argv[3:] else 0
server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
