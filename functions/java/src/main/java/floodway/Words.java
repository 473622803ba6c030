package floodway;

import java.util.Arrays;

/**
 * The task {@code words}: the words of a text, joined by single spaces.
 *
 * <p>Which characters are of a word stands in {@code words.ranges}, which Rust and Python read too:
 * Java's own tables are of another version of Unicode, and results would depend on where they were
 * made.
 */
final class Words {
    /** One bit a code point: whether it is of a word. */
    private static final long[] TABLE = table(Resources.text("words.ranges"));

    private Words() {}

    /**
     * Appends the words of a text.
     *
     * @return whether the text is one: half of a surrogate pair is no character, and what was appended
     *     until then is to be taken back
     */
    static boolean append(char[] text, int from, int to, Bytes out) {
        // A character becomes three bytes at most (two become four), and a space is one character.
        byte[] bytes = out.room(3 * (to - from) + 1);
        int at = out.length;
        int began = at;
        boolean between = false;
        for (int index = from; index < to; index++) {
            int code = text[index];
            if (Character.isSurrogate((char) code)) {
                if (Character.isLowSurrogate((char) code)
                        || index + 1 == to
                        || !Character.isLowSurrogate(text[index + 1])) {
                    return false;
                }
                code = Character.toCodePoint((char) code, text[++index]);
            }
            if ((TABLE[code >> 6] >>> code & 1) == 0) {
                between = true;
                continue;
            }
            if (between && at > began) {
                bytes[at++] = ' ';
            }
            between = false;
            at = put(bytes, at, code);
        }
        out.length = at;
        return true;
    }

    /** Writes a character's UTF-8. None of a word needs an escape in JSON. */
    private static int put(byte[] bytes, int at, int code) {
        if (code < 0x80) {
            bytes[at++] = (byte) code;
        } else if (code < 0x800) {
            bytes[at++] = (byte) (0xC0 | code >> 6);
            bytes[at++] = (byte) (0x80 | code & 0x3F);
        } else if (code < 0x10000) {
            bytes[at++] = (byte) (0xE0 | code >> 12);
            bytes[at++] = (byte) (0x80 | code >> 6 & 0x3F);
            bytes[at++] = (byte) (0x80 | code & 0x3F);
        } else {
            bytes[at++] = (byte) (0xF0 | code >> 18);
            bytes[at++] = (byte) (0x80 | code >> 12 & 0x3F);
            bytes[at++] = (byte) (0x80 | code >> 6 & 0x3F);
            bytes[at++] = (byte) (0x80 | code & 0x3F);
        }
        return at;
    }

    private static long[] table(String ranges) {
        long[] table = new long[(Character.MAX_CODE_POINT + 1) / 64];
        for (String line : ranges.split("\n")) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            String[] ends = line.strip().split("-");
            int last = Integer.parseInt(ends[1], 16);
            for (int code = Integer.parseInt(ends[0], 16); code <= last; code++) {
                table[code >> 6] |= 1L << code;
            }
        }
        // Then what needs an escape is never of a word, which writing it relies on.
        if (Arrays.stream(new int[] {'"', '\\', '\n', 0}).anyMatch(c -> (table[c >> 6] >>> c & 1) != 0)) {
            throw new IllegalStateException("words.ranges has characters that JSON escapes");
        }
        return table;
    }
}
