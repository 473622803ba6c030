"""The function of the stage `count` of the program `aggregate`: `count_function.py HOW`.

HOW is `merged`, or a way of answering that workers have to cope with:
- `rows`: the rows of a chunk are not merged, and the results are in another order.
- `refuses`: good records are refused, and every fifth chunk is refused as a whole.
- `wrong`: every fifth chunk has more rows than it should, and says that a record is bad which it does not have.
"""

import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))

import cities  # noqa: E402

HOW = sys.argv[1]


def result(chunk, is_fifth):
    rows, bad = [], []
    for position, number in enumerate(chunk):
        if number % 50 == 49 or HOW == "refuses" and number % 10 == 3:
            bad.append([position, "unlucky"])
        else:
            rows.append([number % 7, [1, number, number]])
    if HOW == "merged":
        merged = {}
        for key, (count, total, most) in rows:
            before = merged.get(key, [0, 0, 0])
            merged[key] = [before[0] + count, before[1] + total, max(before[2], most)]
        rows = list(merged.items())
    if HOW == "wrong" and is_fifth:
        rows.append([1, [1000, 1000, 1000]])
        bad.append([len(chunk), "unlucky"])
    return {"rows": rows, "bad": bad} if bad else rows


def answer(request):
    ids, errors = list(range(len(request["records"]))), []
    if HOW == "rows":
        ids.reverse()
    if HOW == "refuses":
        errors = [{"id": id, "code": "too_many"} for id in ids if id % 5 == 4]
        ids = [id for id in ids if id % 5 != 4]
    results = [result(request["records"][id], id % 5 == 4) for id in ids]
    return {"v": 1, "task": request["task"], "results": results, "ids": ids, "errors": errors}


# The server is that of the example.
cities.answer = answer
server = ThreadingHTTPServer(("127.0.0.1", 0), cities.Handler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
