//! How long to wait before a message is tried again, and when to give it up.

use std::time::Duration;

use doorward::Timestamp;
use doorward::outbox::MessageKind;

/// The wait after the first failure; it doubles with each.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait of a webhook, for a receiver that may be away for long.
const LONGEST: Duration = Duration::from_secs(3 * 60 * 60);
/// The longest wait of what a person waits for: links in letters are good for half an hour, and a server that takes no
/// letter of a stranger at first (greylisting) takes it some minutes later.
const LONGEST_OF_MAIL: Duration = Duration::from_secs(10 * 60);
/// How old a message may become before it is given up.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a message is tried at least before its age gives it up: a clock that leapt makes everything old at once.
const FEWEST_ATTEMPTS: u32 = 4;

/// Whether a message of `created_at` that would be tried again after `pause` is given up instead.
pub(crate) fn is_given_up(created_at: Timestamp, attempts: u32, pause: Duration, now: Timestamp) -> bool {
    attempts >= FEWEST_ATTEMPTS && now.since(created_at) + pause > PATIENCE
}

/// The wait after that many attempts: 5, 10, 20 seconds and so on up to the longest of that kind, each longer by up to a
/// fifth (`luck`, a number from all 256), so that what failed together isn't tried again together.
pub(crate) fn wait(kind: MessageKind, attempts: u32, luck: u8) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let wait = doubled.min(match kind {
        MessageKind::Webhook => LONGEST,
        MessageKind::Mail | MessageKind::Recovery => LONGEST_OF_MAIL,
    });
    wait + wait * u32::from(luck) / (5 * 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_longest_and_are_never_alike() {
        let seconds = |attempts| wait(MessageKind::Webhook, attempts, 0).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3), seconds(8)], [5, 10, 20, 640]);
        assert_eq!([seconds(13), seconds(32), seconds(33), seconds(u32::MAX)], [LONGEST.as_secs(); 4]);
        assert_eq!(wait(MessageKind::Mail, 1, 255), Duration::from_secs(6));
        assert!(wait(MessageKind::Mail, 5, 7) < wait(MessageKind::Mail, 5, 8));
        // However often it failed before, a letter is tried again while its link is good.
        assert_eq!(wait(MessageKind::Mail, u32::MAX, 255), Duration::from_secs(12 * 60));
    }

    #[test]
    fn neither_a_leap_ahead_nor_one_back_gives_a_message_up() {
        let (made, day) = (Timestamp::from_seconds(1_800_000_000), Duration::from_secs(24 * 60 * 60));
        let minute = Duration::from_secs(60);
        assert!(is_given_up(made, 18, minute, made.plus(day)));
        assert!(!is_given_up(made, 18, minute, made.plus(day).minus(minute)));
        assert!(!is_given_up(made, 18, minute, made.minus(2 * day)), "set back");
        assert!(!is_given_up(made, 3, minute, made.plus(365 * day)), "leapt ahead before it was tried in earnest");
    }

    #[test]
    fn within_a_day_a_webhook_is_tried_about_twenty_times_and_a_letter_every_ten_minutes() {
        let attempts = |kind| {
            let (mut age, mut attempts) = (Duration::ZERO, 1);
            while age + wait(kind, attempts, 128) < PATIENCE {
                age += wait(kind, attempts, 128);
                attempts += 1;
            }
            attempts
        };
        assert_eq!((attempts(MessageKind::Webhook), attempts(MessageKind::Mail)), (18, 137));
    }
}
