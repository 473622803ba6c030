package floodway;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Answers the golden vectors a few times before the first event: what they need is loaded and begun
 * to be compiled then, and a package that answers wrongly does not start.
 */
final class WarmUp {
    /** Some 30 ms without SnapStart, where it is part of a cold start. */
    private static final int ROUNDS = 20;

    private WarmUp() {}

    static void run() {
        // {"text":"...","tokens":"..."}, a line each: the strings go into a request as they are.
        StringBuilder texts = new StringBuilder();
        StringBuilder tokens = new StringBuilder();
        for (String line : Resources.text("golden/words.jsonl").split("\n")) {
            int between = line.indexOf(",\"tokens\":");
            texts.append(texts.length() > 0 ? "," : "").append(line, "{\"text\":".length(), between);
            tokens.append(tokens.length() > 0 ? "," : "");
            tokens.append(line, between + ",\"tokens\":".length(), line.length() - 1);
        }
        String request = "{\"v\":1,\"task\":\"words\",\"records\":[" + texts + "]}";
        String body = new String(JsonStringEncoder.getInstance().quoteAsString(request));
        String url = "{\"requestContext\":{\"http\":{}},\"body\":\"" + body + "\"}";
        byte[] begins = ("{\"v\":1,\"task\":\"words\",\"results\":[" + tokens + "],\"ids\":[0,1,")
                .getBytes(StandardCharsets.UTF_8);
        for (String event : new String[] {request, url}) {
            byte[] json = event.getBytes(StandardCharsets.UTF_8);
            for (int round = 0; round < ROUNDS; round++) {
                Bytes answer = Handler.answer(json, false);
                if (!Arrays.equals(answer.room(0), 0, Math.min(answer.length, begins.length), begins, 0, begins.length)) {
                    throw new IllegalStateException(
                            "the golden vectors are not answered as they should be: make the package"
                                    + " again, with functions/java/build");
                }
            }
        }
    }
}
