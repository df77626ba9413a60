//! A database with many sessions, made through the store, and a file with the refresh tokens of some. Each session
//! was refreshed once, as nearly all that live have been at any moment: its row then has the size that it keeps.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use doorward::account::Record;
use doorward::password::PasswordHash;
use doorward::session::{NewSession, RefreshRules, RotationAttempt, SessionId};
use doorward::store::{Rotation, Store};
use doorward::user::NewUser;
use doorward::{Clock, EmailAddress, Role, SystemClock, generate_refresh_token};
use doorward_sqlite::{SqliteOptions, SqliteStore};
use futures_util::future::try_join_all;

use crate::Failure;

/// As many of the sessions are refreshed: more than in any one run, so that none comes twice in it.
const KEPT_TOKENS: usize = 100_000;
const AT_ONCE: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn fill(folder: &str, sessions: usize) -> Result<(), Failure> {
    let folder = Path::new(folder);
    let store = SqliteStore::open(&folder.join("doorward.db"), SqliteOptions::default())?;
    let mut tokens = std::io::BufWriter::new(std::fs::File::create(folder.join("tokens"))?);
    // Those that are kept are spread evenly over all.
    let interval = sessions.div_ceil(KEPT_TOKENS).max(1);
    for start in (0..sessions).step_by(AT_ONCE) {
        let made = (start..sessions.min(start + AT_ONCE)).map(|number| make(&store, number));
        for (number, token) in (start..).zip(try_join_all(made).await?) {
            if number % interval == 0 {
                writeln!(tokens, "{token}")?;
            }
        }
    }
    store.close().await;
    Ok(())
}

async fn make(store: &SqliteStore, number: usize) -> Result<String, Failure> {
    let token = generate_refresh_token()?;
    let now = SystemClock.now();
    let user = NewUser {
        email: EmailAddress::parse(&format!("person{number}@example.com"))?,
        password_hash: PasswordHash::unusable(),
        full_name: None,
        role: Role::User,
        email_verified_at: None,
        tickets: Vec::new(),
        created_at: now,
    };
    let session = NewSession {
        id: SessionId::generate()?,
        handle: token.handle(),
        current: token.hash(),
        created_at: now,
        expires_at: now.plus(Duration::from_secs(7 * 24 * 60 * 60)),
        device: None,
        address: None,
    };
    store.create_user(user, Some(session), Record::default()).await?;
    let successor = token.successor()?;
    let attempt = RotationAttempt {
        handle: token.handle(),
        presented: token.hash(),
        successor: successor.hash(),
        sealed_successor: Some(token.seal(&successor)),
        now,
        address: None,
        on_reuse: Record::default(),
        rules: RefreshRules::default(),
    };
    match store.rotate_session(attempt).await? {
        Rotation::Rotated { .. } => Ok(successor.reveal().to_string()),
        other => Err(format!("not rotated: {other:?}").into()),
    }
}
