//! The settings of mail and webhooks, made valid.

use doorward::EmailVerification;
use doorward_delivery::{Links, Mail, Mailbox, SmtpSettings, WebhookSecret, Webhooks};

use super::{Door, Problem, path, shown, yes_or_no};
use crate::settings::delivery::{Delivery, Receiver};

pub(super) fn delivery(door: &mut Door<'_>) -> Option<Delivery> {
    let links = door.optional("public_url", |text| Links::new(text).map_err(|invalid| because(text, &invalid)));
    let account_pages = door.read("account_pages", yes_or_no);
    let email_verification = door.read("email_verification", email_verification);
    let letters_in_log = door.is_said("mail");
    let mail = mail(door);
    let template_dir = door.optional("mail_template_dir", path);
    let webhook = webhook(door);
    let (smtp, from) = mail?;
    Some(Delivery {
        links: links?,
        account_pages: account_pages?,
        email_verification: email_verification?,
        letters_in_log: letters_in_log && smtp.is_none(),
        smtp,
        from,
        template_dir: template_dir?,
        webhook: webhook?,
    })
}

fn because(text: &str, problem: &dyn std::error::Error) -> Problem {
    format!("is {}: {problem}", shown(text))
}

fn email_verification(text: &str) -> Result<EmailVerification, Problem> {
    match text {
        "off" => Ok(EmailVerification::Off),
        "on" => Ok(EmailVerification::On),
        "required" => Ok(EmailVerification::Required),
        _ => Err(format!("is {}, none of off, on, required", shown(text))),
    }
}

/// The mail server, if there is one, and whom letters are from.
fn mail(door: &mut Door<'_>) -> Option<(Option<SmtpSettings>, Mailbox)> {
    let is_smtp = door.read("mail", |text| match text {
        "log" => Ok(false),
        "smtp" => Ok(true),
        _ => Err(format!("is {}, neither log nor smtp", shown(text))),
    });
    // The URL is not shown: it may hold a password.
    let smtp = door
        .optional("smtp_url", |text| SmtpSettings::parse(text).map_err(|invalid| format!("will not do: {invalid}")));
    let from = door
        .optional("mail_from", |text| Mail::mailbox(text).map_err(|problem| format!("is {}: {problem}", shown(text))));
    let (is_smtp, smtp, from) = (is_smtp?, smtp?, from?);
    match (is_smtp, &smtp, &from) {
        (true, None, _) => door.fault("smtp_url", "is not set, but mail is smtp".to_owned()),
        (true, Some(_), None) => door.fault("mail_from", "is not set, but mail is smtp".to_owned()),
        (false, Some(_), _) => door.fault("mail", "is log, but smtp_url is set".to_owned()),
        _ => {
            let from = from.or_else(|| Mail::mailbox("doorward@localhost").ok())?;
            return Some((smtp, from));
        }
    }
    None
}

#[expect(clippy::option_option, reason = "a fault and unset settings are different things")]
fn webhook(door: &mut Door<'_>) -> Option<Option<Receiver>> {
    let url = door.optional("webhook_url", |text| match Webhooks::parse_url(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(invalid) => Err(format!("will not do: {invalid}")),
    });
    let secrets = door
        .list("webhook_secret", |text| WebhookSecret::parse(text).map_err(|invalid| format!("is refused: {invalid}")));
    match (url?, secrets?) {
        (None, secrets) if secrets.is_empty() => Some(None),
        (None, _) => {
            door.fault("webhook_url", "is not set, but webhook_secret is".to_owned());
            None
        }
        (Some(_), secrets) if secrets.is_empty() => {
            door.fault("webhook_secret", "is not set, but webhook_url is".to_owned());
            None
        }
        (Some(url), secrets) => Some(Some(Receiver { url, secrets })),
    }
}
