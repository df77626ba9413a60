//! Hashes that other systems made: bcrypt, scrypt, PBKDF2 and SHA-crypt, in the spellings of PHC strings, passlib,
//! Django, Werkzeug, `/etc/shadow`, LDAP, phpass and Firebase. They are verified, never made: the next login replaces them.
//!
//! What a string asks for is read before anything is spent on it, and more than the limits here is refused: who
//! can put a hash into the database could otherwise keep a thread busy for hours.

mod bcrypt;
mod firebase;
mod ldap;
mod pbkdf2;
mod phpass;
mod scrypt;
mod sha_crypt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use self::bcrypt::Bcrypt;
use self::firebase::Firebase;
use self::ldap::Salted;
use self::pbkdf2::Pbkdf2;
use self::phpass::Phpass;
use self::scrypt::Scrypt;
use self::sha_crypt::Sha;
use super::argon2id::EngineError;
use super::stored::UnreadableHash;

/// No string that can be read is longer.
const MAX_LENGTH: usize = 512;
/// The longest salt, in bytes.
const MAX_SALT: usize = 128;
/// Shorter tags are refused: below 128 bits another password might fit.
const READABLE_TAGS: std::ops::RangeInclusive<usize> = 16..=64;

/// A hash of another system, taken apart.
#[cfg_attr(test, derive(Debug))]
pub(super) enum ForeignHash {
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    Pbkdf2(Pbkdf2),
    Sha(Sha),
    Salted(Salted),
    Phpass(Phpass),
    Firebase(Firebase),
}

impl ForeignHash {
    /// Reads the spellings that libraries write.
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        if text.len() > MAX_LENGTH {
            return Err(UnreadableHash::Unknown);
        }
        // LDAP's name for whatever `crypt` reads.
        let text = ldap::within_crypt(text).unwrap_or(text);
        if bcrypt::is_meant(text) {
            return Bcrypt::parse(text).map(Self::Bcrypt);
        }
        if scrypt::is_meant(text) {
            return Scrypt::parse(text).map(Self::Scrypt);
        }
        if pbkdf2::is_meant(text) {
            return Pbkdf2::parse(text).map(Self::Pbkdf2);
        }
        if sha_crypt::is_meant(text) {
            return Sha::parse(text).map(Self::Sha);
        }
        if phpass::is_meant(text) {
            return Phpass::parse(text).map(Self::Phpass);
        }
        if firebase::is_meant(text) {
            return Firebase::parse(text).map(Self::Firebase);
        }
        if ldap::is_meant(text) {
            return Salted::parse(text).map(Self::Salted);
        }
        if is_weak(text) {
            return Err(UnreadableHash::Weak);
        }
        Err(UnreadableHash::Unknown)
    }

    /// What the algorithm is called.
    pub(super) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Bcrypt(_) => bcrypt::NAME,
            Self::Scrypt(_) => scrypt::NAME,
            Self::Pbkdf2(_) => pbkdf2::NAME,
            Self::Sha(_) => sha_crypt::NAME,
            Self::Salted(_) => ldap::NAME,
            Self::Phpass(_) => phpass::NAME,
            Self::Firebase(_) => firebase::NAME,
        }
    }

    /// The memory that verifying takes beside the thread's own, in KiB.
    pub(super) const fn memory_kib(&self) -> u32 {
        match self {
            Self::Scrypt(hash) => hash.memory_kib(),
            Self::Firebase(hash) => hash.memory_kib(),
            Self::Bcrypt(_) | Self::Pbkdf2(_) | Self::Sha(_) | Self::Salted(_) | Self::Phpass(_) => 0,
        }
    }

    /// Whether it is the hash of `password`.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, EngineError> {
        let (computed, tag) = match self {
            Self::Bcrypt(hash) => (hash.compute(password)?, hash.tag()),
            Self::Scrypt(hash) => (hash.compute(password)?, hash.tag()),
            Self::Pbkdf2(hash) => (hash.compute(password), hash.tag()),
            Self::Salted(hash) => (hash.compute(password), hash.tag()),
            Self::Phpass(hash) => (hash.compute(password), hash.tag()),
            Self::Firebase(hash) => (hash.compute(password)?, hash.tag()),
            Self::Sha(hash) => return hash.matches(password),
        };
        Ok(Zeroizing::new(computed).ct_eq(tag).into())
    }
}

