//! The statement that rotates a good token without a look, held to the domain's `decide` on every kind of row.

use std::net::IpAddr;
use std::time::Duration;

use doorward::Store;
use doorward::clock::Timestamp;
use doorward::session::{Decision, EndReason, Ended, RefreshRules, RotationAttempt, Session, SpentToken, decide};
use doorward::store::Rotation;
use doorward::testing::amending::no_record;
use doorward::token::refresh::RefreshToken;
use doorward::user::UserId;
use tokio_postgres::Client;

use crate::cluster::{Fresh, connect};
use crate::story::{START, WEEK, new_session, open, register};

type Columns =
    (Vec<u8>, i64, i64, Option<Vec<u8>>, Option<i64>, Option<Vec<u8>>, Option<i64>, Option<String>, Option<Vec<u8>>);

const INSERT: &str = "
    INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at,
                          spent_hash, spent_at, sealed_successor, ended_at, ended_reason, address)
    VALUES ($1, $2, $3, $12, $4, $5, $6, $7, $8, $9, $10, $11, $13)";

const READ: &str = "
    SELECT current_hash, issued_at, expires_at, spent_hash, spent_at, sealed_successor, ended_at, ended_reason, address
    FROM sessions WHERE handle = $1";

#[tokio::test]
async fn a_rotation_comes_to_what_the_domain_decides_whatever_the_row() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    let (active, inactive) = (register(&store, "ada").await.0.id, register(&store, "bob").await.0.id);
    let direct = connect(database.url()).await;
    let off = "UPDATE users SET is_active = false WHERE id = $1";
    direct.execute(off, &[&inactive.value()]).await.unwrap();
    let mut tally = [0; 6];
    for (session, attempt, is_active) in cases(active, inactive) {
        insert(&direct, &session).await;
        let decision = decide(&session, is_active, &attempt);
        let rotation = store.rotate_session(attempt.clone()).await.unwrap();
        let (kind, after) = match (&decision, &rotation) {
            (Decision::Rotate(next), Rotation::Rotated { session: id, user_id, .. }) => {
                assert_eq!((*id, *user_id), (session.id, session.user_id));
                (0, next.clone())
            }
            (Decision::Repeat(sealed), Rotation::Repeated { sealed_successor, .. }) => {
                assert_eq!(sealed.as_bytes(), sealed_successor.as_bytes());
                (1, session.clone())
            }
            (Decision::End(EndReason::Reuse), Rotation::Reused { .. }) => {
                (2, ended(&session, EndReason::Reuse, &attempt))
            }
            (Decision::End(reason), Rotation::Invalid) => (3, ended(&session, *reason, &attempt)),
            (Decision::RefuseInactive, Rotation::UserInactive) => (4, session.clone()),
            (Decision::RefuseEnded, Rotation::Invalid) => (5, session.clone()),
            _ => panic!("{decision:?} is not {rotation:?}"),
        };
        assert_eq!(read(&direct, &session).await, columns(&after), "{decision:?}");
        tally[kind] += 1;
    }
    assert!(tally.iter().all(|count| *count > 0), "every decision is met: {tally:?}");
}

/// Every combination of what a decision depends on.
fn cases(active: UserId, inactive: UserId) -> Vec<(Session, RotationAttempt, bool)> {
    let mut cases = Vec::new();
    let ends = [None].into_iter().chain(EndReason::ALL.map(Some));
    for end in ends {
        for (index, is_active) in [true, false, true, false].into_iter().enumerate() {
            for expires_in in [-1, 0, 1] {
                for presented in 0..3 {
                    for grace in [0, 30] {
                        let user = if is_active { active } else { inactive };
                        let (session, mut attempt) = case((user, end), expires_in, presented, grace);
                        if index > 1 {
                            // Bounds that are shorter than the refresh token's life, and no address.
                            let (idle, absolute) = (Some(WEEK / 7), (grace == 0).then_some(WEEK / 14));
                            attempt.rules = RefreshRules { idle, absolute, ..attempt.rules };
                            attempt.address = None;
                        }
                        cases.push((session, attempt, is_active));
                    }
                }
            }
        }
    }
    cases
}

fn case(
    (user, end): (UserId, Option<EndReason>),
    expires_in: i64,
    presented: usize,
    grace: u64,
) -> (Session, RotationAttempt) {
    let (new, first) = new_session();
    let second = first.successor().unwrap();
    let third = second.successor().unwrap();
    let now = START.plus(Duration::from_secs(20));
    let session = Session {
        current: third.hash(),
        issued_at: START.plus(Duration::from_secs(10)),
        expires_at: Timestamp::from_micros(now.micros() + expires_in),
        spent: Some(SpentToken {
            hash: second.hash(),
            at: START.plus(Duration::from_secs(10)),
            sealed_successor: Some(second.seal(&third)),
        }),
        ended: end.map(|reason| Ended { at: START, reason }),
        ..Session::open(&new, user)
    };
    let token: &RefreshToken = [&third, &second, &first][presented];
    let successor = token.successor().unwrap();
    let attempt = RotationAttempt {
        handle: token.handle(),
        presented: token.hash(),
        successor: successor.hash(),
        sealed_successor: (grace > 0).then(|| token.seal(&successor)),
        now,
        address: Some("2001:db8::9".parse().unwrap()),
        on_reuse: no_record(),
        rules: RefreshRules { lifetime: WEEK, reuse_grace: Duration::from_secs(grace), ..RefreshRules::default() },
    };
    (session, attempt)
}

fn ended(session: &Session, reason: EndReason, attempt: &RotationAttempt) -> Session {
    Session { ended: Some(Ended { at: attempt.now, reason }), ..session.clone() }
}

fn columns(session: &Session) -> Columns {
    let spent = session.spent.as_ref();
    (
        session.current.as_bytes().to_vec(),
        session.issued_at.micros(),
        session.expires_at.micros(),
        spent.map(|spent| spent.hash.as_bytes().to_vec()),
        spent.map(|spent| spent.at.micros()),
        spent.and_then(|spent| spent.sealed_successor.as_ref()).map(|sealed| sealed.as_bytes().to_vec()),
        session.ended.map(|ended| ended.at.micros()),
        session.ended.map(|ended| ended.reason.as_str().to_owned()),
        session.address.map(|address| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }),
    )
}

async fn insert(client: &Client, session: &Session) {
    let (current, issued, expires, spent, spent_at, sealed, ended, reason, address) = columns(session);
    let (handle, user) = (session.handle.as_bytes().to_vec(), session.user_id.value());
    client
        .execute(
            INSERT,
            &[
                &handle,
                session.id.as_uuid(),
                &user,
                &current,
                &issued,
                &expires,
                &spent,
                &spent_at,
                &sealed,
                &ended,
                &reason,
                &session.created_at.micros(),
                &address,
            ],
        )
        .await
        .unwrap();
}

async fn read(client: &Client, session: &Session) -> Columns {
    let row = client.query_one(READ, &[&session.handle.as_bytes().to_vec()]).await.unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5), row.get(6), row.get(7), row.get(8))
}
