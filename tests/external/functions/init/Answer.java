package function;

import com.fasterxml.jackson.databind.JsonNode;

/** A handler for any JSON value, for tests of Wire.java. */
final class Answer {
    static Object answer(JsonNode record) {
        if (record.isNull()) {
            throw new BadRecord("null");
        }
        if ("fail".equals(record.textValue())) {
            throw new IllegalStateException("as asked");
        }
        return record;
    }
}
