//! E-mail addresses: validated once, compared by key.
//!
//! An address is what an ordinary mailbox has: `local-part@domain`, the local part a dot-atom (RFC 5322, section
//! 3.2.3) that may hold letters beyond ASCII (RFC 6531, section 3.3), the domain a public host name. The rarer forms
//! of the RFCs (quoted local parts, comments, display names, IP literals) are refused: two programs seldom agree on
//! how to read them, and an attacker lives off the disagreement (CVE-2022-35924).
//!
//! Nothing is rewritten that could make one person's address another's: plus tags, dots and look-alike letters stay.

use std::fmt;
use std::str::FromStr;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

#[cfg(test)]
mod tests;

/// The longest address, in bytes of UTF-8 (RFC 5321, section 4.5.3.1.3, without the angle brackets).
pub const EMAIL_MAX_BYTES: usize = 254;

/// The longest local part, in bytes of UTF-8 (RFC 5321, section 4.5.3.1.1).
const LOCAL_PART_MAX_BYTES: usize = 64;

/// What RFC 5322 allows in an atom besides letters and digits.
const ATOM_SIGNS: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

/// Names that no public mail server can have (RFC 6761, 6762, 7686), and all that is below them.
/// `example` and its kin are not here: RFC 6761 asks applications to treat them like any other name.
const RESERVED_NAMES: [&str; 6] = ["arpa", "invalid", "local", "localhost", "onion", "test"];

/// Thai and Lao AM: everyday vowels, although Unicode calls them compatibility characters.
const EVERYDAY_COMPATIBILITY: [char; 2] = ['\u{e33}', '\u{eb3}'];

/// A validated address, as it was spelled and as the key that makes one account an address.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    spelled: String,
    key: String,
}

/// Why a text is no address. The reason never repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidEmail {
    reason: &'static str,
}

impl InvalidEmail {
    /// The reason, as a sentence for a person.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

impl EmailAddress {
    /// Reads an address that a person typed.
    ///
    /// White space around it is dropped, the local part becomes NFC and keeps its letter case, the domain becomes
    /// lower-case ASCII (UTS #46, non-transitional). Reading [`as_str`](Self::as_str) again gives the same address.
    ///
    /// ```
    /// use doorward::EmailAddress;
    ///
    /// let address = EmailAddress::parse(" Ada+Lists@Bücher.Example ")?;
    /// assert_eq!(address.as_str(), "Ada+Lists@xn--bcher-kva.example");
    /// assert_eq!(address.key(), "ada+lists@xn--bcher-kva.example");
    /// # Ok::<(), doorward::email::InvalidEmail>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidEmail`] with the first fault found.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let typed = text.trim();
        check_length(typed)?;
        let composed: String = typed.nfc().collect();
        let (local, domain) = composed.split_once('@').ok_or(refused("An email address must have an @-sign."))?;
        if domain.contains('@') {
            return Err(refused("There must be only one @-sign."));
        }
        check_local_part(local)?;
        let folded = fold_case(local);
        // Folding may take a letter apart, and leave its mark in front.
        check_marks(&folded)?;
        if local.len().max(folded.len()) > LOCAL_PART_MAX_BYTES {
            return Err(refused("The part before the @-sign is too long."));
        }
        let domain = ascii_domain(domain)?;
        let address = Self { spelled: format!("{local}@{domain}"), key: format!("{folded}@{domain}") };
        check_length(&address.spelled)?;
        check_length(&address.key)?;
        Ok(address)
    }

    /// The address that a store kept as [`as_str`](Self::as_str) and [`key`](Self::key).
    pub fn from_stored(spelled: String, key: String) -> Self {
        Self { spelled, key }
    }

    /// The beginning of an address in the form that [`key`](Self::key) has, to find accounts by. Whatever is no
    /// beginning of an address finds none.
    pub fn key_prefix(text: &str) -> String {
        let composed: String = text.trim().nfc().collect();
        fold_case(&composed)
    }

