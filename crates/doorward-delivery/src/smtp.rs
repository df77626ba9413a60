//! SMTP: where to, how safely, and what an error means.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParametersBuilder};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use zeroize::Zeroizing;

use crate::outcome::{Obstacle, Undelivered};

/// A pool of connections to a mail server.
pub(crate) type SmtpTransport = AsyncSmtpTransport<Tokio1Executor>;

/// How long the server may take over one command.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection is kept for the next letter.
const IDLE: Duration = Duration::from_secs(30);
/// How many connections there are at most.
pub(crate) const CONNECTIONS: u32 = 4;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// TLS from the first byte.
    Wrapped,
    /// STARTTLS, or no mail.
    Required,
    /// STARTTLS where the server offers it.
    Opportunistic,
    /// None.
    None,
}

/// Where mail is handed over: `smtp://` or `smtps://`, with name and password in it.
///
/// `smtp://user:password@mail.example.com:587` insists on STARTTLS, `smtps://` (port 465) speaks TLS from the first
/// byte. `?tls=none` or `?tls=opportunistic` lets the first do without, for a server on the same machine.
/// `?ca=/path/to/roots.pem` trusts that authority, and no other.
#[derive(Clone)]
pub struct SmtpSettings {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<(String, Zeroizing<String>)>,
    authority: Option<PathBuf>,
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Why a text says nowhere that mail could be handed over. Never repeats it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSmtpUrl(&'static str);

impl SmtpSettings {
    /// Reads the URL.
    ///
    /// # Errors
    ///
    /// [`InvalidSmtpUrl`] with the reason.
    pub fn parse(url: &str) -> Result<Self, InvalidSmtpUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidSmtpUrl("it is no URL"))?;
        let (is_wrapped, default_port) = match scheme {
            "smtp" => (false, 587),
            "smtps" => (true, 465),
            _ => return Err(InvalidSmtpUrl("it begins neither with smtp:// nor with smtps://")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, place) = match rest.trim_end_matches('/').rsplit_once('@') {
            Some((user, place)) => (Some(credentials(user)?), place),
            None => (None, rest.trim_end_matches('/')),
        };
        let (host, port) = host_and_port(place, default_port)?;
        let mut settings = Self {
            host,
            port,
            protection: if is_wrapped { Protection::Wrapped } else { Protection::Required },
            credentials,
            authority: None,
        };
        for (name, value) in
            query.split('&').filter(|pair| !pair.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")))
        {
            settings.option(name, value, is_wrapped)?;
        }
        Ok(settings)
    }

    fn option(&mut self, name: &str, value: &str, is_wrapped: bool) -> Result<(), InvalidSmtpUrl> {
        match (name, value) {
            ("tls", "required") => {}
            ("tls", "opportunistic" | "none") if is_wrapped => return Err(InvalidSmtpUrl("smtps:// is always TLS")),
            ("tls", "opportunistic") => self.protection = Protection::Opportunistic,
            ("tls", "none") => self.protection = Protection::None,
            ("tls", _) => return Err(InvalidSmtpUrl("tls is none of required, opportunistic and none")),
            ("ca", path) if !path.is_empty() => self.authority = Some(PathBuf::from(decoded(path)?)),
            _ => return Err(InvalidSmtpUrl("after the ? it can have tls=… and ca=…, nothing else")),
        }
        Ok(())
    }

    /// Whether name and password could cross a network unprotected.
    pub fn is_unprotected(&self) -> bool {
        let is_here = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        matches!(self.protection, Protection::None | Protection::Opportunistic) && !is_here
    }

    pub(crate) fn transport(&self) -> Result<SmtpTransport, String> {
        let tls = || -> Result<_, String> {
            let mut parameters = TlsParametersBuilder::new(self.host.clone());
            if let Some(path) = &self.authority {
                parameters = trusting(parameters, path)?;
            }
            parameters.build_rustls().map_err(|error| error.to_string())
        };
        let tls = match self.protection {
            Protection::Wrapped => Tls::Wrapper(tls()?),
            Protection::Required => Tls::Required(tls()?),
            Protection::Opportunistic => Tls::Opportunistic(tls()?),
            Protection::None => Tls::None,
        };
        let pool = PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE);
        let mut builder = SmtpTransport::builder_dangerous(&self.host)
            .port(self.port)
            .tls(tls)
            .timeout(Some(TIMEOUT))
            .pool_config(pool)
            .hello_name(ClientId::Domain("localhost".to_owned()));
        if let Some((user, password)) = &self.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.to_string()));
        }
        Ok(builder.build())
    }
}

fn trusting(parameters: TlsParametersBuilder, path: &Path) -> Result<TlsParametersBuilder, String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    let certificate = Certificate::from_pem(&pem).map_err(|_| format!("{shown}: no certificate in PEM"))?;
    let store = lettre::transport::smtp::client::CertificateStore::None;
    Ok(parameters.certificate_store(store).add_root_certificate(certificate))
}

fn credentials(text: &str) -> Result<(String, Zeroizing<String>), InvalidSmtpUrl> {
    let (user, password) = text.split_once(':').ok_or(InvalidSmtpUrl("it has a name and no password"))?;
    Ok((decoded(user)?, Zeroizing::new(decoded(password)?)))
}

