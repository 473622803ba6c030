//! How long to wait before another attempt.

use std::time::Duration;

use super::Settings;

/// Full jitter, as in AWS's clients: a random part of `base · 2^attempt`, up to the cap, so that clients that
/// failed together do not retry together. `random` is in [0, 1). If the server asks for a delay
/// (`Retry-After`), that delay is used, up to the cap.
pub(crate) fn delay(
    settings: &Settings,
    throttled: bool,
    attempt: u32,
    retry_after: Option<Duration>,
    random: f64,
) -> Duration {
    let base = if throttled { settings.throttle_backoff } else { settings.backoff };
    let widest = base.saturating_mul(2_u32.saturating_pow(attempt)).min(settings.max_backoff);
    let jittered = widest.mul_f64(random);
    retry_after.map_or(jittered, |asked| asked.min(settings.max_backoff).max(jittered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_the_cap_and_follows_retry_after() {
        let settings = Settings::default();
        let half = |throttled, attempt| delay(&settings, throttled, attempt, None, 0.5);
        assert_eq!(half(false, 0), Duration::from_millis(25));
        assert_eq!(half(false, 3), Duration::from_millis(200));
        assert_eq!(half(true, 1), Duration::from_secs(1));
        assert_eq!(half(false, 40), Duration::from_secs(10));
        let asked = Some(Duration::from_secs(3));
        assert_eq!(delay(&settings, true, 0, asked, 0.0), Duration::from_secs(3));
        let long = Some(Duration::from_secs(3_000));
        assert_eq!(delay(&settings, true, 0, long, 0.0), settings.max_backoff);
    }
}
