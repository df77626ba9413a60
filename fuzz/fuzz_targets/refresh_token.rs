//! Reading refresh tokens: what is taken for one is written again as it was.
#![no_main]

use doorward::token::refresh::RefreshToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(token) = RefreshToken::parse(&text) {
        assert_eq!(token.reveal().as_str(), &*text);
    }
});
