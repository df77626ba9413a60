//! PHC strings: `$argon2id$v=19$m=65536,t=3,p=4$SALT$TAG`, as every Argon2 library writes them.

use std::fmt::Write;
use std::ops::RangeInclusive;

use base64_simd::STANDARD_NO_PAD;

use super::parameters::HashParameters;
use super::pepper::{Pepper, PepperId, Peppers};

/// The length of the salts that are written (RFC 9106, section 3.1).
pub(super) const SALT_LENGTH: usize = 16;
/// The length of the tags that are written.
pub(super) const TAG_LENGTH: usize = 32;
const READABLE_SALTS: RangeInclusive<usize> = 8..=64;
/// Shorter tags are refused: below 128 bits another password might fit.
const READABLE_TAGS: RangeInclusive<usize> = 16..=64;
/// No string that can be read is longer.
const MAX_LENGTH: usize = 256;

/// Which Argon2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Argon2d,
    Argon2i,
    Argon2id,
}

/// Which version of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 0x10, before 2016.
    V16,
    /// 0x13, RFC 9106.
    V19,
}

/// A stored hash, taken apart.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Argon2Hash {
    pub(super) variant: Variant,
    pub(super) version: Version,
    pub(super) parameters: HashParameters,
    /// The pepper it was made with, by name.
    pub(super) pepper_id: Option<PepperId>,
    /// That pepper, once it was found.
    pub(super) pepper: Option<Pepper>,
    pub(super) salt: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl Argon2Hash {
    /// What a new hash is before its tag is computed. By itself, no password fits it: the dummy to verify
    /// where there is nothing to verify.
    pub(super) fn without_tag(salt: &[u8], parameters: HashParameters) -> Self {
        let (variant, version) = (Variant::Argon2id, Version::V19);
        let (pepper_id, pepper) = (None, None);
        Self { variant, version, parameters, pepper_id, pepper, salt: salt.to_vec(), tag: vec![0; TAG_LENGTH] }
    }

    /// The same made with that pepper.
    pub(super) fn peppered(self, pepper: Option<&Pepper>) -> Self {
        Self { pepper_id: pepper.map(|pepper| pepper.id), pepper: pepper.cloned(), ..self }
    }

    /// The same with the pepper that it names, or that name when there is no such pepper.
    pub(super) fn with_its_pepper(self, peppers: &Peppers) -> Result<Self, PepperId> {
        let Some(id) = self.pepper_id else { return Ok(self) };
        let pepper = peppers.find(id).ok_or(id)?;
        Ok(self.peppered(Some(pepper)))
    }

    /// Reads the one spelling that libraries write. Parameters past the limits of
    /// [`HashParameters::new`] are refused here, before anybody allocates for them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let mut parts = text.split('$');
        let ("", variant) = (parts.next()?, parts.next()?) else { return None };
        let variant = match variant {
            "argon2d" => Variant::Argon2d,
            "argon2i" => Variant::Argon2i,
            "argon2id" => Variant::Argon2id,
            _ => return None,
        };
        let mut next = parts.next()?;
        // Before version 0x13 libraries wrote none.
        let version = match next.strip_prefix("v=") {
            None => Version::V16,
            Some(version) => {
                next = parts.next()?;
                match version {
                    "16" => Version::V16,
                    "19" => Version::V19,
                    _ => return None,
                }
            }
        };
        let (parameters, pepper_id) = read_parameters(next)?;
        // Nobody else writes names of keys, and we no other variant.
        if pepper_id.is_some() && (variant, version) != (Variant::Argon2id, Version::V19) {
            return None;
        }
        let salt = read_base64(parts.next()?, READABLE_SALTS)?;
        let tag = read_base64(parts.next()?, READABLE_TAGS)?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self { variant, version, parameters, pepper_id, pepper: None, salt, tag })
    }

    /// Writes what [`parse`](Self::parse) reads.
    pub(super) fn write(&self) -> String {
        let variant = match self.variant {
            Variant::Argon2d => "argon2d",
            Variant::Argon2i => "argon2i",
            Variant::Argon2id => "argon2id",
        };
        let version = match self.version {
            Version::V16 => 16,
            Version::V19 => 19,
        };
        let (memory, iterations, lanes) =
            (self.parameters.memory_kib(), self.parameters.iterations(), self.parameters.lanes());
        let mut text = String::with_capacity(128);
        // Writing to a String cannot fail.
        let _ = write!(text, "${variant}$v={version}$m={memory},t={iterations},p={lanes}");
        if let Some(id) = self.pepper_id {
            let _ = write!(text, ",keyid={id}");
        }
        text.push('$');
        STANDARD_NO_PAD.encode_append(&self.salt, &mut text);
        text.push('$');
        STANDARD_NO_PAD.encode_append(&self.tag, &mut text);
        text
    }

    /// Whether the engine lets two threads compute it, and that is worth it.
    pub(super) fn is_divisible(&self) -> bool {
        (self.variant, self.version) == (Variant::Argon2id, Version::V19) && self.parameters.is_divisible()
    }

    /// Whether hashing the same password anew under `parameters` would make it harder to guess.
    pub(super) fn is_weaker_than(&self, parameters: HashParameters) -> bool {
        self.variant != Variant::Argon2id
            || self.version != Version::V19
            || parameters.are_raised_over(self.parameters)
            || self.salt.len() < SALT_LENGTH
            || self.tag.len() < TAG_LENGTH
    }
}

