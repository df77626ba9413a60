//! Somebody knows the password, and guesses at the second factor.

use std::cell::RefCell;

use doorward::second_factor::SecondStepError;
use doorward::testing::Authenticator;

use doorward::reauthenticate::Proof;

use super::*;

/// The owner has a phone; the attacker has her password, and a challenge while it lasts.
struct Siege {
    world: World,
    phone: Authenticator,
    challenge: RefCell<String>,
}

impl Siege {
    fn new() -> Self {
        let world = World::new();
        let auth = &world.auth;
        let email = EmailAddress::parse(OWNER).unwrap();
        let tokens = block_on(auth.login(&email, &password(), origin(HOME))).unwrap();
        let identity = block_on(auth.authenticate(tokens.access_token.reveal())).unwrap();
        let enrolment =
            block_on(auth.enrol_totp(&identity, &Proof { password: password(), code: None }, origin(HOME))).unwrap();
        let phone = Authenticator::new(&enrolment.secret).unwrap();
        let code = phone.code(world.clock.now());
        block_on(auth.confirm_totp(&identity, &enrolment.enrolment, &code, origin(HOME))).unwrap();
        world.clock.advance(Duration::from_secs(30));
        Self { world, phone, challenge: RefCell::default() }
    }

    fn first_step(&self, from: u32) -> Result<String, Duration> {
        let email = EmailAddress::parse(OWNER).unwrap();
        match block_on(self.world.auth.login(&email, &password(), origin(from))) {
            Err(LoginError::SecondFactorRequired(challenge)) => Ok(challenge.reveal().to_owned()),
            Err(LoginError::Fault(Fault::Limited(RateLimited { retry_after }))) => Err(retry_after),
            other => unreachable!("{other:?}"),
        }
    }

    /// One guess, which is wrong: the story must come to the same whatever the secret is.
    fn guess(&self, from: u32) -> Tried {
        let good = [-30, 0, 30].map(|seconds| self.shown_in(seconds));
        let wrong = (0..4).map(|number| format!("{number:06}")).find(|guess| !good.contains(guess)).unwrap();
        loop {
            let challenge = self.challenge.borrow().clone();
            match block_on(self.world.auth.login_with_code(&challenge, &wrong, origin(from))) {
                Err(SecondStepError::CodeInvalid) => return Tried::Checked { is_right: false },
                Err(SecondStepError::Fault(Fault::Limited(RateLimited { retry_after }))) => {
                    return Tried::Refused(retry_after);
                }
                Err(SecondStepError::ChallengeInvalid) => match self.first_step(from) {
                    Ok(fresh) => *self.challenge.borrow_mut() = fresh,
                    Err(wait) => return Tried::Refused(wait),
                },
                other => unreachable!("{other:?}"),
            }
        }
    }

    fn guess_from_the_next_of_many(&self, next: &AtomicU32) -> Tried {
        match self.guess(BOTNET + next.fetch_add(1, Ordering::Relaxed) % 1000) {
            Tried::Refused(_) => Tried::Refused(Duration::from_secs(60)),
            checked => checked,
        }
    }

    fn shown_in(&self, seconds: i64) -> String {
        self.phone.code(Timestamp::from_seconds(self.world.clock.now().seconds() + seconds))
    }

    /// Whether the owner gets in with both factors. `turn` counts her logins of the moment: each takes the next code.
    fn owner_gets_in(&self, from: u32, turn: i64) -> bool {
        let Ok(challenge) = self.first_step(from) else { return false };
        block_on(self.world.auth.login_with_code(&challenge, &self.shown_in(30 * turn), origin(from))).is_ok()
    }
}

fn password() -> Password {
    Password::new(PASSWORD.to_owned()).unwrap()
}

pub(super) fn counts() -> Vec<Count> {
    vec![
        from_one("With the password: codes of the authenticator from one address, for a day", DAY, 14 + 24),
        from_one("The same for 30 days", 30 * DAY, 14 + 30 * 24),
        from_many("With the password: codes from 1,000 addresses, for a day", DAY, 10 + 36),
        from_many("The same for 30 days", 30 * DAY, 10 + 30 * 36),
        at_once(),
    ]
}

fn from_one(what: &'static str, time: Duration, stated: usize) -> Count {
    let siege = Siege::new();
    let (tried, through) = siege.world.for_a_time(time, |_| siege.guess(BOTNET));
    Count { what, tried, through, stated }
}

fn from_many(what: &'static str, time: Duration, stated: usize) -> Count {
    let siege = Siege::new();
    let next = AtomicU32::new(0);
    let (tried, through) = siege.world.for_a_time(time, |_| siege.guess_from_the_next_of_many(&next));
    Count { what, tried, through, stated }
}

fn at_once() -> Count {
    let siege = Siege::new();
    let challenge = siege.first_step(BOTNET).unwrap();
    let (auth, through) = (&siege.world.auth, AtomicU32::new(0));
    std::thread::scope(|scope| {
        for number in 0..50 {
            let (challenge, through) = (&challenge, &through);
            scope.spawn(move || {
                for guess in 0..20 {
                    // Letters are no code of an authenticator's, and no recovery code either.
                    let code = format!("wrong {number} {guess}");
                    let outcome = block_on(auth.login_with_code(challenge, &code, origin(BOTNET)));
                    if matches!(outcome, Err(SecondStepError::CodeInvalid)) {
                        through.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let through = through.into_inner() as usize;
    Count { what: "With the password: 1,000 wrong codes at once from one address", tried: 1000, through, stated: 5 }
}

pub(super) fn owners() -> Vec<(&'static str, bool)> {
    let mut scenes = Vec::new();
    let alone = Siege::new();
    alone.world.keep_busy(DAY, |_| alone.guess(BOTNET));
    let scene = "One address has her password and guesses codes for a day; she comes from where she logged in before";
    scenes.push((scene, alone.owner_gets_in(HOME, 0)));
    scenes.push(("…from an address never seen", alone.owner_gets_in(HOME + 1, 1)));
    let many = Siege::new();
    let next = AtomicU32::new(0);
    many.world.keep_busy(DAY, |_| many.guess_from_the_next_of_many(&next));
    let scene = "1,000 addresses have her password and guess codes for a day; she comes from where she was before";
    scenes.push((scene, many.owner_gets_in(HOME, 0)));
    scenes.push(("…from an address never seen", many.owner_gets_in(HOME + 1, 1)));
    many.world.clock.advance(Duration::from_secs(40 * 60));
    scenes.push(("…the same 40 minutes after the attack's last guess", many.owner_gets_in(HOME + 1, 0)));
    scenes
}
