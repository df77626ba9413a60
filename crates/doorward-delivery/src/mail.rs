//! Letters made into mail, and sent or only logged.

use std::time::{Duration, SystemTime};

use doorward::letter::Letter;
use doorward::outbox::Message;
use doorward::{Timestamp, UserId};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, AsyncTransport};

use crate::links::{InvalidPublicUrl, Links};
use crate::outcome::Undelivered;
use crate::smtp::{InvalidSmtpUrl, SmtpSettings, SmtpTransport, undelivered};
use crate::templates::{Rendered, TemplateFault, Templates};
use crate::view::View;

/// How mail leaves the service.
#[derive(Debug)]
pub enum MailTransport {
    /// Not at all: the log has each letter, its link and code included. For trying things out on one machine.
    Log,
    /// Not at all: the log says that there was a letter, and nothing by which an account can be opened.
    Nowhere,
    /// Over SMTP.
    Smtp(SmtpTransport),
}

impl MailTransport {
    /// Over SMTP with those settings. Connects when there is something to send.
    ///
    /// # Errors
    ///
    /// The reason, when the certificates to trust can't be read.
    pub fn smtp(settings: &SmtpSettings) -> Result<Self, String> {
        Ok(Self::Smtp(settings.transport()?))
    }
}

/// Everything that makes a letter into mail.
#[derive(Debug)]
pub struct Mail {
    /// Where it goes through.
    pub transport: MailTransport,
    /// What it says.
    pub templates: Templates,
    /// Where its links lead.
    pub links: Links,
    /// Whom it is from.
    pub from: Mailbox,
    /// What the service is called.
    pub service: String,
}

