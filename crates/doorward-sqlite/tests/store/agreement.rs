//! Whatever is done, it comes to the same here as in memory.

use doorward::testing::MemoryStore;
use doorward::testing::agreement::{Step, transcript};
use pollster::block_on;
use proptest::prelude::*;

use crate::story::Folder;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_script_has_the_same_transcript_as_in_memory(script in proptest::collection::vec(any::<Step>(), 1..120)) {
        let folder = Folder::new();
        let here = block_on(transcript(&folder.open(), &script));
        prop_assert_eq!(here, block_on(transcript(&MemoryStore::new(), &script)));
    }
}
