//! Reading stored hashes: what is taken for one stays the same, once written in our form.
#![no_main]

use doorward::testing::rewritten_hash;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some(written) = rewritten_hash(&text) {
        assert_eq!(rewritten_hash(&written).as_deref(), Some(&*written));
    }
});
