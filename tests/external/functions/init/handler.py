"""A handler for any JSON value, for tests of wire.py."""

from bad_record import BadRecord


def answer(record):
    if record is None:
        raise BadRecord("null")
    if record == "fail":
        raise ValueError("as asked")
    return record
