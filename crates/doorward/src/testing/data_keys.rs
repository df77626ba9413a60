#![expect(clippy::unwrap_used, reason = "a test suite: its failures are panics")]

//! The part of the contract that is about data keys.

use std::sync::Arc;

use uuid::Uuid;

use super::amending::amend;
use super::contract::{at, user};
use crate::second_factor::SecondFactor;
use crate::store::Store;
use crate::store::data_keys::{DataKeyState, StoredDataKey};

fn key(id: u128, state: DataKeyState) -> StoredDataKey {
    StoredDataKey { id: Uuid::from_u128(id), state, sealed: vec![0, 255, 7], made_at: at(1) }
}

pub async fn data_keys_are_replaced_by_who_has_read_them(store: Arc<dyn Store>) {
    let replace = async |read: &[StoredDataKey], new: &[StoredDataKey]| {
        store.replace_data_keys(read.to_vec(), new.to_vec()).await.unwrap()
    };
    let first = [key(2, DataKeyState::Active)];
    assert_eq!(store.data_keys().await.unwrap(), []);
    assert!(replace(&[], &first).await);
    assert!(!replace(&[], &[key(3, DataKeyState::Active)]).await);
    assert_eq!(store.data_keys().await.unwrap(), first);

    // One more, one in another state, and by their ids.
    let second = [key(1, DataKeyState::Active), key(2, DataKeyState::Retired), key(3, DataKeyState::Past)];
    assert!(replace(&first, &second).await);
    assert_eq!(store.data_keys().await.unwrap(), second);
    let other_state = [key(1, DataKeyState::Active), key(2, DataKeyState::Past), key(3, DataKeyState::Past)];
    let other_bytes = second.clone().map(|key| StoredDataKey { sealed: vec![1], ..key });
    for not_as_read in [&first[..], &second[..2], &other_state, &other_bytes] {
        assert!(!replace(not_as_read, &first).await);
    }
    assert!(replace(&second, &other_bytes).await);
    assert!(replace(&other_bytes, &[key(4, DataKeyState::Staged)]).await);
    assert_eq!(store.data_keys().await.unwrap(), [key(4, DataKeyState::Staged)]);
}

pub async fn second_factors_are_found(store: Arc<dyn Store>) {
    let mut guarded = Vec::new();
    for (index, name) in ["ada", "bob", "eve", "hal", "ida"].into_iter().enumerate() {
        let id = user(&*store, &format!("{name}@example.com")).await.id;
        if index != 1 {
            let factor = SecondFactor {
                sealed_secret: vec![1],
                last_step: 0,
                recovery_codes: Vec::new(),
                enabled_at: 0,
                recovery_codes_made_at: 0,
            };
            amend(&*store, id, at(2), |account| account.second_factor = Some(factor.clone())).await.unwrap();
            guarded.push(id);
        }
    }
    assert_eq!(store.count_second_factors().await.unwrap(), 4);
    let after = async |id, limit| store.second_factors_after(id, limit).await.unwrap();
    assert_eq!(after(None, 100).await, guarded);
    assert_eq!(after(None, 2).await, guarded[..2]);
    assert_eq!(after(Some(guarded[1]), 100).await, guarded[2..]);
    assert_eq!(after(Some(guarded[3]), 100).await, []);
}
