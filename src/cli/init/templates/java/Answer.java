package function;

import com.fasterxml.jackson.databind.JsonNode;

/** The function: {@code answer} takes one record and returns its result. Put your own code in its place. */
final class Answer {
    /** The price of an order: {@code tea,3,150} is 3 pieces for 150 each, and its result is {@code tea 450}. */
    static Object answer(JsonNode record) {
        String[] fields = record.textValue().split(",", -1);
        if (fields.length != 3) {
            throw new BadRecord("not_three_fields");
        }
        if (fields[2].isEmpty()) {
            throw new BadRecord("no_price");
        }
        return fields[0] + " " + Math.multiplyExact(Long.parseLong(fields[1]), Long.parseLong(fields[2]));
    }
}
