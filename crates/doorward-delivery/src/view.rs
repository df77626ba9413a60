//! What the templates get to see of a letter.

use std::time::Duration;

use doorward::UserId;
use doorward::letter::{Letter, LetterContent};
use doorward::ticket::{CODE_LIFETIME, Purpose};

use crate::links::Links;

/// The longest name that a letter greets with, in characters.
const NAME_LENGTH: usize = 64;

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
    /// What is to be seen of `letter`, whose account is `user`.
    pub(crate) fn of(letter: &Letter, user: Option<UserId>, links: &Links, service: &str) -> Self {
        let mut view = Self {
            service: service.to_owned(),
            name: letter.name.as_deref().filter(|name| is_name(name)).unwrap_or_default().to_owned(),
            at: in_words(letter.at),
            ..Self::default()
        };
        if let (Some((purpose, secret)), Some(user)) = (letter.content.ticket(), user) {
            view.ticket(purpose, &links.link(purpose, &secret.token(user)), &secret.code);
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
            view.ticket(purpose, &link(purpose), "12345678");
        } else if ["email_changed", "email_change_requested"].contains(&name) {
            view.ticket(Purpose::KeepEmail, &link(Purpose::KeepEmail), "");
        }
        view
    }

    fn ticket(&mut self, purpose: Purpose, link: &str, code: &str) {
        link.clone_into(&mut self.link);
        let (left, right) = code.split_at_checked(code.len() / 2).unwrap_or((code, ""));
        self.code = format!("{left} {right}").trim().to_owned();
        self.lifetime = span(purpose.lifetime());
        self.code_lifetime = span(CODE_LIFETIME.min(purpose.lifetime()));
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

fn span(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match minutes {
        1440.. if minutes.is_multiple_of(1440) && minutes > 1440 => format!("{} days", minutes / 1440),
        120.. if minutes.is_multiple_of(60) => format!("{} hours", minutes / 60),
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