    /// The address as it was registered: NFC, its domain in lower-case ASCII.
    pub fn as_str(&self) -> &str {
        &self.spelled
    }

    /// The unique key of the account: the address in lower case, whichever way it was spelled.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl AsRef<str> for EmailAddress {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmail;

    /// The same as [`parse`](Self::parse).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(…)")
    }
}

const fn refused(reason: &'static str) -> InvalidEmail {
    InvalidEmail { reason }
}

fn check_length(address: &str) -> Result<(), InvalidEmail> {
    if address.len() > EMAIL_MAX_BYTES { Err(refused("The email address is too long.")) } else { Ok(()) }
}

fn check_local_part(local: &str) -> Result<(), InvalidEmail> {
    if local.is_empty() {
        return Err(refused("There must be something before the @-sign."));
    }
    if local.starts_with('"') {
        return Err(refused("The part before the @-sign cannot be in quotes."));
    }
    if !local.chars().all(is_atom_character) {
        return Err(refused("The part before the @-sign contains a character that is not allowed."));
    }
    if local.split('.').any(str::is_empty) {
        return Err(refused("The part before the @-sign cannot begin or end with a period or have two in a row."));
    }
    check_marks(local)?;
    // Full-width letters, ligatures and the like look like another address; nobody's mailbox is spelled so.
    if local.chars().any(is_disguise) {
        return Err(refused("The part before the @-sign contains a variant of another character."));
    }
    Ok(())
}

/// A mark that begins an atom would sit on the period, or on whatever is printed before the address.
fn check_marks(local: &str) -> Result<(), InvalidEmail> {
    if local.split('.').any(|atom| atom.starts_with(is_mark)) {
        return Err(refused("The part before the @-sign contains a combining character with nothing to combine with."));
    }
    Ok(())
}

fn is_atom_character(character: char) -> bool {
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric() || byte == b'.' || ATOM_SIGNS.contains(&byte),
        _ => is_visible(character),
    }
}

/// Neither control, format, private nor unassigned, no space or line end, and not one of the letters without a shape.
fn is_visible(character: char) -> bool {
    let unprintable = GeneralCategoryGroup::Other.union(GeneralCategoryGroup::Separator);
    !unprintable.contains(category(character))
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

fn is_mark(character: char) -> bool {
    GeneralCategoryGroup::Mark.contains(category(character))
}

/// Whether NFKC makes another character of this one.
fn is_disguise(character: char) -> bool {
    !EVERYDAY_COMPATIBILITY.contains(&character) && !character.nfkc().eq(character.nfc())
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

/// The local part as the key has it. Letter by letter, since [`str::to_lowercase`] would write the same sigma in two
/// ways; both small sigmas are one letter. NFKC, so that both ways to type Thai AM are one account.
fn fold_case(local: &str) -> String {
    local.chars().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c }).nfkc().collect()
}

fn ascii_domain(domain: &str) -> Result<String, InvalidEmail> {
    if domain.is_empty() {
        return Err(refused("There must be something after the @-sign."));
    }
    if domain.starts_with('[') {
        return Err(refused("The part after the @-sign must be a name, not an IP address."));
    }
    // UTS #46 would drop what cannot be seen and make an address of it that nobody typed.
    if !domain.chars().all(is_visible) {
        return Err(refused("The part after the @-sign contains a character that is not allowed."));
    }
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| refused("The part after the @-sign is not a valid domain name."))?;
    let Some((_, top_level)) = ascii.rsplit_once('.') else {
        return Err(refused("The part after the @-sign is not valid. It should have a period."));
    };
    if RESERVED_NAMES.contains(&top_level) {
        return Err(refused("The part after the @-sign is a reserved name that no mail can be sent to."));
    }
    // Top-level domains are letters or an encoded name (RFC 1123, section 2.1): 127.0.0.1 and 0x7f.0x1 have none.
    if !top_level.starts_with("xn--") && !top_level.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(refused("The part after the @-sign does not end in a top-level domain."));
    }
    Ok(ascii.into_owned())
}
