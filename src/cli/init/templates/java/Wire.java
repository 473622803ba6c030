package function;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The way of records to {@link Answer#answer}, and of its results back. You need not change this file.
 *
 * <pre>
 * request {"v":1,"task":"NAME","records":[RECORD, ...]}
 * answer  {"v":1,"task":"NAME","results":[RESULT, ...],"ids":[0,1, ...],
 *          "errors":[{"id":3,"code":"..."}]}      and on the first request "cold":true
 * </pre>
 *
 * <p>Records and results are any JSON values. The event is the request itself (a direct invoke) or a function URL's
 * (payload version 2), whose body is the request.
 */
public final class Wire {
    private static final int VERSION = 1;
    // A record may be as long as a request, which Lambda bounds at 6 MB.
    private static final JsonMapper JSON =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxStringLength(Integer.MAX_VALUE)
                                                    .build())
                                    .build())
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();
    // The templates and the local Lambda set it, so that the wrong function does not answer.
    private static final String TASK = System.getenv().getOrDefault("FLOODWAY_TASK", "");
    private static final AtomicBoolean COLD = new AtomicBoolean(true);

    /** The event is not a request. */
    static final class InvalidEvent extends RuntimeException {
        private static final long serialVersionUID = 1;

        InvalidEvent(String message) {
            super(message);
        }
    }

    /**
     * Answers one event. What {@code answer} throws, other than {@link BadRecord}, fails the whole request: Floodway
     * then divides it until the record stands alone.
     */
    public void handle(InputStream in, OutputStream out) throws IOException {
        boolean cold = COLD.compareAndSet(true, false);
        JsonNode event = parsed(in.readAllBytes(), "the event");
        if (!event.has("requestContext")) {
            JSON.writeValue(out, answerAll(checked(event), cold));
            return;
        }
        JsonNode request;
        try {
            request = checked(parsed(body(event), "the body"));
        } catch (InvalidEvent error) {
            // A function that fails is a 502 without a reason to a URL's caller: this says what is wrong.
            ObjectNode message = JSON.createObjectNode();
            message.put("errorType", "InvalidEvent").put("errorMessage", error.getMessage());
            ObjectNode response = JSON.createObjectNode().put("statusCode", 400);
            response.putObject("headers").put("content-type", "application/json");
            JSON.writeValue(out, response.put("body", message.toString()));
            return;
        }
        JSON.writeValue(out, answerAll(request, cold));
    }

    private static ObjectNode answerAll(JsonNode request, boolean cold) {
        ObjectNode made = JSON.createObjectNode().put("v", VERSION);
        made.set("task", request.get("task"));
        ArrayNode results = made.putArray("results");
        ArrayNode ids = made.putArray("ids");
        ArrayNode errors = made.putArray("errors");
        int id = 0;
        for (JsonNode record : request.get("records")) {
            try {
                results.add(JSON.<JsonNode>valueToTree(Answer.answer(record)));
                ids.add(id);
            } catch (BadRecord bad) {
                errors.addObject().put("id", id).put("code", bad.code);
            }
            id++;
        }
        return cold ? made.put("cold", true) : made;
    }

    private static JsonNode checked(JsonNode request) {
        if (!request.has("v") || !request.has("task")) {
            throw new InvalidEvent(
                    "the event is not a request: expected {\"v\":1,\"task\":\"NAME\",\"records\":[RECORD, ...]}");
        }
        JsonNode version = request.get("v");
        if (!version.isInt() || version.intValue() != VERSION) {
            String shown = version.toString();
            throw new InvalidEvent(
                    "version " + shown.substring(0, Math.min(shown.length(), 64)) + " of the wire is not version "
                            + VERSION + ", which this function speaks: replace its Wire.java by the one that"
                            + " `floodway init` of the calling floodway writes");
        }
        JsonNode task = request.get("task");
        if (!TASK.isEmpty() && !TASK.equals(task.textValue())) {
            String shown = task.toString();
            throw new InvalidEvent(
                    "the request is for the task " + shown.substring(0, Math.min(shown.length(), 64))
                            + ", and this function computes " + TASK
                            + ": name the function of that task with --lambda");
        }
        if (!request.path("records").isArray()) {
            throw new InvalidEvent("the request has no array \"records\": send one, empty if need be");
        }
        return request;
    }

    private static JsonNode parsed(byte[] json, String what) throws IOException {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException error) {
            throw new InvalidEvent(what + " is not JSON: " + error.getOriginalMessage());
        }
    }

    /** The request that a function URL's event carries. */
    private static byte[] body(JsonNode event) {
        String body = event.path("body").textValue();
        if (body == null || body.isEmpty()) {
            throw new InvalidEvent("the HTTP request has no body: POST a request of floodway's to this URL");
        }
        if (!event.path("isBase64Encoded").booleanValue()) {
            return body.getBytes(StandardCharsets.UTF_8);
        }
        try {
            return Base64.getDecoder().decode(body);
        } catch (IllegalArgumentException error) {
            throw new InvalidEvent("the body is not base64: " + error.getMessage());
        }
    }
}
