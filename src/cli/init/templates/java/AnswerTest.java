package function;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.node.TextNode;
import org.junit.jupiter.api.Test;

/** Tests of {@link Answer}: {@code mvn test} in this folder. */
class AnswerTest {
    @Test
    void theResultOfARecord() {
        assertEquals("tea 450", answer("tea,3,150"));
        assertEquals("日本茶 1800", answer("日本茶,2,900"));
    }

    @Test
    void aBadRecordHasACode() {
        assertEquals("no_price", assertThrows(BadRecord.class, () -> answer("tea,3,")).code);
        assertEquals("not_three_fields", assertThrows(BadRecord.class, () -> answer("tea")).code);
    }

    @Test
    void whatIsNoNumberFails() {
        assertThrows(NumberFormatException.class, () -> answer("tea,three,150"));
    }

    private static Object answer(String record) {
        return Answer.answer(TextNode.valueOf(record));
    }
}
