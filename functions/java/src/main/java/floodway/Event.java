package floodway;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.io.IOException;
import java.util.BitSet;

/**
 * An event, read in one pass. Its records are computed as they are read, before it is known whether
 * the rest of the request is right: of one that is not, what was computed is dropped.
 */
final class Event {
    // A record may be as long as a request: what bounds it is Lambda, at 6 MB.
    private static final JsonFactory JSON =
            JsonFactory.builder()
                    .streamReadConstraints(
                            StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build())
                    .build();

    /** The wire's version as JSON; null if there is none. */
    String version;

    /** The task as JSON; null if there is none. */
    String task;

    /** Whether there is an array of records. */
    boolean hasRecords;

    /** A function URL's: it has the request in its body. */
    boolean isUrl;

    String body;
    boolean isBase64;

    /** How many records there are. */
    int records;

    /** The results so far, as elements of a JSON array. */
    final Bytes results;

    /** The ids of the records that have none, and why, as elements of a JSON array. */
    final Bytes errors = new Bytes(0);

    /** Which records have none: null while that is so of none. */
    private BitSet bad;

    private Event(int bytes) {
        results = new Bytes(bytes);
    }

    /** Reads an event. */
    static Event of(byte[] json) throws IOException {
        Event event = new Event(json.length + 256);
        try (JsonParser parser = JSON.createParser(json)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return event;
            }
            for (String name; (name = parser.nextFieldName()) != null; ) {
                parser.nextToken();
                event.field(name, parser);
            }
            if (parser.nextToken() != null) {
                throw new InvalidEvent("there is something behind the end of the JSON");
            }
        }
        return event;
    }

    private void field(String name, JsonParser parser) throws IOException {
        JsonToken token = parser.currentToken();
        switch (name) {
            case "v" -> version = shown(parser, token);
            case "task" -> task = shown(parser, token);
            case "records" -> {
                if (hasRecords) {
                    throw new InvalidEvent("the request has \"records\" twice");
                }
                hasRecords = token == JsonToken.START_ARRAY;
                if (hasRecords) {
                    records(parser);
                    return;
                }
            }
            case "body" -> body = token == JsonToken.VALUE_STRING ? parser.getText() : null;
            case "isBase64Encoded" -> isBase64 = token == JsonToken.VALUE_TRUE;
            case "requestContext" -> isUrl = true;
            default -> {}
        }
        parser.skipChildren();
    }

    private void records(JsonParser parser) throws IOException {
        for (JsonToken token; (token = parser.nextToken()) != JsonToken.END_ARRAY; records++) {
            if (token != JsonToken.VALUE_STRING) {
                parser.skipChildren();
                refuse("not_a_string");
                continue;
            }
            int before = results.length;
            if (before > 0) {
                results.put(',');
            }
            results.put('"');
            int from = parser.getTextOffset();
            if (!Words.append(
                    parser.getTextCharacters(), from, from + parser.getTextLength(), results)) {
                results.length = before;
                refuse("invalid_utf8");
                continue;
            }
            results.put('"');
        }
    }

    /** A value as JSON, as far as an error shows it. */
    private static String shown(JsonParser parser, JsonToken token) throws IOException {
        if (!token.isScalarValue()) {
            return token.asString();
        }
        String text = parser.getText();
        if (token != JsonToken.VALUE_STRING) {
            return text;
        }
        return '"' + new String(JsonStringEncoder.getInstance().quoteAsString(text)) + '"';
    }

    private void refuse(String code) {
        if (bad == null) {
            bad = new BitSet();
        }
        bad.set(records);
        errors.put(errors.length > 0 ? ",{\"id\":" : "{\"id\":").put(Integer.toString(records));
        errors.put(",\"code\":\"").put(code).put("\"}");
    }

    /** Appends the ids of the records that have a result, as elements of a JSON array. */
    void appendIds(Bytes out) {
        boolean first = true;
        for (int id = 0; id < records; id++) {
            if (bad != null && bad.get(id)) {
                continue;
            }
            if (!first) {
                out.put(',');
            }
            first = false;
            out.put(id);
        }
    }
}
