//! The same script on a fresh database and in memory comes to the same.

use doorward::testing::MemoryStore;
use doorward::testing::agreement::{Step, transcript};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::cluster::Fresh;
use crate::story::open;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn postgresql_and_memory_agree(script in proptest::collection::vec(any::<Step>(), 100..250)) {
        let (stored, remembered) = Runtime::new().unwrap().block_on(async {
            let store = open(&Fresh::create().await).await;
            (transcript(&store, &script).await, transcript(&MemoryStore::new(), &script).await)
        });
        prop_assert_eq!(stored, remembered);
    }
}
