//! What the templates get to see of a letter.

use std::time::Duration;

use doorward::letter::{Letter, LetterContent};
use doorward::ticket::{CODE_LIFETIME, Purpose};
use doorward::{Timestamp, UserId};

use crate::links::Links;

/// The longest name that a letter greets with, in characters.
const NAME_LENGTH: usize = 64;
const MINUTE: Duration = Duration::from_secs(60);

/// The values that a template can use. Those that a letter hasn't are empty.
#[derive(Default, Clone)]
#[expect(missing_debug_implementations, reason = "it holds a link that opens an account")]
pub struct View {
    /// What the service is called.
    pub service: String,
    /// Whom to greet; empty when nothing is known that could be a name.
    pub name: String,
    /// Where the letter's button leads.
    pub link: String,
    /// The short code, in two groups.
    pub code: String,
    /// How long the link is good, in words.
    pub lifetime: String,
    /// How long the code is good, in words.
    pub code_lifetime: String,
    /// The account's address from now on, or the one that was asked for.
    pub new_address: String,
    /// The address of the account that a letter to administrators is about.
    pub account: String,
    /// Whether that account is an administrator's from now on.
    pub is_admin: bool,
    /// How many recovery codes are left.
    pub left: usize,
    /// When it happened: `2026-11-25 22:41 UTC`.
    pub at: String,
}

impl View {
    /// What is to be seen at `now` of `letter`, whose account is `user`.
    pub(crate) fn of((letter, now): (&Letter, Timestamp), user: Option<UserId>, links: &Links, service: &str) -> Self {
        let mut view = Self {
            service: service.to_owned(),
            name: letter.name.as_deref().filter(|name| is_name(name)).unwrap_or_default().to_owned(),
            at: in_words(letter.at),
            ..Self::default()
        };
        if let (Some((purpose, secret)), Some(user)) = (letter.content.ticket(), user) {
            let waited = now.since(Timestamp::from_micros(letter.at));
            view.ticket(purpose, (&links.link(purpose, &secret.token(user)), &secret.code), waited);
        }
        match &letter.content {
            LetterContent::EmailChanged { new_address, .. }
            | LetterContent::EmailChangeRequested { new_address, .. } => {
                view.new_address.clone_from(new_address);
            }
            LetterContent::AdministratorChanged { account, is_admin } => {
                view.account.clone_from(account);
                view.is_admin = *is_admin;
            }
            LetterContent::RecoveryCodeUsed { left } => view.left = *left,
            _ => {}
        }
        view
    }

    /// What a letter of that name could show.
    pub(crate) fn sample(name: &str, links: &Links, service: &str) -> Self {
        let mut view = Self {
            service: service.to_owned(),
            name: "Ada Lovelace".to_owned(),
            new_address: "ada@new.example.com".to_owned(),
            account: "ada@example.com".to_owned(),
            is_admin: true,
            left: 7,
            at: in_words(1_800_000_000_000_000),
            ..Self::default()
        };
        let link = |purpose| links.link(purpose, "this-is-a-preview-and-opens-nothing");
        let purposes = [Purpose::VerifyEmail, Purpose::Recover, Purpose::ChangeEmail, Purpose::Invitation];
        if let Some(purpose) = purposes.into_iter().find(|purpose| purpose.as_str() == name) {
            view.ticket(purpose, (&link(purpose), "12345678"), Duration::ZERO);
        } else if ["email_changed", "email_change_requested"].contains(&name) {
            view.ticket(Purpose::KeepEmail, (&link(Purpose::KeepEmail), ""), Duration::ZERO);
        }
        view
    }

    /// What makes a ticket good, as it is after the letter has `waited`: a code that is dead isn't told.
    fn ticket(&mut self, purpose: Purpose, (link, code): (&str, &str), waited: Duration) {
        link.clone_into(&mut self.link);
        self.lifetime = left(purpose.lifetime(), waited).unwrap_or_default();
        if let Some(lifetime) = left(CODE_LIFETIME.min(purpose.lifetime()), waited) {
            let (left, right) = code.split_at_checked(code.len() / 2).unwrap_or((code, ""));
            self.code = format!("{left} {right}").trim().to_owned();
            self.code_lifetime = lifetime;
        }
    }
}

/// Whether that can be greeted with. Anybody can call themselves anything and have the service write to anybody: a name
/// that holds an address or an offer must not be put into other people's mail.
fn is_name(name: &str) -> bool {
    let mut characters = name.chars().peekable();
    if name.trim().is_empty() || name.chars().count() > NAME_LENGTH {
        return false;
    }
    while let Some(character) = characters.next() {
        let is_fine = match character {
            '.' => characters.peek().is_none_or(|next| *next == ' '),
            ' ' | '-' | '\'' | '’' => true,
            other => other.is_alphabetic() || is_mark(other),
        };
        if !is_fine {
            return false;
        }
    }
    true
}

/// Accents that stand alone, in decomposed text.
const fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// What is left of a lifetime, in words, rather less than more; `None` when nothing is.
fn left(lifetime: Duration, waited: Duration) -> Option<String> {
    if waited < MINUTE {
        return Some(span(lifetime));
    }
    let minutes = lifetime.checked_sub(waited)?.as_secs() / 60;
    let whole = if minutes >= 120 { minutes - minutes % 60 } else { minutes };
    (whole > 0).then(|| span(Duration::from_secs(60 * whole)))
}

fn span(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match minutes {
        1440.. if minutes.is_multiple_of(1440) && minutes > 1440 => format!("{} days", minutes / 1440),
        120.. if minutes.is_multiple_of(60) => format!("{} hours", minutes / 60),
        1 => "1 minute".to_owned(),
        _ => format!("{minutes} minutes"),
    }
}

fn in_words(micros: i64) -> String {
    let moment = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_name_is_greeted() {
        for name in ["Ada", "Ada Lovelace", "J. R. Doe", "Seán O'Brien", "李小龙", "Jean-Luc", "Zoe\u{308}"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(65);
        for name in [
            "",
            "  ",
            "Visit evil.example",
            "http://evil",
            "a@b",
            "a\r\nBcc: x",
            "<b>x</b>",
            "win 1000",
            "a\u{202e}b",
            &long,
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn times_are_told_in_words() {
        assert_eq!(span(Purpose::Recover.lifetime()), "30 minutes");
        assert_eq!(span(Purpose::VerifyEmail.lifetime()), "24 hours");
        assert_eq!(span(Purpose::Invitation.lifetime()), "7 days");
        assert_eq!(in_words(0), "1970-01-01 00:00 UTC");
    }
}
