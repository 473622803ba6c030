package floodway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class HandlerTest {
    private static final Path GOLDEN = Path.of("..", "golden");
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String VERSION = read(Path.of("..", "VERSION")).strip();

    @Test
    void goldenVectorsOneByOneAndAllAtOnce() throws IOException {
        List<JsonNode> vectors = golden("words");
        assertTrue(vectors.size() > 80);
        List<String> texts = new ArrayList<>();
        for (int at = 0; at < vectors.size(); at++) {
            texts.add(vectors.get(at).get("text").textValue());
            JsonNode answer = ask(List.of(texts.get(at)));
            assertEquals(vectors.get(at).get("tokens"), answer.get("results").get(0), texts.get(at));
        }
        JsonNode answer = ask(texts);
        assertEquals(vectors.size(), answer.get("results").size());
        for (int at = 0; at < vectors.size(); at++) {
            assertEquals(vectors.get(at).get("tokens"), answer.get("results").get(at));
            assertEquals(at, answer.get("ids").get(at).intValue());
        }
    }

    @Test
    void aHugeRecord() throws IOException {
        for (String[] pair : new String[][] {{"one-two, ", "one two "}, {"naïve—日本 𝔘 ", "naïve 日本 𝔘 "}}) {
            int times = (1 << 20) / pair[0].length() + 1;
            JsonNode answer = ask(List.of(pair[0].repeat(times), "x"));
            assertEquals(pair[1].repeat(times).strip(), answer.get("results").get(0).textValue());
            assertEquals("x", answer.get("results").get(1).textValue());
        }
        String one = "a".repeat(1 << 20);
        assertEquals(one, ask(List.of(one)).get("results").get(0).textValue());
    }

    @TestFactory
    Stream<DynamicTest> goldenRequests() {
        List<JsonNode> vectors = golden("requests");
        assertTrue(vectors.size() > 20);
        return vectors.stream()
                .map(vector -> DynamicTest.dynamicTest(vector.get("name").textValue(), () -> check(vector)));
    }

    private void check(JsonNode vector) throws IOException {
        String event = vector.get("event").textValue();
        if (vector.has("answer")) {
            ObjectNode expected = vector.get("answer").deepCopy();
            expected.put("version", VERSION);
            ObjectNode answer = (ObjectNode) JSON.readTree(handle(event));
            answer.remove("cold");
            assertEquals(expected, answer);
            return;
        }
        String type;
        String message;
        if (vector.has("status")) {
            JsonNode response = JSON.readTree(handle(event));
            assertEquals(vector.get("status"), response.get("statusCode"));
            JsonNode error = JSON.readTree(response.get("body").textValue());
            type = error.get("errorType").textValue();
            message = error.get("errorMessage").textValue();
        } else {
            RuntimeException error = assertThrows(RuntimeException.class, () -> handle(event));
            type = error.getClass().getSimpleName();
            message = error.getMessage();
        }
        assertEquals(vector.get("error").get("type").textValue(), type);
        for (JsonNode said : vector.get("error").get("says")) {
            assertTrue(message.contains(said.textValue()), message);
        }
    }

    @Test
    void whatIsNoJsonSaysSo() {
        String[] events = {"", "{", "{\"v\":1", "{\"v\":1,\"task\":\"words\",\"records\":[]} x", "{\"records\":[\"a"};
        for (String event : events) {
            assertThrows(InvalidEvent.class, () -> handle(event), event);
        }
        String twice = "{\"v\":1,\"task\":\"words\",\"records\":[\"a\"],\"records\":[\"b\"]}";
        assertThrows(InvalidEvent.class, () -> handle(twice));
    }

    @Test
    void coldOnce() throws Exception {
        // A class loader of its own is an environment of its own.
        String event = "{\"v\":1,\"task\":\"words\",\"records\":[\"a-b\"]}";
        var classes = Path.of("target", "classes").toUri().toURL();
        var core = Handler.class.getClassLoader().loadClass("com.fasterxml.jackson.core.JsonFactory");
        var libraries = core.getProtectionDomain().getCodeSource().getLocation();
        try (var loader = new java.net.URLClassLoader(new java.net.URL[] {classes, libraries}, null)) {
            Class<?> handler = loader.loadClass("floodway.Handler");
            Object instance = handler.getConstructor().newInstance();
            var method = handler.getMethod("handle", java.io.InputStream.class, java.io.OutputStream.class);
            String[] answers = new String[2];
            for (int at = 0; at < 2; at++) {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                method.invoke(instance, new ByteArrayInputStream(event.getBytes(StandardCharsets.UTF_8)), out);
                answers[at] = out.toString(StandardCharsets.UTF_8);
            }
            assertTrue(JSON.readTree(answers[0]).get("cold").booleanValue());
            assertFalse(JSON.readTree(answers[1]).has("cold"));
        }
    }

    private static JsonNode ask(List<String> records) throws IOException {
        ObjectNode request = JSON.createObjectNode();
        request.put("v", 1).put("task", "words");
        request.set("records", JSON.valueToTree(records));
        return JSON.readTree(handle(request.toString()));
    }

    private static byte[] handle(String event) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new Handler().handle(new ByteArrayInputStream(event.getBytes(StandardCharsets.UTF_8)), out);
        return out.toByteArray();
    }

    private static List<JsonNode> golden(String name) {
        try {
            List<JsonNode> vectors = new ArrayList<>();
            // Not lines(): texts may hold what it takes for ends of lines.
            for (String line : read(GOLDEN.resolve(name + ".jsonl")).split("\n")) {
                vectors.add(JSON.readTree(line));
            }
            return vectors;
        } catch (IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    private static String read(Path path) {
        try {
            return Files.readString(path);
        } catch (IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }
}
