"""Floodway's task `words` as a Lambda function: a request in, an answer out.

    request {"v":1,"task":"words","records":["text", ...]}
    answer  {"v":1,"task":"words","results":["tok tok", ...],"ids":[0,1, ...],
             "errors":[{"id":3,"code":"..."}],"version":"0.1.0"}      and maybe "cold":true

The event is the request itself (a direct invoke) or a function URL's (payload version 2), whose body
is the request. Only the standard library is used; what can be set up before the first event is.
"""

import base64
import json
import re
from pathlib import Path

WIRE = 1
TASKS = ("words",)


class InvalidEvent(Exception):
    """The event is not a request."""


class InvalidRequest(Exception):
    """A request that this function does not understand."""


def _read(name):
    """A file that stands beside this one in the package, and one folder up in the sources."""
    here = Path(__file__).resolve().parent
    for folder in (here, here.parent):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(f"{name} is not in the package: make it with functions/python/build")


def _ranges(table):
    """The ranges of the table of word characters: first and last code point."""
    lines = (line.strip() for line in table.splitlines())
    pairs = (line.split("-") for line in lines if line and not line.startswith("#"))
    return [(int(first, 16), int(last, 16)) for first, last in pairs]


VERSION = _read("VERSION").strip()
# Python's own `\w` is of another version of Unicode: results would depend on where they were made.
_RANGES = _ranges(_read("words.ranges"))
_words = re.compile(f"[{''.join(f'{chr(a)}-{chr(b)}' for a, b in _RANGES)}]+").findall
# Most text is ASCII, for which putting spaces between words and splitting there is far faster.
_SPACES = {code: " " for code in range(128) if not any(a <= code <= b for a, b in _RANGES)}

_cold = True


def lambda_handler(event, context):
    """Answers one event."""
    global _cold
    cold, _cold = _cold, False
    if isinstance(event, dict) and "requestContext" in event:
        try:
            return answer(_body(event), cold)
        except (InvalidEvent, InvalidRequest) as error:
            # A function that fails is a bare 502 to a URL's caller: this says what to do.
            message = {"errorType": type(error).__name__, "errorMessage": str(error)}
            headers = {"content-type": "application/json"}
            return {"statusCode": 400, "headers": headers, "body": json.dumps(message)}
    return answer(event, cold)


def answer(request, cold):
    """The answer to a request."""
    if not isinstance(request, dict) or "v" not in request or "task" not in request:
        expected = '{"v":1,"task":"words","records":["text", ...]}'
        raise InvalidEvent(f"the event is not a request: expected {expected}")
    version, task, records = request["v"], request["task"], request.get("records")
    if type(version) is not int or version != WIRE:
        raise InvalidRequest(
            f"version {_shown(version)} of the wire is not version {WIRE}, which this function "
            f"({VERSION}) speaks: deploy the function that came with the floodway that calls it"
        )
    if task not in TASKS:
        raise InvalidRequest(
            f"there is no task {_shown(task)} in this function ({VERSION}, Python), which has "
            f"{', '.join(TASKS)}: call one that has it, or ask for one of these with --task"
        )
    if not isinstance(records, list):
        raise InvalidEvent("the request has no array \"records\": send one, empty if need be")
    results, ids, errors = _compute(records)
    made = {"v": WIRE, "task": task, "results": results, "ids": ids, "errors": errors}
    made["version"] = VERSION
    if cold:
        made["cold"] = True
    return made


def _compute(records):
    """The results, the ids that they are of, and the errors of the records that have none."""
    try:
        # All of them at once: whether any is not a string, or has half a surrogate pair.
        "".join(records).encode()
    except (TypeError, UnicodeEncodeError):
        codes = [_code(record) for record in records]
        ids = [id for id, code in enumerate(codes) if code is None]
        errors = [{"id": id, "code": code} for id, code in enumerate(codes) if code]
        return [words(records[id]) for id in ids], ids, errors
    return [words(record) for record in records], list(range(len(records))), []


def words(text):
    """The words of a text, joined by single spaces."""
    if text.isascii():
        return " ".join(text.translate(_SPACES).split())
    return " ".join(_words(text))


def _code(record):
    """Why a record is bad, if it is."""
    if not isinstance(record, str):
        return "not_a_string"
    try:
        record.encode()
    except UnicodeEncodeError:
        return "invalid_utf8"
    return None


def _body(event):
    """The request that a function URL's event carries."""
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise InvalidEvent("the HTTP request has no body: POST a request of floodway's to this URL")
    try:
        encoded = event.get("isBase64Encoded")
        return json.loads(base64.b64decode(body, validate=True) if encoded else body)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the body is not JSON: {error}") from error


def _shown(value):
    """A value of a request, short enough for an error."""
    return json.dumps(value)[:64]
