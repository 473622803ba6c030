package floodway;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Bytes that grow: an answer is written into it, and then out as one. */
final class Bytes {
    /** Used up to {@link #length}. */
    private byte[] bytes;

    /** How many there are. What is put into {@link #room} is counted by whoever puts it. */
    int length;

    Bytes(int capacity) {
        bytes = new byte[capacity];
    }

    /** The array, with room for so many more from {@link #length} on. */
    byte[] room(int more) {
        if (bytes.length - length < more) {
            bytes = Arrays.copyOf(bytes, Math.addExact(Math.max(2 * length, 64), more));
        }
        return bytes;
    }

    Bytes put(char ascii) {
        room(1)[length++] = (byte) ascii;
        return this;
    }

    /** Appends a number that is not negative, in decimal. */
    Bytes put(int number) {
        byte[] digits = room(11);
        int end = length + 1;
        for (int rest = number; rest > 9; rest /= 10) {
            end++;
        }
        for (int at = end; at > length; number /= 10) {
            digits[--at] = (byte) ('0' + number % 10);
        }
        length = end;
        return this;
    }

    Bytes put(Bytes other) {
        System.arraycopy(other.bytes, 0, room(other.length), length, other.length);
        length += other.length;
        return this;
    }

    Bytes put(String text) {
        byte[] added = text.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(added, 0, room(added.length), length, added.length);
        length += added.length;
        return this;
    }

    void writeTo(OutputStream out) throws IOException {
        out.write(bytes, 0, length);
    }
}
