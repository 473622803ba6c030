//! Which windows there are.

use std::time::Duration;

/// The windows of a stream.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use floodway::window::Windows;
///
/// let ten_seconds = Duration::from_secs(10);
/// let hopping = Windows::sliding(ten_seconds, Duration::from_secs(2))?;
/// assert!(Windows::sliding(ten_seconds, Duration::from_secs(3)).is_err(), "3 s do not divide 10 s");
/// # Ok::<(), floodway::window::WindowError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows(pub(crate) Kind);

/// The kinds of windows, with lengths in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Windows of `size` that begin at each multiple of `slide`.
    Fixed {
        size: i64,
        slide: i64,
    },
    Session {
        gap: i64,
    },
}

/// Why windows cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// A length is not a whole number of milliseconds from 1 ms to 100 years.
    #[error(
        "a window's {what} of {length:?} is not allowed: it has to be a whole number of milliseconds, from 1 ms to 100 years"
    )]
    Length {
        /// Which length.
        what: &'static str,
        /// What was asked for.
        length: Duration,
    },
    /// The slide does not divide the size, so that windows would not consist of whole panes.
    #[error(
        "a slide of {slide:?} does not divide a window of {size:?}: choose a slide of which the window is a multiple"
    )]
    Slide {
        /// The length of a window.
        size: Duration,
        /// The time from the beginning of a window to that of the next one.
        slide: Duration,
    },
}

impl Windows {
    /// Creates windows of `size` that follow each other. They begin at multiples of `size` since 1970.
    ///
    /// # Errors
    /// If the size is not a whole number of milliseconds, from 1 ms to 100 years.
    pub fn tumbling(size: Duration) -> Result<Self, WindowError> {
        let size = millis("size", size)?;
        Ok(Windows(Kind::Fixed { size, slide: size }))
    }

    /// Creates windows of `size` that begin at each multiple of `slide` since 1970, so that they overlap.
    ///
    /// # Errors
    /// If a length is not a whole number of milliseconds, from 1 ms to 100 years, or the slide does not divide the size.
    pub fn sliding(size: Duration, slide: Duration) -> Result<Self, WindowError> {
        let kind = Kind::Fixed { size: millis("size", size)?, slide: millis("slide", slide)? };
        match kind {
            Kind::Fixed { size: length, slide: step } if length % step != 0 => {
                Err(WindowError::Slide { size, slide })
            }
            _ => Ok(Windows(kind)),
        }
    }

    /// Creates a window for each session of a key: records of which each comes less than `gap` after the one before.
    ///
    /// # Errors
    /// If the gap is not a whole number of milliseconds, from 1 ms to 100 years.
    pub fn session(gap: Duration) -> Result<Self, WindowError> {
        Ok(Windows(Kind::Session { gap: millis("gap", gap)? }))
    }

    /// Returns the start of the pane of `time`. A pane is the span between two borders of windows: the size of tumbling
    /// windows, the slide of sliding ones, and a millisecond for sessions. Rows of one key and pane are in the same windows,
    /// so they may be merged before they come to the windows.
    pub fn pane(self, time: i64) -> i64 {
        match self.0 {
            Kind::Fixed { slide, .. } => time.saturating_sub(time.rem_euclid(slide)),
            Kind::Session { .. } => time,
        }
    }

    /// Returns what the state depends on, as errors show it.
    pub(crate) fn identity(&self) -> String {
        match self.0 {
            Kind::Fixed { size, slide } if size == slide => format!("windows of {size} ms"),
            Kind::Fixed { size, slide } => format!("windows of {size} ms each {slide} ms"),
            Kind::Session { gap } => format!("sessions with gaps of {gap} ms"),
        }
    }
}

fn millis(what: &'static str, length: Duration) -> Result<i64, WindowError> {
    const CENTURY: i64 = 100 * 366 * 24 * 3_600 * 1_000;
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let is_whole = length.subsec_nanos().is_multiple_of(1_000_000);
    let is_allowed = is_whole && (1..=CENTURY).contains(&millis);
    is_allowed.then_some(millis).ok_or(WindowError::Length { what, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_no_length_are_refused_and_slides_have_to_divide_the_size() {
        let seconds = Duration::from_secs;
        for wrong in [seconds(0), Duration::from_micros(1_500), seconds(u64::MAX)] {
            assert!(Windows::tumbling(wrong).is_err());
            assert!(Windows::session(wrong).is_err());
            assert!(Windows::sliding(seconds(10), wrong).is_err());
        }
        let error = Windows::sliding(seconds(10), seconds(4)).unwrap_err();
        assert!(error.to_string().contains("4s does not divide a window of 10s"), "{error}");
        assert!(Windows::sliding(seconds(4), seconds(10)).is_err());
        let [tumbling, sliding] =
            [seconds(10), seconds(5)].map(|slide| Windows::sliding(seconds(10), slide));
        assert_eq!(tumbling, Windows::tumbling(seconds(10)));
        assert_eq!(sliding.unwrap().identity(), "windows of 10000 ms each 5000 ms");
    }
}