/// Whether that is a bare digest in hexadecimal, or Django's or crypt's MD5 or SHA-1 of one round: without a salt one table
/// opens them all, and the others fall to a graphics card in a night.
fn is_weak(text: &str) -> bool {
    let is_digest = [32, 40, 64, 128].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest || ["md5$", "sha1$", "unsalted_", "$1$", "$apr1$"].iter().any(|start| text.starts_with(start))
}

/// A whole number in decimal, without sign or leading zero.
fn number(text: &str) -> Option<u32> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_canonical { text.parse().ok() } else { None }
}

/// A salt that is used as it is spelled, not decoded: Django's and Werkzeug's.
fn spelled_salt(text: &str) -> Option<Vec<u8>> {
    (1..=MAX_SALT).contains(&text.len()).then(|| text.as_bytes().to_vec())
}

fn salt(bytes: Vec<u8>) -> Option<Vec<u8>> {
    (1..=MAX_SALT).contains(&bytes.len()).then_some(bytes)
}

fn tag(bytes: Vec<u8>) -> Option<Vec<u8>> {
    READABLE_TAGS.contains(&bytes.len()).then_some(bytes)
}

/// Base64 of PHC strings and of passlib, which may write a dot for the plus.
fn unpadded(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD_NO_PAD.decode_to_vec(text.replace('.', "+")).ok()
}

