// Tests of `answer`: `node --test` in this folder.
import assert from "node:assert/strict";
import { test } from "node:test";

import { answer } from "./src/handler.mjs";

test("the result of a record", async () => {
  assert.equal(await answer("tea,3,150"), "tea 450");
  assert.equal(await answer("日本茶,2,900"), "日本茶 1800");
});

test("a bad record has a code", async () => {
  for (const [record, code] of [["tea,3,", "no_price"], ["tea", "not_three_fields"]]) {
    await assert.rejects(async () => answer(record), { name: "BadRecord", code });
  }
});

test("what is no number fails", async () => {
  await assert.rejects(async () => answer("tea,three,150"), SyntaxError);
});
