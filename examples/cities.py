"""The service that the example `cities` calls: it knows some cities. `python3 cities.py [PORT]` prints its URL.

    request {"v":1,"task":"lookup","records":["Paris", ...]}
    answer  {"v":1,"task":"lookup","results":[{...}, ...],"ids":[0, ...],"errors":[{"id":1,"code":"unknown_city"}]}
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CITIES = {
    "Berlin": ("Germany", 3_878_100),
    "Lagos": ("Nigeria", 16_536_000),
    "Lima": ("Peru", 10_092_000),
    "Paris": ("France", 2_103_778),
    "Tokyo": ("Japan", 14_178_000),
}


def answer(request):
    """Answers a request: each record has a result or an error."""
    results, ids, errors = [], [], []
    for position, name in enumerate(request["records"]):
        if name in CITIES:
            country, inhabitants = CITIES[name]
            results.append({"city": name, "country": country, "inhabitants": inhabitants})
            ids.append(position)
        else:
            errors.append({"id": position, "code": "unknown_city"})
    return {"v": 1, "task": request["task"], "results": results, "ids": ids, "errors": errors}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise an answer waits for the client to acknowledge its headers.
    disable_nagle_algorithm = True

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps(answer(request)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
