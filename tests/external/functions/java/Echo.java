import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** A handler without any dependency. */
public class Echo {
    public void handle(InputStream in, OutputStream out) throws IOException, InterruptedException {
        String event = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        if (event.contains("sleep")) {
            Thread.sleep(500);
        }
        if (event.contains("fail")) {
            throw new IllegalStateException("as asked");
        }
        long pid = ProcessHandle.current().pid();
        out.write(("{\"pid\":" + pid + ",\"event\":" + event + "}").getBytes(StandardCharsets.UTF_8));
    }
}