/// Why letters can't be made into mail with these settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailSetupError {
    /// What links are to begin with.
    #[error("the public URL: {0}")]
    PublicUrl(#[from] InvalidPublicUrl),
    /// The mail server.
    #[error("the SMTP URL: {0}")]
    SmtpUrl(#[from] InvalidSmtpUrl),
    /// The certificates to trust.
    #[error("the certificates to trust: {0}")]
    Certificates(String),
    /// Whom mail is from.
    #[error("whom mail is from: {0}")]
    From(String),
    /// A template.
    #[error("template {0}")]
    Template(#[from] TemplateFault),
}

impl Mail {
    /// Letters in the log, with links that begin with `public_url`: for trying things out on one machine.
    ///
    /// # Errors
    ///
    /// [`MailSetupError`]: no URL that links can begin with.
    pub fn in_log(service: &str, public_url: &str) -> Result<Self, MailSetupError> {
        let from = Mailbox::new(None, Address::new("doorward", "localhost").map_err(|_| InvalidPublicUrl)?);
        Self::through(MailTransport::Log, from, (service, public_url))
    }

    /// Letters over SMTP: `smtps://user:password@mail.example.com`, from `Example <auth@example.com>`, with the built-in
    /// templates and links that begin with `public_url`.
    ///
    /// # Errors
    ///
    /// [`MailSetupError`]: which of these will not do.
    pub fn by_smtp(url: &str, from: &str, (service, public_url): (&str, &str)) -> Result<Self, MailSetupError> {
        let transport = MailTransport::smtp(&SmtpSettings::parse(url)?).map_err(MailSetupError::Certificates)?;
        Self::through(transport, Self::mailbox(from).map_err(MailSetupError::From)?, (service, public_url))
    }

    fn through(
        transport: MailTransport,
        from: Mailbox,
        (service, public_url): (&str, &str),
    ) -> Result<Self, MailSetupError> {
        let (templates, links) = (Templates::built_in()?, Links::new(public_url)?);
        Ok(Self { transport, templates, links, from, service: service.to_owned() })
    }

    /// Reads what mail is from: `auth@example.com` or `Example <auth@example.com>`.
    ///
    /// # Errors
    ///
    /// The reason, when it is no mailbox.
    pub fn mailbox(text: &str) -> Result<Mailbox, String> {
        let is_plain = !text.chars().any(char::is_control);
        text.parse::<Mailbox>().ok().filter(|_| is_plain).ok_or_else(|| "it is no mailbox".to_owned())
    }

    /// Sends the letter in a message of the outbox.
    pub(crate) async fn deliver(&self, letter: &Letter, message: &Message, now: Timestamp) -> Result<(), Undelivered> {
        let rendered = self.rendered((letter, now), message.user_id)?;
        let id = message.id.to_string();
        self.send(&rendered, &letter.to, (&id, letter.at)).await
    }

    /// Sends a letter that says that mail arrives.
    ///
    /// # Errors
    ///
    /// [`Undelivered`] with what the mail server said.
    pub async fn send_test(&self, to: &str, id: &str, now: Timestamp) -> Result<(), Undelivered> {
        let text = format!("{} can send mail to this address.\n", self.service);
        let subject = format!("{} can send mail", self.service);
        let html = format!("<!doctype html><p>{}</p>", text.replace('&', "&amp;").replace('<', "&lt;"));
        self.send(&Rendered { subject, text, html }, to, (id, now.micros())).await
    }

    fn rendered(&self, (letter, now): (&Letter, Timestamp), user: Option<UserId>) -> Result<Rendered, Undelivered> {
        let view = View::of((letter, now), user, &self.links, &self.service);
        // It was rendered at the start: what fails now may be the fault of this letter alone, and a fixed template helps.
        self.templates
            .render(letter.content.name(), &view)
            .map_err(|fault| Undelivered::for_now(format!("template {fault}")))
    }

    async fn send(&self, rendered: &Rendered, to: &str, (id, at): (&str, i64)) -> Result<(), Undelivered> {
        match &self.transport {
            MailTransport::Log => {
                tracing::info!(event = "mail", to, subject = rendered.subject, "{}", rendered.text.trim_end());
                Ok(())
            }
            MailTransport::Nowhere => {
                tracing::warn!(
                    event = "mail_not_sent",
                    to,
                    subject = rendered.subject,
                    "nobody got this letter: set mail = smtp, or mail = log to read letters here"
                );
                Ok(())
            }
            MailTransport::Smtp(transport) => {
                let message = self.compose(rendered, to, (id, at))?;
                transport.send(message).await.map(drop).map_err(|error| undelivered(&error))
            }
        }
    }

    /// The message as it goes over the wire. However often it is sent, it has the same id and date.
    fn compose(&self, rendered: &Rendered, to: &str, (id, at): (&str, i64)) -> Result<lettre::Message, Undelivered> {
        // The address alone: a name beside it would only be one more text that strangers choose.
        let to: Address = to.parse().map_err(|_| Undelivered::for_ever("no address that mail can be sent to"))?;
        let date = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at).unwrap_or_default());
        let part = |kind, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&rendered.subject)
            .date(date)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            // RFC 3834: nobody's holiday notice is to be sent back.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, &rendered.text))
                    .singlepart(part(ContentType::TEXT_HTML, &rendered.html)),
            )
            .map_err(|error| Undelivered::for_ever(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Obstacle;

    fn mail() -> Mail {
        Mail {
            transport: MailTransport::Log,
            templates: Templates::built_in().unwrap(),
            links: Links::new("https://auth.example.com").unwrap(),
            from: Mail::mailbox("Example <auth@example.com>").unwrap(),
            service: "Example".to_owned(),
        }
    }

    fn rendered(subject: &str) -> Rendered {
        Rendered { subject: subject.to_owned(), text: "text\r\n.\r\n".to_owned(), html: "<p>html</p>".to_owned() }
    }

    #[test]
    fn a_message_is_the_same_however_often_it_is_made_but_for_its_boundary() {
        let make = || {
            let message =
                mail().compose(&rendered("Hello"), "ada@example.com", ("id-1", 1_800_000_000_000_000)).unwrap();
            String::from_utf8(message.formatted()).unwrap()
        };
        let text = make();
        for line in [
            "From: Example <auth@example.com>\r\n",
            "To: ada@example.com\r\n",
            "Subject: Hello\r\n",
            "Message-ID: <id-1@example.com>\r\n",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let headers = |text: String| text.lines().take(6).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(headers(text), headers(make()));
    }

    /// H7: nothing that somebody chose begins a header or a command of its own.
    #[test]
    fn no_text_breaks_out_of_its_header() {
        for subject in ["a\r\nBcc: eve@example.com", "a\nBcc: eve@example.com", "ünï\r\n\r\ncode", &"long ".repeat(400)]
        {
            let message = mail().compose(&rendered(subject), "ada@example.com", ("id-1", 0)).unwrap();
            let text = String::from_utf8(message.formatted()).unwrap();
            let head = text.split("\r\n\r\n").next().unwrap();
            let names: Vec<_> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|l| l.split(':').next().unwrap())
                .collect();
            assert!(!names.contains(&"Bcc"), "{head}");
            assert!(head.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{head}");
            assert_eq!(message.envelope().to().len(), 1);
        }
        for to in ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com", "a b@example.com", ""]
        {
            let refused = mail().compose(&rendered("x"), to, ("id-1", 0)).unwrap_err();
            assert_eq!(refused.obstacle, Obstacle::Message, "{to:?}");
        }
    }

    #[test]
    fn who_mail_is_from_is_one_mailbox() {
        for text in ["", "x", "a@b@c", "a@example.com, b@example.com", "A\r\nBcc: x <a@example.com>"] {
            assert!(Mail::mailbox(text).is_err(), "{text:?}");
        }
        assert!(Mail::mailbox("auth@example.com").is_ok());
    }
}
