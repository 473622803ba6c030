package floodway;

/** A request that this function does not understand. */
public final class InvalidRequest extends RuntimeException {
    InvalidRequest(String message) {
        super(message);
    }
}
