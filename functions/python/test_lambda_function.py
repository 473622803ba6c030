"""The function's own tests: `python3 -m unittest discover -s functions/python`."""

import json
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import lambda_function  # noqa: E402

GOLDEN = HERE.parent / "golden"


def golden(name):
    """The vectors of a file."""
    # Not splitlines(): texts hold characters that it takes for ends of lines.
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def ask(records):
    return lambda_function.lambda_handler({"v": 1, "task": "words", "records": records}, None)


class Words(unittest.TestCase):
    def test_golden_vectors_one_by_one_and_all_at_once(self):
        vectors = golden("words")
        self.assertGreater(len(vectors), 80)
        for vector in vectors:
            self.assertEqual(ask([vector["text"]])["results"], [vector["tokens"]], vector["text"])
        answer = ask([vector["text"] for vector in vectors])
        self.assertEqual(answer["results"], [vector["tokens"] for vector in vectors])
        self.assertEqual(answer["ids"], list(range(len(vectors))))

    def test_a_huge_record(self):
        for text, words in (("one-two, ", "one two"), ("naïve—日本 ", "naïve 日本")):
            times = (1 << 20) // len(text) + 1
            self.assertEqual(ask([text * times])["results"], [" ".join([words] * times)])
        self.assertEqual(ask(["a" * (1 << 20)])["results"], ["a" * (1 << 20)])


class Requests(unittest.TestCase):
    def test_golden_requests(self):
        vectors = golden("requests")
        self.assertGreater(len(vectors), 20)
        for vector in vectors:
            with self.subTest(vector["name"]):
                self.check(vector)

    def check(self, vector):
        event = json.loads(vector["event"])
        if "answer" in vector:
            answer = lambda_function.lambda_handler(event, None)
            answer.pop("cold", None)
            expected = {**vector["answer"], "version": lambda_function.VERSION}
            self.assertEqual(answer, expected)
            json.dumps(answer).encode()
            return
        if "status" in vector:
            response = lambda_function.lambda_handler(event, None)
            self.assertEqual(response["statusCode"], vector["status"])
            error = json.loads(response["body"])
        else:
            with self.assertRaises(Exception) as raised:
                lambda_function.lambda_handler(event, None)
            raised = raised.exception
            error = {"errorType": type(raised).__name__, "errorMessage": str(raised)}
        self.assertEqual(error["errorType"], vector["error"]["type"])
        for said in vector["error"]["says"]:
            self.assertIn(said, error["errorMessage"])


class Package(unittest.TestCase):
    def test_the_package_answers_by_itself_and_is_cold_once(self):
        subprocess.run([sys.executable, HERE / "build"], check=True, stdout=subprocess.DEVNULL)
        code = """
import json, lambda_function as f
event = {"v": 1, "task": "words", "records": ["a-b"]}
print(json.dumps([f.lambda_handler(event, None), f.lambda_handler(event, None), f.__file__]))
"""
        with tempfile.TemporaryDirectory() as folder:
            zipfile.ZipFile(HERE / "dist" / "function.zip").extractall(folder)
            command = [sys.executable, "-c", code]
            printed = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE).stdout
            first, second, file = json.loads(printed)
            self.assertEqual(Path(file).parent.resolve(), Path(folder).resolve())
        self.assertEqual(first["results"], ["a b"])
        self.assertEqual((first["cold"], second.get("cold")), (True, None))


if __name__ == "__main__":
    unittest.main()
