"""The function of the stages of the example `clicks`: `clicks_function.py LOG`.

For each request with records it writes a line to LOG: the stage, and how many records it has.
"""

import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))

import cities  # noqa: E402


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


LOG = open(sys.argv[1], "a", buffering=1)
STAGES = {"fetch": fetch, "score": score}


def answer(request):
    stage, records = request["task"], request["records"]
    if records:
        LOG.write(f"{stage} {len(records)}\n")
    answer = {"v": 1, "task": stage, "results": [], "ids": [], "errors": []}
    for position, record in enumerate(records):
        result, code = STAGES[stage](record)
        if code is None:
            answer["results"].append(result)
            answer["ids"].append(position)
        else:
            answer["errors"].append({"id": position, "code": code})
    return answer


# The server is that of the example.
cities.answer = answer
server = ThreadingHTTPServer(("127.0.0.1", 0), cities.Handler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
