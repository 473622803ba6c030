"""The function: `answer` takes one record and returns its result. Put your own code in its place."""

from bad_record import BadRecord


def answer(record):
    """The price of an order: `tea,3,150` is 3 pieces for 150 each, and its result is `tea 450`."""
    fields = record.split(",")
    if len(fields) != 3:
        raise BadRecord("not_three_fields")
    item, pieces, price = fields
    if not price:
        raise BadRecord("no_price")
    return f"{item} {int(pieces) * int(price)}"