fn host_and_port(place: &str, default: u16) -> Result<(String, u16), InvalidSmtpUrl> {
    let authority: hyper::http::uri::Authority = place
        .parse()
        .map_err(|_| InvalidSmtpUrl("it names no host, or the password has signs that need %-encoding"))?;
    let port = match place.rsplit_once(':') {
        Some((_, text)) if !text.ends_with(']') => text.parse().map_err(|_| InvalidSmtpUrl("the port is no number"))?,
        _ => default,
    };
    let host = authority.host().trim_matches(['[', ']']);
    if host.is_empty() { Err(InvalidSmtpUrl("it names no host")) } else { Ok((host.to_owned(), port)) }
}

/// Without %-encoding.
fn decoded(text: &str) -> Result<String, InvalidSmtpUrl> {
    let broken = InvalidSmtpUrl("its %-encoding is broken");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, mut after)) = rest.split_first() {
        let mut byte = *first;
        if byte == b'%' {
            let (digits, behind) = after.split_at_checked(2).ok_or(broken)?;
            let digits = std::str::from_utf8(digits).map_err(|_| broken)?;
            byte = u8::from_str_radix(digits, 16).map_err(|_| broken)?;
            after = behind;
        }
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| broken)
}

/// What an error of the mail server means. The addresses in its words stay out of the log.
pub(crate) fn undelivered(error: &Error) -> Undelivered {
    if let Some(code) = error.status() {
        let code = code.to_string();
        let reason = format!("the mail server answered {code}");
        // What it says of this mailbox or this letter (RFC 5321, section 4.2.3). Other refusals are about us: a login
        // that fails, a relay that isn't open. They can be mended, and then the letter goes.
        let is_about_letter = ["550", "551", "552", "553", "554", "555", "556"].contains(&code.as_str());
        // It is closing, or will take no letter of ours (RFC 5321, section 4.2.3; RFC 4954, section 6).
        let is_about_us = ["421", "454", "530", "534", "535", "538"].contains(&code.as_str());
        let obstacle = match (is_about_letter, is_about_us) {
            (true, _) => Obstacle::Message,
            (_, true) => Obstacle::Receiver,
            _ => Obstacle::Passing,
        };
        return Undelivered::new(obstacle, reason);
    }
    let cause = cause(error);
    if error.is_client() {
        // A client that gives up by itself does so for what the server lacks. Without STARTTLS or a way to log in
        // somebody may be in between, or the server be set wrongly: that can change. An address that needs SMTPUTF8
        // (RFC 6531) is another matter. Should the words change, it is tried for a day and then given up.
        let hint = if cause.contains("STARTTLS") {
            "; if it is on this machine or in a network of your own, ?tls=none in smtp_url does without"
        } else {
            ""
        };
        let reason = format!("the mail server can't do what is needed: {cause}{hint}");
        let obstacle = if cause.contains("SMTPUTF8") { Obstacle::Message } else { Obstacle::Receiver };
        return Undelivered::new(obstacle, reason);
    }
    let kind = if error.is_timeout() {
        "the mail server took too long"
    } else if error.is_tls() {
        "no secure connection to the mail server"
    } else {
        "no connection to the mail server"
    };
    Undelivered::by_receiver(format!("{kind}: {cause}"))
}

/// The innermost cause: what a person can do something about.
fn cause(error: &Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_and_how() {
        let parsed = SmtpSettings::parse("smtp://us%40er:p%3Aa%2Fss@mail.example.com").unwrap();
        assert_eq!(
            (parsed.host.as_str(), parsed.port, parsed.protection),
            ("mail.example.com", 587, Protection::Required)
        );
        let (user, password) = parsed.credentials.unwrap();
        assert_eq!((user.as_str(), password.as_str()), ("us@er", "p:a/ss"));
        let parsed = SmtpSettings::parse("smtps://mail.example.com/").unwrap();
        assert_eq!((parsed.port, parsed.protection), (465, Protection::Wrapped));
        let parsed = SmtpSettings::parse("smtp://[::1]:2525?tls=none").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port, parsed.protection), ("::1", 2525, Protection::None));
        assert!(!parsed.is_unprotected());
        assert!(SmtpSettings::parse("smtp://10.0.0.1?tls=opportunistic").unwrap().is_unprotected());
        assert!(!SmtpSettings::parse("smtp://10.0.0.1").unwrap().is_unprotected());
    }

    #[test]
    fn what_says_nowhere_is_refused_and_not_repeated() {
        for text in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://user@mail.example.com",
            "smtp://user:secret@",
            "smtp://user:sec ret@mail.example.com:x",
            "smtp://user:secret%@mail.example.com",
            "smtp://mail.example.com?tls=maybe",
            "smtps://mail.example.com?tls=none",
            "smtp://mail.example.com?secret=1",
            "smtp://user:sec/ret#@mail .example.com",
        ] {
            let refused = SmtpSettings::parse(text).map(drop).unwrap_err();
            assert!(!refused.to_string().contains("secret"), "{text}");
        }
        let shown = format!("{:?}", SmtpSettings::parse("smtp://user:secret@mail.example.com").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn certificates_that_cannot_be_read_are_named() {
        let settings = SmtpSettings::parse("smtps://localhost?ca=/nowhere/roots.pem").unwrap();
        assert!(settings.transport().unwrap_err().contains("/nowhere/roots.pem"));
    }
}