fn read_parameters(text: &str) -> Option<(HashParameters, Option<PepperId>)> {
    let mut fields = text.split(',');
    let mut field = |name: &str| read_number(fields.next()?.strip_prefix(name)?);
    let (memory, iterations, lanes) = (field("m=")?, field("t=")?, field("p=")?);
    let pepper_id = match fields.next() {
        None => None,
        Some(field) => Some(PepperId::parse(field.strip_prefix("keyid=")?)?),
    };
    if fields.next().is_some() {
        return None;
    }
    Some((HashParameters::new(memory, iterations, lanes).ok()?, pepper_id))
}

fn read_number(text: &str) -> Option<u32> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_canonical { text.parse().ok() } else { None }
}

fn read_base64(text: &str, lengths: RangeInclusive<usize>) -> Option<Vec<u8>> {
    let bytes = STANDARD_NO_PAD.decode_to_vec(text).ok()?;
    lengths.contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn what_is_read_is_written_again() {
        assert_eq!(Argon2Hash::parse(GOOD).unwrap().write(), GOOD);
        let peppered = GOOD.replace("p=1", "p=1,keyid=AAECAwQFBgc");
        assert_eq!(Argon2Hash::parse(&peppered).unwrap().write(), peppered);
        let old = GOOD.replace("$v=19", "");
        assert_eq!(Argon2Hash::parse(&old).unwrap().version, Version::V16);
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for (from, to) in [
            ("$argon2id", "argon2id"),
            ("argon2id", "argon2ID"),
            ("argon2id", "argon2"),
            ("argon2id", "scrypt"),
            ("v=19", "v=18"),
            ("v=19", "v=019"),
            ("v=19", "v="),
            ("m=65536", "m=065536"),
            ("m=65536", "m=+65536"),
            ("m=65536", "m=4294967296"),
            ("m=65536", "m=4294967295"),
            ("m=65536", "m=7"),
            ("m=65536,t=2", "t=2,m=65536"),
            ("t=2", "t=0"),
            ("t=2", "t=4294967295"),
            ("t=2", "t=-2"),
            ("p=1", "p=0"),
            ("p=1", "p=16777216"),
            ("p=1", "p=1,keyid=AAAA"),
            ("p=1", "p=1,"),
            ("p=1", "p=1,keyid="),
            ("p=1", "p=1,keyid=AAECAwQFBgcI"),
            ("p=1", "p=1,keyid=AAECAwQFBgc="),
            ("p=1", "p=1,keyid=AAECAwQFBgc,data=AA"),
            ("p=1", "keyid=AAECAwQFBgc,p=1"),
            ("d$v=19$m=65536,t=2,p=1", "$v=19$m=65536,t=2,p=1,keyid=AAECAwQFBgc"),
            ("$c29tZXNhbHQ", "$"),
            ("c29tZXNhbHQ", "c29tZXM"),
            ("c29tZXNhbHQ", "c29tZXNhbHQ="),
            ("c29tZXNhbHQ", "c29tZXNhbHR"),
            ("c29tZXNhbHQ", "c29tZXNhbH_"),
            ("c29tZXNhbHQ", "c29tZXNhbH Q"),
            ("GRPPc", "GRPPd"),
            ("CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "CTFhFdXPJO1aFaMa"),
            ("GRPPc", "GRPPc$"),
            ("GRPPc", "GRPPc\n"),
        ] {
            let odd = GOOD.replacen(from, to, 1);
            assert_ne!(odd, GOOD, "{from}");
            assert!(Argon2Hash::parse(&odd).is_none(), "{odd:?}");
        }
        for odd in ["", "$", "$$$$$", "plain text", "$2b$12$abcdefghijklmnopqrstuv", &"$".repeat(10_000), "é"] {
            assert!(Argon2Hash::parse(odd).is_none(), "{odd:?}");
        }
    }

    #[test]
    fn weaker_is_whatever_costs_less_to_guess() {
        let ours = HashParameters::default();
        let weaker = |text: &str| Argon2Hash::parse(text).unwrap().is_weaker_than(ours);
        let salt_and_tag = "c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for equal in ["m=65536,t=3,p=4", "m=65536,t=3,p=1", "m=131072,t=4,p=4"] {
            assert!(!weaker(&format!("$argon2id$v=19${equal}${salt_and_tag}")), "{equal}");
        }
        for less in ["m=65535,t=3,p=4", "m=65536,t=2,p=4", "m=131072,t=1,p=4"] {
            assert!(weaker(&format!("$argon2id$v=19${less}${salt_and_tag}")), "{less}");
        }
        for other in ["$argon2i$v=19", "$argon2d$v=19", "$argon2id$v=16", "$argon2id"] {
            assert!(weaker(&format!("{other}$m=65536,t=3,p=4${salt_and_tag}")), "{other}");
        }
        assert!(weaker(GOOD));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Argon2Hash::parse(&text);
        }

        #[test]
        fn no_nearly_good_text_makes_it_panic(text in "\\$argon2(id|i|d)(\\$v=(16|19|[0-9]{0,3}))?\\$m=[0-9]{0,12},t=[0-9]{0,12},p=[0-9]{0,12}\\$[A-Za-z0-9+/=]{0,40}\\$[A-Za-z0-9+/]{0,90}") {
            if let Some(hash) = Argon2Hash::parse(&text) {
                prop_assert_eq!(Argon2Hash::parse(&hash.write()), Some(hash));
            }
        }
    }
}
