"""Tests of `answer`: `python3 -m unittest` in this folder."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from bad_record import BadRecord  # noqa: E402
from handler import answer  # noqa: E402


class Answer(unittest.TestCase):
    def test_the_result_of_a_record(self):
        self.assertEqual(answer("tea,3,150"), "tea 450")
        self.assertEqual(answer("日本茶,2,900"), "日本茶 1800")

    def test_a_bad_record_has_a_code(self):
        for record, code in (("tea,3,", "no_price"), ("tea", "not_three_fields")):
            with self.assertRaises(BadRecord) as raised:
                answer(record)
            self.assertEqual(raised.exception.code, code)

    def test_what_is_no_number_fails(self):
        with self.assertRaises(ValueError):
            answer("tea,three,150")


if __name__ == "__main__":
    unittest.main()
