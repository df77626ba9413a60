#![expect(clippy::unwrap_used, clippy::panic, reason = "a test suite: its failures are panics")]

//! The part of the contract that is about refresh tokens: rotated, spent, expired, ended.

use std::sync::Arc;
use std::time::Duration;

use super::amending::no_record;
use super::contract::{START, WEEK, at, endings, logged_in, present, rotate, user};
use crate::revocation::EndingKind;
use crate::session::EndReason;
use crate::store::{Rotation, Store};
use crate::token::refresh::generate_refresh_token;

pub async fn a_refresh_token_rotates_once(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (id, first) = logged_in(&*store, ada.id, START).await;
    let second = rotate(&*store, &first, START.plus(WEEK).minus(Duration::from_micros(1))).await;
    // Its week begins anew with every rotation.
    let (rotation, _) = present(&*store, &second, at(13 * 24 * 60 * 60), 0).await;
    assert!(matches!(rotation, Rotation::Rotated { session, .. } if session == id), "{rotation:?}");
    assert_eq!(endings(&*store).await, []);
}

pub async fn a_spent_token_ends_its_session_and_no_other(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (phone, first) = logged_in(&*store, ada.id, START).await;
    let (_, laptop_token) = logged_in(&*store, ada.id, START).await;
    let second = rotate(&*store, &first, at(1)).await;
    let (rotation, _) = present(&*store, &first, at(2), 0).await;
    assert!(matches!(rotation, Rotation::Reused { session, user_id } if session == phone && user_id == ada.id));
    assert_eq!(endings(&*store).await, [EndingKind::Session(phone)]);
    for token in [&first, &second] {
        assert!(matches!(present(&*store, token, at(3), 0).await.0, Rotation::Invalid));
    }
    assert_eq!(endings(&*store).await.len(), 1);
    rotate(&*store, &laptop_token, at(4)).await;
}

pub async fn every_generation_of_a_spent_token_is_known(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    for generation in 0..3 {
        let (_, first) = logged_in(&*store, ada.id, START).await;
        let mut tokens = vec![first];
        for _ in 0..3 {
            let next = rotate(&*store, tokens.last().unwrap(), at(1)).await;
            tokens.push(next);
        }
        let (rotation, _) = present(&*store, &tokens[generation], at(2), 0).await;
        assert!(matches!(rotation, Rotation::Reused { .. }), "{rotation:?}");
    }
}

pub async fn within_the_grace_window_the_same_successor_returns(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (_, first) = logged_in(&*store, ada.id, START).await;
    let (rotation, second) = present(&*store, &first, at(100), 10).await;
    assert!(matches!(rotation, Rotation::Rotated { .. }));
    for _ in 0..2 {
        let (rotation, _) = present(&*store, &first, at(110), 10).await;
        let Rotation::Repeated { sealed_successor, .. } = rotation else { panic!("{rotation:?}") };
        assert_eq!(first.unseal(&sealed_successor).hash(), second.hash());
    }
    let (rotation, third) = present(&*store, &second, at(105), 10).await;
    assert!(matches!(rotation, Rotation::Rotated { .. }));
    assert!(matches!(present(&*store, &first, at(106), 10).await.0, Rotation::Reused { .. }));
    assert!(matches!(present(&*store, &third, at(107), 10).await.0, Rotation::Invalid));
}

pub async fn an_expired_token_stays_expired_when_the_clock_goes_back(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (_, token) = logged_in(&*store, ada.id, START).await;
    for now in [START.plus(WEEK), START.plus(WEEK), at(1)] {
        assert!(matches!(present(&*store, &token, now, 0).await.0, Rotation::Invalid));
    }
}

pub async fn an_unknown_handle_ends_nothing(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (_, token) = logged_in(&*store, ada.id, START).await;
    let stranger = generate_refresh_token().unwrap();
    assert!(matches!(present(&*store, &stranger, at(1), 0).await.0, Rotation::Invalid));
    assert_eq!(store.end_session(stranger.handle(), EndReason::Logout, no_record(), at(1)).await.unwrap(), None);
    rotate(&*store, &token, at(2)).await;
}

pub async fn a_session_ends_once(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (id, token) = logged_in(&*store, ada.id, START).await;
    assert_eq!(
        store.end_session(token.handle(), EndReason::Logout, no_record(), at(1)).await.unwrap(),
        Some((id, ada.id))
    );
    assert_eq!(store.end_session(token.handle(), EndReason::Logout, no_record(), at(2)).await.unwrap(), None);
    assert!(matches!(present(&*store, &token, at(3), 0).await.0, Rotation::Invalid));
    assert_eq!(endings(&*store).await, [EndingKind::Session(id)]);
}
