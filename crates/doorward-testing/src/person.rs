//! People who log in in one line.

use std::fmt;
use std::time::Duration;

use doorward::login::LoginError;
use doorward::password::{NewPassword, Password, PasswordPolicy};
use doorward::reauthenticate::Proof;
use doorward::register::RegisterError;
use doorward::testing::Authenticator;
use doorward::{AuthenticateError, Clock, EmailAddress, Identity, Origin, Role, TokenPair, UserId};

use crate::TestAuth;

/// The password of everybody whom [`TestAuth::log_in`] makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// Somebody who is logged in.
#[derive(Clone)]
pub struct Person {
    id: UserId,
    email: String,
    access_token: String,
    refresh_token: String,
}

impl fmt::Debug for Person {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Person").field("id", &self.id).field("email", &self.email).finish_non_exhaustive()
    }
}

impl Person {
    /// The number of the account.
    pub const fn id(&self) -> UserId {
        self.id
    }

    /// The address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The access token.
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The refresh token.
    pub fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// The `Authorization` header of this person's requests.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.access_token)
    }
}

#[expect(clippy::expect_used, clippy::panic, reason = "for tests: its failures are panics")]
impl TestAuth {
    /// Logs `email` in, in a session of its own; with an account of its own, too, when it has none yet.
    pub async fn log_in(&self, email: &str) -> Person {
        self.log_in_as(email, Role::User).await
    }

    /// The same for an administrator, if the account is yet to be made.
    pub async fn log_in_admin(&self, email: &str) -> Person {
        self.log_in_as(email, Role::Admin).await
    }

    /// Logs somebody in who has a second factor.
    pub async fn log_in_with(&self, email: &str, authenticator: &Authenticator) -> Person {
        let Err(LoginError::SecondFactorRequired(challenge)) = self.first_step(email).await else {
            panic!("{email} has no second factor");
        };
        let code = authenticator.code(self.clock().now());
        let tokens = self.auth().login_with_code(challenge.reveal(), &code, Origin::unknown()).await;
        self.person(email, &tokens.expect("each code is good once: let 30 seconds pass")).await
    }

    /// Enables the second factor of somebody who logged in a moment ago, and lets 30 seconds pass, so that the
    /// authenticator shows a fresh code. The other sessions of that person end.
    pub async fn enable_second_factor(&self, person: &Person) -> Authenticator {
        let (auth, identity) = (self.auth(), self.identity(person).await.expect("an access token that is good"));
        let enrolment = auth.enrol_totp(&identity, &Proof { password: typed(), code: None }, Origin::unknown()).await;
        let enrolment = enrolment.expect("no second factor yet");
        let authenticator = Authenticator::new(&enrolment.secret).expect("the secret is in base32");
        let code = authenticator.code(self.clock().now());
        let confirmed = auth.confirm_totp(&identity, &enrolment.enrolment, &code, Origin::unknown()).await;
        confirmed.expect("the code of that very secret");
        self.clock().advance(Duration::from_secs(30));
        authenticator
    }

    /// Who the access token says that somebody is.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError`] when the token is good no more.
    pub async fn identity(&self, person: &Person) -> Result<Identity, AuthenticateError> {
        self.auth().authenticate(person.access_token()).await
    }

    async fn log_in_as(&self, email: &str, role: Role) -> Person {
        let password = NewPassword::new(typed(), PasswordPolicy::default()).expect("the policy lets it through");
        match self.auth().create_user(address(email), &password, role, Origin::operator()).await {
            Ok(_) | Err(RegisterError::AddressTaken) => {}
            Err(error) => panic!("{email}: {error}"),
        }
        match self.first_step(email).await {
            Ok(tokens) => self.person(email, &tokens).await,
            Err(LoginError::SecondFactorRequired(_)) => panic!("{email} has a second factor: use `log_in_with`"),
            Err(error) => panic!("{email}: {error}"),
        }
    }

    async fn first_step(&self, email: &str) -> Result<TokenPair, LoginError> {
        self.auth().login(&address(email), &typed(), Origin::unknown()).await
    }

    async fn person(&self, email: &str, tokens: &TokenPair) -> Person {
        let (access_token, refresh_token) =
            (tokens.access_token.reveal().to_owned(), tokens.refresh_token.reveal().to_string());
        let identity = self.auth().authenticate(&access_token).await.expect("it was issued a moment ago");
        Person { id: identity.user_id, email: email.to_owned(), access_token, refresh_token }
    }
}

#[expect(clippy::expect_used, reason = "for tests: its failures are panics")]
fn address(email: &str) -> EmailAddress {
    EmailAddress::parse(email).expect("a good address")
}

#[expect(clippy::expect_used, reason = "for tests: its failures are panics")]
fn typed() -> Password {
    Password::new(PASSWORD.to_owned()).expect("it is short")
}
