package function;

/**
 * Throw it for a record that has no result. The code says why, such as {@code no_price}. You need not change this
 * file.
 */
final class BadRecord extends RuntimeException {
    private static final long serialVersionUID = 1;

    final String code;

    BadRecord(String code) {
        // Without a stack trace: nobody reads it, and many records may be bad.
        super(code, null, false, false);
        this.code = code;
    }
}
