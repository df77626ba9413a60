//! Words that are easy to guess for who knows whose password it is, and what for.

use crate::email::EmailAddress;

/// What is guessed for whoever administers something.
const ROLES: [&str; 2] = ["admin", "administrator"];
/// The shortest word that is worth looking for among digits and signs.
const SHORTEST_CORE: usize = 3;

/// Whether a password is the name of the service, the address, or a part of it: as it is, or between digits and
/// signs (`Ada-Lovelace1815!` of `ada.lovelace@…`). Letter case and signs within don't matter.
pub(super) fn has(password: &str, service_name: &str, email: Option<&EmailAddress>) -> bool {
    let password = Word::of(password);
    let is_guessed = |text: &str| password.resembles(&Word::of(text));
    ROLES.into_iter().chain([service_name]).any(is_guessed)
        || email.is_some_and(|email| parts(email.key()).any(is_guessed))
}

/// An address, what stands before and after its `@`, and each name of the domain but the last.
fn parts(key: &str) -> impl Iterator<Item = &str> {
    let (local, domain) = key.rsplit_once('@').unwrap_or((key, ""));
    let names = domain.rsplit_once('.').map_or("", |(names, _)| names);
    let untagged = local.split('+').next().unwrap_or_default();
    [key, local, untagged, domain].into_iter().chain(names.split('.')).filter(|part| !part.is_empty())
}

/// A text, and what is left of it without case, signs, and the digits around it.
struct Word {
    folded: zeroize::Zeroizing<String>,
    core: zeroize::Zeroizing<String>,
}

impl Word {
    fn of(text: &str) -> Self {
        let folded = text.to_lowercase();
        let core: String = folded
            .trim_matches(|character: char| !character.is_alphabetic())
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        Self { folded: folded.into(), core: core.into() }
    }

    fn resembles(&self, other: &Self) -> bool {
        *self.folded == *other.folded || (self.core.chars().count() >= SHORTEST_CORE && *self.core == *other.core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_guessed(password: &str) -> bool {
        let email = EmailAddress::parse("Ada.Lovelace+shop@mail.analytical-engine.example.com").unwrap();
        has(password, "Difference Engine", Some(&email))
    }

    #[test]
    fn a_password_is_not_the_address_or_the_service() {
        for password in [
            "ada.lovelace+shop@mail.analytical-engine.example.com",
            "ADA.LOVELACE+SHOP",
            "ada.lovelace",
            "AdaLovelace",
            "ada_lovelace1815",
            "!!Ada-Lovelace!!",
            "mail.analytical-engine.example.com",
            "analytical-engine",
            "AnalyticalEngine2026",
            "example2026",
            "difference engine",
            "DifferenceEngine1",
            "admin1234",
            "Administrator!",
        ] {
            assert!(is_guessed(password), "{password}");
        }
    }

    #[test]
    fn a_sentence_that_mentions_them_is_none_of_them() {
        for password in
            ["my difference engine runs", "ada.lovelace likes engines", "com12345", "12345678", "lovelace and byron"]
        {
            assert!(!is_guessed(password), "{password}");
        }
    }

    #[test]
    fn a_name_of_digits_is_refused_as_it_is() {
        let email = EmailAddress::parse("4915112345678@example.com").unwrap();
        assert!(has("4915112345678", "Doorward", Some(&email)));
        assert!(!has("4915112345679", "Doorward", Some(&email)));
        assert!(!has("4915112345678", "Doorward", None));
    }
}
