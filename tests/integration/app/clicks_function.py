"""The function of some stages of the example `clicks`: `clicks_function.py LOG STAGE...`.

For each request with records it writes a line to LOG: the stage, and how many records it has. A stage that is not named is
refused.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def fetch(click):
    if not click["page"].startswith("/"):
        return None, "no_page"
    return [[click["user"], link] for link in click["page"][1:].split("/")], None


def score(record):
    user, link = record
    result = 7
    for byte in link.encode():
        result = (result * 31 + byte) % 1_000
    return {"user": user, "link": link, "score": result}, None


STAGES = {name: globals()[name] for name in sys.argv[2:]}
LOG = open(sys.argv[1], "a", buffering=1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # One write for a small answer.
    wbufsize = 1 << 16

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        stage, records = request["task"], request["records"]
        if records:
            LOG.write(f"{stage} {len(records)}\n")
        if stage not in STAGES:
            return self.answer(400, {"error": f"no stage {stage}"})
        answer = {"v": 1, "task": stage, "results": [], "ids": [], "errors": []}
        for index, record in enumerate(records):
            result, code = STAGES[stage](record)
            if code is None:
                answer["results"].append(result)
                answer["ids"].append(index)
            else:
                answer["errors"].append({"id": index, "code": code})
        self.answer(200, answer)

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
