//! HS256 access tokens beside the libraries others use: verify and sign, in turn, pair by pair.
//!
//! Every library runs in a process of its own (`bench-tokens peer NAME`, or a script), told by a line what
//! to do next, so that one machine's weather falls on all of them alike and PyJWT is measured as ours is.

mod peer;
mod rounds;

use std::time::{SystemTime, UNIX_EPOCH};

use doorward::token::access::{AccessTokenRules, Subject};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::session::SessionId;
use doorward::{Role, Timestamp, UserId, create_access_token};

/// 32 bytes, as everybody's documentation advises.
const SECRET: &str = "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["peer", name, token, secret] => peer::serve(name, token, secret.as_bytes()),
        [turns, ref scripts @ ..] => rounds::report(turns.parse().expect("a number of turns"), scripts, &token(), SECRET),
        [] => rounds::report(15, &[], &token(), SECRET),
    }
}

/// What the server gives at login: `sub`, `role`, `jti`, `iat`, `exp`, `sid`.
fn token() -> String {
    let keyring = Keyring::new(SecretKey::new(SECRET).expect("good enough"), Vec::new());
    let user_id = UserId::new(42).expect("positive");
    let session = Some(SessionId::generate().expect("random"));
    let subject = Subject { user_id, role: Role::User, session };
    let token = create_access_token(subject, &keyring, &AccessTokenRules::default(), now()).expect("random");
    token.reveal().to_owned()
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).expect("before 294,000"))
}
