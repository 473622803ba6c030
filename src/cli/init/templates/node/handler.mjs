// The function: `answer` takes one record and returns its result. Put your own code in its place.
import { BadRecord } from "./bad_record.mjs";

// The price of an order: `tea,3,150` is 3 pieces for 150 each, and its result is `tea 450`.
export function answer(record) {
  const fields = record.split(",");
  if (fields.length !== 3) throw new BadRecord("not_three_fields");
  const [item, pieces, price] = fields;
  if (!price) throw new BadRecord("no_price");
  return `${item} ${BigInt(pieces) * BigInt(price)}`;
}
