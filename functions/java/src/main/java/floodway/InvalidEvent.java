package floodway;

/** The event is not a request. */
public final class InvalidEvent extends RuntimeException {
    InvalidEvent(String message) {
        super(message);
    }
}