/// Base64 as Django writes it.
fn padded(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(text).ok()
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_strings_are_refused() {
        let bcrypt = "$2b$04$pifxYvR/4FJzbEjjexOMbuitD9sxXJxcNXXYBVmWPOjBWZdblQZ3i";
        assert!(ForeignHash::parse(bcrypt).is_ok());
        let others = [
            bcrypt.replace("$2b", "$2x"),
            bcrypt.replace("$04", "$4"),
            bcrypt.replace("$04", "$03"),
            bcrypt.replace("$04", "$+4"),
            bcrypt[..59].to_owned(),
            format!("{bcrypt}."),
            bcrypt.replace('/', "+"),
            "$scrypt$ln=4,r=8,p=1$+J8TglCKkZJyLkWotTbmXA$".to_owned(),
            "$scrypt$ln=4,p=1,r=8$+J8TglCKkZJyLkWotTbmXA$/mo2GL44QeibCmvZqsvdY+Db0JjJM8yWtJUDpkmMn5o".to_owned(),
            "$scrypt$ln=0,r=8,p=1$+J8TglCKkZJyLkWotTbmXA$/mo2GL44QeibCmvZqsvdY+Db0JjJM8yWtJUDpkmMn5o".to_owned(),
            "scrypt$16383$J5THlw2JwfZgi39NmJZ86s$8$5$WUghrzpx53a2KeGqYnYWZQ==".to_owned(),
            "scrypt:32768:8:1$$f617c416380b37813d0ee2ff7e872368".to_owned(),
            "scrypt:32768:8:1$wTlZFYDan0Vw5JVq$f617c416380b37813d0ee2ff7e87236".to_owned(),
            "$pbkdf2-sha256$0$w3ivtbYW4pzzfo.xlpJSqg$hCyxBRob4KyCAZsgvEjRi2zOAd/OpmZwhOiNw2IkyY4".to_owned(),
            "$pbkdf2-md5$10$w3ivtbYW4pzzfo.xlpJSqg$hCyxBRob4KyCAZsgvEjRi2zOAd/OpmZwhOiNw2IkyY4".to_owned(),
            "pbkdf2_sha256$10$$elUivMneM/9m2QBNZ0vrYNGcoBrjWopGVTLw7fl/O8E=".to_owned(),
            "pbkdf2_sha256$10$salt$elUivMneM/9m2QBNZ0vrYNGcoBrjWopGVTLw7fl/O8E".to_owned(),
            "md5$salt$0123456789abcdef0123456789abcdef".to_owned(),
            "$6$rounds=999$saltstring$".to_owned() + &"a".repeat(86),
            "$6$saltstring$".to_owned() + &"a".repeat(85),
            "$5$$".to_owned() + &"a".repeat(43),
            "$P$4saltsalt".to_owned() + &"a".repeat(22),
            "$P$Bsaltsalt".to_owned() + &"a".repeat(21),
            "{SSHA}AAAA".to_owned(),
            "{NONE}AAAA".to_owned(),
            "$firebase-scrypt$m=14,r=8$AAAA$Bw==$AAAA$AAAA".to_owned(),
        ];
        for text in others {
            assert!(ForeignHash::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn weak_ones_are_refused_as_such() {
        for text in [
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8",
            "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
            "sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
            "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "{md5}X03MO1qnZdYdgyfeuILPmQ==",
            "{SMD5}AAAA",
        ] {
            assert_eq!(ForeignHash::parse(text).err(), Some(UnreadableHash::Weak), "{text}");
        }
    }

    /// What Firebase publishes beside its own program: password, parameters and tag.
    #[test]
    fn firebases_own_example_is_read() {
        let text = "$firebase-scrypt$m=14,r=8$42xEC+ixf3L2lw==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZ\
                    JzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZ\
                    ilo78198JAdRuid5lQ==";
        let hash = ForeignHash::parse(text).unwrap();
        assert_eq!((hash.algorithm(), hash.memory_kib()), ("Firebase scrypt", 16 * 1024));
        assert!(hash.matches(b"user1password").unwrap());
        assert!(!hash.matches(b"user1passwore").unwrap());
    }

    #[test]
    fn what_would_cost_too_much_is_named() {
        let (salt, tag) = ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let costly = [
            format!("$2b$17${}", "a".repeat(53)),
            format!("$2b$31${}", "a".repeat(53)),
            format!("$bcrypt-sha256$v=2,t=2b,r=17${}${}", "a".repeat(22), "a".repeat(31)),
            format!("$scrypt$ln=21,r=8,p=1${salt}${tag}"),
            format!("$scrypt$ln=63,r=8,p=1${salt}${tag}"),
            format!("$scrypt$ln=14,r=4294967295,p=4294967295${salt}${tag}"),
            format!("$scrypt$ln=19,r=8,p=16${salt}${tag}"),
            format!("$scrypt$ln=1,r=8,p=65${salt}${tag}"),
            format!("$pbkdf2-sha256$10000001${salt}${tag}"),
            format!("$pbkdf2-sha256$i=4294967295${salt}${tag}"),
            format!("$6$rounds=1000001$saltstring${}", "a".repeat(86)),
            format!("$P$Ksaltsalt{}", "a".repeat(22)),
            "$firebase-scrypt$m=18,r=8$AAAA$Bw==$AAAA$AAAA".to_owned(),
        ];
        for text in costly {
            let error = ForeignHash::parse(&text).err();
            assert!(matches!(error, Some(UnreadableHash::TooExpensive { .. })), "{text}: {error:?}");
        }
        for text in [
            format!("$2b$16${}", "a".repeat(53)),
            format!("$scrypt$ln=19,r=8,p=4${salt}${tag}"),
            format!("$pbkdf2-sha512$10000000${salt}${tag}"),
        ] {
            assert!(ForeignHash::parse(&text).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = ForeignHash::parse(&text);
        }

        #[test]
        fn no_nearly_good_text_makes_it_panic(
            text in "(\\$2[abyx]?\\$|bcrypt(_sha256)?\\$\\$2b\\$|\\$bcrypt-sha256\\$(v=2,t=2b,r=|2b,)|\\$?scrypt[$:]|\\$?pbkdf2[-_:]sha(256|512)[$:])(ln=|i=)?[0-9]{0,11}[$:,](r=)?[0-9./A-Za-z+]{0,24}[$:,]?(p=)?[0-9]{0,3}\\$[A-Za-z0-9+/.=]{0,90}(\\$[0-9A-Fa-f]{0,70})?"
        ) {
            let _ = ForeignHash::parse(&text);
        }
    }
}
