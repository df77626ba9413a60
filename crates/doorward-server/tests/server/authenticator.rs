//! An authenticator written anew after RFC 6238, so that the server is not measured by its own code.

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Shows the codes of a secret, each once.
pub(crate) struct Authenticator {
    secret: Vec<u8>,
    shown: u64,
}

impl Authenticator {
    /// With a secret in base32.
    pub(crate) fn new(secret: &str) -> Self {
        let bits: String = secret.chars().map(|letter| format!("{:05b}", value(letter))).collect();
        let bytes = bits.as_bytes().chunks_exact(8).map(|byte| std::str::from_utf8(byte).unwrap());
        Self { secret: bytes.map(|byte| u8::from_str_radix(byte, 2).unwrap()).collect(), shown: 0 }
    }

    /// A code that was not shown before and is good now. It begins with the step before the present one, so that three
    /// are to be had without a wait.
    pub(crate) fn next(&mut self) -> String {
        self.shown = (self.shown + 1).max(present() - 1);
        while self.shown > present() + 1 {
            std::thread::sleep(Duration::from_millis(100));
        }
        self.code(self.shown)
    }

    fn code(&self, step: u64) -> String {
        let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&self.secret).unwrap();
        let mac = mac.chain_update(step.to_be_bytes()).finalize().into_bytes();
        let at = usize::from(mac[19] % 16);
        let number = mac[at..at + 4].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }
}

#[expect(clippy::disallowed_methods, reason = "the server asks the same clock")]
fn present() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 30
}

fn value(letter: char) -> usize {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap()
}
