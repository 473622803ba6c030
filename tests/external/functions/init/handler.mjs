// A handler for any JSON value, for tests of wire.mjs.
import { BadRecord } from "./bad_record.mjs";

export async function answer(record) {
  if (record === null) throw new BadRecord("null");
  if (record === "fail") throw new TypeError("as asked");
  if (record === "nothing") return undefined;
  return record;
}
