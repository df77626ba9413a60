//! Who was refused an administrator's route lately: so that nobody fills the audit trail by asking again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::user::UserId;

/// For how long further refusals of one account are in the log alone.
const PAUSE: Duration = Duration::from_secs(60);
/// How many accounts are remembered.
const REMEMBERED: usize = 4_096;

/// When each account was last recorded to have been refused, in this process.
#[derive(Debug, Default)]
pub(crate) struct AccessRefusals {
    recorded: Mutex<HashMap<UserId, Timestamp>>,
}

impl AccessRefusals {
    /// Whether a refusal of that account is to be recorded.
    pub(crate) fn is_news(&self, user: UserId, now: Timestamp) -> bool {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.get(&user).is_some_and(|at| now.distance(*at) < PAUSE) {
            return false;
        }
        if recorded.len() >= REMEMBERED {
            recorded.retain(|_, at| now.distance(*at) < PAUSE);
        }
        if recorded.len() >= REMEMBERED {
            recorded.clear();
        }
        recorded.insert(user, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_news_once_a_minute_and_memory_is_bounded() {
        let refusals = AccessRefusals::default();
        let user = |id| UserId::new(id).unwrap();
        let at = Timestamp::from_seconds;
        assert_eq!(
            [0, 1, 59, 60, 61].map(|second| refusals.is_news(user(1), at(second))),
            [true, false, false, true, false]
        );
        for id in 2..20_000 {
            assert!(refusals.is_news(user(id), at(62)));
        }
        assert!(refusals.recorded.lock().unwrap().len() <= REMEMBERED);
    }
}
