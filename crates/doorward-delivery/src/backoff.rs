//! How long to wait before a message is tried again, and when to give it up.

use std::time::Duration;

/// The wait after the first failure; it doubles with each.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3 * 60 * 60);
/// How old a message may become before it is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait after that many attempts: 5, 10, 20 seconds and so on up to three hours, each longer by up to a fifth
/// (`luck`, a number from all 256), so that what failed together isn't tried again together.
pub(crate) fn wait(attempts: u32, luck: u8) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let wait = doubled.min(LONGEST);
    wait + wait * u32::from(luck) / (5 * 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_three_hours_and_are_never_alike() {
        let seconds = |attempts| wait(attempts, 0).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3), seconds(8)], [5, 10, 20, 640]);
        assert_eq!([seconds(13), seconds(32), seconds(33), seconds(u32::MAX)], [LONGEST.as_secs(); 4]);
        assert_eq!(wait(1, 255), Duration::from_secs(6));
        assert!(wait(5, 7) < wait(5, 8));
    }

    #[test]
    fn within_a_day_a_message_is_tried_about_twenty_times() {
        let mut age = Duration::ZERO;
        let mut attempts = 1;
        while age + wait(attempts, 128) < PATIENCE {
            age += wait(attempts, 128);
            attempts += 1;
        }
        assert_eq!(attempts, 18);
    }
}
