//! The transcript is the store's doing alone: two memory stores agree on every script.

use doorward::testing::agreement::{Step, transcript};
use doorward::testing::{MemoryStore, block_on};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_script_has_one_transcript(script in proptest::collection::vec(any::<Step>(), 1..80)) {
        let [first, second] = [0, 1].map(|_| block_on(transcript(&MemoryStore::new(), &script)));
        prop_assert_eq!(first, second);
    }
}

#[test]
fn scripts_reach_every_outcome() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let script: Vec<Step> = (0..4000)
        .map(|_| {
            // xorshift64: any stream of bytes would do.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let [_, what, first, second, ..] = state.to_le_bytes();
            (what, first, second)
        })
        .collect();
    let all = block_on(transcript(&MemoryStore::new(), &script));
    for outcome in [
        "created",
        "taken",
        "Opened",
        "UserInactive",
        "CredentialChanged",
        "rotated",
        "repeated",
        "reused",
        "inactive",
        "invalid",
        "ended Some",
        "ended None",
        "LastAdmin",
        "Stale",
        "AddressTaken",
        "nobody",
        "erased: Done",
        "delivered [(",
        "session ",
        "off ",
        "on ",
        "admin ",
    ] {
        assert!(
            all.contains(outcome),
            "no step came to {outcome}: {}",
            all.lines().take(40).collect::<Vec<_>>().join("\n")
        );
    }
    assert!(all.lines().last().unwrap().starts_with("3999"));
}
