//! Somebody guesses at the codes of letters: who knows an address can have letters sent to it.

use doorward::audit::{EventKind, EventQuery};
use doorward::outbox::MessageKind;
use doorward::recovery::FactorAtRecovery;
use doorward::ticket::TicketSecret;
use doorward::{RedeemError, TicketProof, UserId};

use super::*;

impl World {
    /// Has a letter to recover the owner's account written, as often as the limits let it.
    fn ask_for_a_letter(&self, from: u32) {
        let email = EmailAddress::parse(OWNER).unwrap();
        match block_on(self.auth.request_recovery(&email, origin(from))) {
            Ok(()) | Err(Fault::Limited(_)) => {}
            Err(error) => unreachable!("{error}"),
        }
    }

    /// What stands in the newest letter to the owner, once the outbox's worker has done all it has to.
    fn newest_letter(&self) -> Option<(UserId, TicketSecret)> {
        let mut newest = None;
        loop {
            let taken: Vec<_> = MessageKind::ALL
                .into_iter()
                .flat_map(|kind| block_on(self.auth.take_messages(kind, 100, HOUR)).unwrap())
                .collect();
            if taken.is_empty() {
                return newest;
            }
            for message in taken {
                block_on(self.auth.message_done(message.id)).unwrap();
                if message.kind == MessageKind::Recovery {
                    block_on(self.auth.handle_recovery(&message)).unwrap();
                } else if let Some(letter) = self.auth.open_letter(&message) {
                    let secret = letter.content.ticket().map(|(_, secret)| secret.clone());
                    newest = secret.map(|secret| (message.user_id.unwrap(), secret)).or(newest);
                }
            }
        }
    }

    fn recover(&self, proof: &TicketProof, from: u32) -> Tried {
        let password = Password::new(PASSWORD.to_owned()).unwrap();
        let password = NewPassword::new(password, PasswordPolicy::default()).unwrap();
        match block_on(self.auth.recover(proof, &password, FactorAtRecovery::Keep, origin(from))) {
            Ok(()) => Tried::Checked { is_right: true },
            Err(RedeemError::Invalid) => Tried::Checked { is_right: false },
            Err(RedeemError::Fault(Fault::Limited(RateLimited { retry_after }))) => Tried::Refused(retry_after),
            Err(error) => unreachable!("{error}"),
        }
    }

    /// One guess at the code of the newest letter there can be.
    fn guess_a_letters_code(&self, from: u32) -> Tried {
        self.ask_for_a_letter(from);
        self.newest_letter();
        self.recover(&wrong_code(), from)
    }

    fn guess_a_letters_code_from_the_next_of_many(&self, next: &AtomicU32) -> Tried {
        self.guess_a_letters_code(BOTNET + next.fetch_add(1, Ordering::Relaxed) % 1000)
    }

    /// How many of the guesses met a code that was alive.
    fn codes_looked_at(&self) -> usize {
        let kind = Some(EventKind::TicketRefused);
        let query = EventQuery { user_id: None, kind, since: None, until: None, before: None, limit: u32::MAX - 1 };
        let mut pages = block_on(self.auth.export_events(query, Origin::operator())).unwrap();
        let mut looked_at = 0;
        while let Some(events) = block_on(pages.next(&self.auth)).unwrap() {
            looked_at += events.iter().filter(|event| event.what.details["reason"] == "code").count();
        }
        looked_at
    }
}

/// No code has a letter among its digits.
fn wrong_code() -> TicketProof {
    TicketProof::code(EmailAddress::parse(OWNER).unwrap(), "wrong")
}

pub(super) fn counts() -> Vec<Count> {
    let month = 30 * DAY;
    vec![
        from_one("Codes of letters that the attacker has sent to her, from one address, for a day", DAY, 12 + 24),
        from_one("The same for 30 days", month, 12 + 30 * 24),
        from_many("Codes of letters from 1,000 addresses, for a day", DAY, 12 + 24),
        from_many("The same for 30 days", month, 12 + 30 * 24),
        at_once(),
    ]
}

fn from_one(what: &'static str, time: Duration, stated: usize) -> Count {
    let world = World::new();
    let (tried, _) = world.for_a_time(time, |_| world.guess_a_letters_code(BOTNET));
    Count { what, tried, through: world.codes_looked_at(), stated }
}

fn from_many(what: &'static str, time: Duration, stated: usize) -> Count {
    let world = World::new();
    let next = AtomicU32::new(0);
    let (tried, _) = world.for_a_time(time, |_| world.guess_a_letters_code_from_the_next_of_many(&next));
    Count { what, tried, through: world.codes_looked_at(), stated }
}

fn at_once() -> Count {
    let world = World::new();
    world.ask_for_a_letter(BOTNET);
    world.newest_letter();
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..20 {
                    world.recover(&wrong_code(), BOTNET);
                }
            });
        }
    });
    let what = "1,000 wrong codes of a letter at once from one address";
    Count { what, tried: 1000, through: world.codes_looked_at(), stated: 5 }
}

pub(super) fn owners() -> Vec<(&'static str, bool)> {
    let world = World::new();
    let next = AtomicU32::new(0);
    world.keep_busy(DAY, |_| world.guess_a_letters_code_from_the_next_of_many(&next));
    // The next letter comes within the hour, for he asks for it; and he is faster than she.
    let (user, secret) = loop {
        world.ask_for_a_letter(BOTNET);
        let letter = world.newest_letter();
        while let Tried::Checked { .. } = world.recover(&wrong_code(), BOTNET) {}
        if let Some(letter) = letter {
            break letter;
        }
        world.clock.advance(Duration::from_secs(60));
    };
    let gets_in = |proof: &TicketProof| matches!(world.recover(proof, HOME), Tried::Checked { is_right: true });
    let by_code = gets_in(&TicketProof::code(EmailAddress::parse(OWNER).unwrap(), &secret.code));
    let by_link = gets_in(&TicketProof::link(&secret.token(user)));
    let scene =
        "1,000 addresses have letters sent to her and guess their codes for a day; she types the code of the next";
    vec![(scene, by_code), ("…she follows its link", by_link)]
}
