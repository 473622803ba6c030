package floodway;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Floodway's task {@code words} as a Lambda function: a request in, an answer out.
 *
 * <pre>
 * request {"v":1,"task":"words","records":["text", ...]}
 * answer  {"v":1,"task":"words","results":["tok tok", ...],"ids":[0,1, ...],
 *          "errors":[{"id":3,"code":"..."}],"version":"0.1.0"}      and maybe "cold":true
 * </pre>
 *
 * <p>The event is the request itself (a direct invoke) or a function URL's (payload version 2), whose
 * body is the request. All state is made when the class is, and it is warmed then: SnapStart keeps
 * both. There is no clock, no random number and no socket in it, which a restored copy would share.
 */
public final class Handler {
    private static final String TASK = "\"words\"";
    private static final String VERSION = Resources.text("VERSION").strip();
    private static final AtomicBoolean COLD = new AtomicBoolean(true);

    static {
        WarmUp.run();
    }

    /** Answers one event. */
    public void handle(InputStream in, OutputStream out) throws IOException {
        answer(in.readAllBytes(), COLD.compareAndSet(true, false)).writeTo(out);
    }

    /** The answer to an event. */
    static Bytes answer(byte[] json, boolean cold) {
        Event event = read(json, "the event");
        if (!event.isUrl) {
            return answer(event, cold);
        }
        try {
            return answer(read(body(event), "the body"), cold);
        } catch (InvalidEvent | InvalidRequest error) {
            // A function that fails is a bare 502 to a URL's caller: this says what to do.
            String message =
                    "{\"errorType\":" + quoted(error.getClass().getSimpleName())
                            + ",\"errorMessage\":" + quoted(error.getMessage()) + "}";
            return new Bytes(512)
                    .put("{\"statusCode\":400,\"headers\":{\"content-type\":\"application/json\"},\"body\":")
                    .put(quoted(message))
                    .put('}');
        }
    }

    private static Bytes answer(Event event, boolean cold) {
        check(event);
        Bytes made = new Bytes(event.results.length + 8 * event.records + event.errors.length + 128);
        made.put("{\"v\":1,\"task\":").put(TASK);
        made.put(",\"results\":[").put(event.results);
        made.put("],\"ids\":[");
        event.appendIds(made);
        made.put("],\"errors\":[").put(event.errors);
        made.put("],\"version\":").put(quoted(VERSION));
        return made.put(cold ? ",\"cold\":true}" : "}");
    }

    private static void check(Event event) {
        if (event.version == null || event.task == null) {
            throw new InvalidEvent(
                    "the event is not a request: expected"
                            + " {\"v\":1,\"task\":\"words\",\"records\":[\"text\", ...]}");
        }
        if (!event.version.equals("1")) {
            throw new InvalidRequest(
                    "version " + start(event.version) + " of the wire is not version 1, which this"
                            + " function (" + VERSION + ") speaks: deploy the function that came with"
                            + " the floodway that calls it");
        }
        if (!event.task.equals(TASK)) {
            throw new InvalidRequest(
                    "there is no task " + start(event.task) + " in this function (" + VERSION
                            + ", Java), which has words: call one that has it, or ask for one of"
                            + " these with --task");
        }
        if (!event.hasRecords) {
            throw new InvalidEvent(
                    "the request has no array \"records\": send one, empty if need be");
        }
    }

    private static Event read(byte[] json, String what) {
        try {
            return Event.of(json);
        } catch (JsonProcessingException error) {
            throw new InvalidEvent(what + " is not JSON: " + error.getOriginalMessage());
        } catch (IOException error) {
            throw new InvalidEvent(what + " is not JSON: " + error.getMessage());
        }
    }

    /** The request that a function URL's event carries. */
    private static byte[] body(Event event) {
        if (event.body == null || event.body.isEmpty()) {
            throw new InvalidEvent(
                    "the HTTP request has no body: POST a request of floodway's to this URL");
        }
        if (!event.isBase64) {
            return event.body.getBytes(StandardCharsets.UTF_8);
        }
        try {
            return Base64.getDecoder().decode(event.body);
        } catch (IllegalArgumentException error) {
            throw new InvalidEvent("the body is not base64: " + error.getMessage());
        }
    }

    private static String start(String text) {
        return text.substring(0, Math.min(text.length(), 64));
    }

    private static String quoted(String text) {
        return '"' + new String(JsonStringEncoder.getInstance().quoteAsString(text)) + '"';
    }
}
