"""What a function may do, good and bad: event["do"] says it. Runs under AWS's awslambdaric."""

import os
import subprocess
import sys
import time

CALLS = 0


def lambda_handler(event, context):
    global CALLS
    CALLS += 1
    if event.get("version") == "2.0":
        return by_url(event)
    return DO[event["do"]](event, context)


def by_url(event):
    """What came, or the response that the body asks for."""
    import json

    body = json.loads(event.get("body") or "{}")
    if "respond" in body:
        return body["respond"]
    if "do" in body:
        return DO[body["do"]](body, None)
    return {"event": event}


def tell(event, context):
    return {
        "pid": os.getpid(),
        "calls": CALLS,
        "event": event,
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "left_ms": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
    }


def sleep(event, context):
    time.sleep(event["seconds"])
    return {"pid": os.getpid()}


def leave(event, context):
    os._exit(event["status"])


def die(event, context):
    os.kill(os.getpid(), event["signal"])


def fail(event, context):
    raise ValueError(event["why"])


def show(event, context):
    """Prints so many bytes, in lines of a hundred."""
    line = "x" * 99 + "\n"
    for _ in range(event["bytes"] // 100):
        sys.stdout.write(line)
    print("the last line of", os.getpid())
    print("to standard error", file=sys.stderr)
    return {"pid": os.getpid()}


def fork(event, context):
    """A child that holds on to everything, and whose number stands in a file."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(event["file"], "w") as file:
        file.write(str(child.pid))
    if event.get("then") == "leave":
        os._exit(1)
    if event.get("then") == "sleep":
        time.sleep(600)
    return {"pid": os.getpid(), "child": child.pid}


def allocate(event, context):
    kept = []
    for _ in range(event["mb"]):
        kept.append(bytearray(b"x" * 1_000_000))
    time.sleep(event.get("seconds", 0))
    return {"mb": len(kept)}


def grow_in_a_child(event, context):
    code = f"import time; kept = b'x' * ({event['mb']} * 1000000); time.sleep(60)"
    subprocess.run([sys.executable, "-c", code])
    return {"pid": os.getpid()}


def much(event, context):
    return "x" * event["bytes"]


DO = {
    f.__name__: f
    for f in (tell, sleep, leave, die, fail, show, fork, allocate, grow_in_a_child, much)
}
