"""The exception of a record that has no result. You need not change this file."""


class BadRecord(Exception):
    """Raise it for a record that has no result. The code says why, such as `no_price`."""

    def __init__(self, code):
        super().__init__(code)
        self.code = str(code)
