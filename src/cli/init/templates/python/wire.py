"""The way of records to `answer` in handler.py, and of its results back. You need not change this file.

    request {"v":1,"task":"NAME","records":[RECORD, ...]}
    answer  {"v":1,"task":"NAME","results":[RESULT, ...],"ids":[0,1, ...],
             "errors":[{"id":3,"code":"..."}]}      and on the first request "cold":true

Records and results are any JSON values. The event is the request itself (a direct invoke) or a function
URL's (payload version 2), whose body is the request.
"""

import base64
import json
import os

from bad_record import BadRecord
from handler import answer

VERSION = 1
# The templates and the local Lambda set it, so that the wrong function does not answer.
TASK = os.environ.get("FLOODWAY_TASK")
_cold = True


class InvalidEvent(Exception):
    """The event is not a request."""


def lambda_handler(event, context):
    """Answers one event. What `answer` raises, other than BadRecord, fails the whole request: Floodway then
    divides it until the record stands alone."""
    global _cold
    cold, _cold = _cold, False
    if not isinstance(event, dict) or "requestContext" not in event:
        return _answer_all(_checked(event), cold)
    try:
        request = _checked(_body(event))
    except InvalidEvent as error:
        # A function that fails is a 502 without a reason to a URL's caller: this says what is wrong.
        message = {"errorType": "InvalidEvent", "errorMessage": str(error)}
        headers = {"content-type": "application/json"}
        return {"statusCode": 400, "headers": headers, "body": json.dumps(message)}
    return _answer_all(request, cold)


def _answer_all(request, cold):
    results, ids, errors = [], [], []
    for id, record in enumerate(request["records"]):
        try:
            results.append(answer(record))
            ids.append(id)
        except BadRecord as bad:
            errors.append({"id": id, "code": bad.code})
    made = {"v": VERSION, "task": request["task"], "results": results, "ids": ids, "errors": errors}
    if cold:
        made["cold"] = True
    return made


def _checked(request):
    if not isinstance(request, dict) or "v" not in request or "task" not in request:
        expected = '{"v":1,"task":"NAME","records":[RECORD, ...]}'
        raise InvalidEvent(f"the event is not a request: expected {expected}")
    version = request["v"]
    if type(version) is not int or version != VERSION:
        raise InvalidEvent(
            f"version {json.dumps(version)[:64]} of the wire is not version {VERSION}, which this function "
            "speaks: replace its wire.py by the one that `floodway init` of the calling floodway writes"
        )
    if TASK and request["task"] != TASK:
        raise InvalidEvent(
            f"the request is for the task {json.dumps(request['task'])[:64]}, and this function computes {TASK}: "
            "name the function of that task with --lambda"
        )
    if not isinstance(request.get("records"), list):
        raise InvalidEvent('the request has no array "records": send one, empty if need be')
    return request


def _body(event):
    """The request that a function URL's event carries."""
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise InvalidEvent("the HTTP request has no body: POST a request of floodway's to this URL")
    try:
        is_encoded = event.get("isBase64Encoded")
        return json.loads(base64.b64decode(body, validate=True) if is_encoded else body)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the body is not JSON: {error}") from error
