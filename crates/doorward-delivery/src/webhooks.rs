//! Webhooks as [Standard Webhooks](https://www.standardwebhooks.com) has them: a signed POST, and a 2xx or it is tried
//! again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::STANDARD;
use doorward::outbox::Message;
use doorward::webhook::WebhookEvent;
use doorward::{Timestamp, User, UserId};

use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::outcome::{Obstacle, Undelivered};

/// How long the receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection is kept for the next event.
const IDLE: Duration = Duration::from_secs(30);

/// A secret that signs webhooks: `whsec_` and base64 of 24 to 64 bytes.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret(…)")
    }
}

/// Why a webhook can't be sent as the settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// The secret has another form.
    #[error("it is not whsec_ followed by 24 to 64 bytes in base64")]
    Secret,
    /// The URL is none.
    #[error("it is no http:// or https:// address")]
    Url,
}

impl WebhookSecret {
    /// Reads a secret.
    ///
    /// # Errors
    ///
    /// [`InvalidWebhook::Secret`].
    pub fn parse(text: &str) -> Result<Self, InvalidWebhook> {
        let encoded = text.strip_prefix("whsec_").ok_or(InvalidWebhook::Secret)?;
        let bytes = STANDARD.decode_to_vec(encoded).map_err(|_| InvalidWebhook::Secret)?;
        let bytes = Zeroizing::new(bytes);
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidWebhook::Secret) }
    }

    /// `v1,` and the signature of a message of that id, sent at that time in seconds, with that body.
    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("HMAC takes any key");
        let mac = keyed.chain_update(format!("{id}.{seconds}.")).chain_update(body).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode_to_string(mac))
    }
}

/// Where events are sent, and signed with what.
#[derive(Debug)]
pub struct Webhooks {
    url: Uri,
    secrets: Vec<WebhookSecret>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Webhooks {
    /// Events go to `url`, signed with every one of `secrets`: while one is exchanged for another, both are good.
    ///
    /// # Errors
    ///
    /// [`InvalidWebhook`] for the URL, or the reason why no secure connection can be made.
    pub fn new(url: &str, secrets: Vec<WebhookSecret>) -> Result<Self, String> {
        let url = Self::parse_url(url).map_err(|invalid| invalid.to_string())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| format!("the machine's certificates can't be read: {error}"))?
            .https_or_http()
            .enable_http1()
            .build();
        // It follows no redirects: an event goes where the operator said, or nowhere.
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
        Ok(Self { url, secrets, client })
    }

    /// Reads an address that events can be sent to.
    ///
    /// # Errors
    ///
    /// [`InvalidWebhook::Url`].
    pub fn parse_url(url: &str) -> Result<Uri, InvalidWebhook> {
        let uri: Uri = url.parse().map_err(|_| InvalidWebhook::Url)?;
        let has_host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        if has_host && is_web { Ok(uri) } else { Err(InvalidWebhook::Url) }
    }

    /// Whether events to that address would cross a network unprotected.
    pub fn is_unprotected_url(url: &str) -> bool {
        let Ok(url) = Self::parse_url(url) else { return false };
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_here =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        url.scheme_str() == Some("http") && !is_here
    }

    /// Sends the event in a message of the outbox.
    pub(crate) async fn deliver(
        &self,
        event: &WebhookEvent,
        (message, user): (&Message, Option<&User>),
        now: Timestamp,
    ) -> Result<(), Undelivered> {
        let id = message.id.to_string();
        let body = body(event, message, user);
        let seconds = now.seconds();
        let signatures: Vec<_> = self.secrets.iter().map(|secret| secret.sign(&id, seconds, &body)).collect();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("doorward/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures.join(" "))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Undelivered::for_ever(error.to_string()))?;
        // What is answered beside the status interests nobody and is not read.
        match tokio::time::timeout(TIMEOUT, self.client.request(request)).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => {
                let status = response.status();
                let is_busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                let obstacle = if is_busy { Obstacle::Receiver } else { Obstacle::Passing };
                Err(Undelivered::new(obstacle, format!("the receiver answered {}", status.as_u16())))
            }
            Ok(Err(error)) => {
                Err(Undelivered::by_receiver(format!("no connection to the receiver: {}", cause(&error))))
            }
            Err(_) => Err(Undelivered::by_receiver("the receiver took too long")),
        }
    }
}

/// `{"type", "timestamp", "data"}`, with whose account it is about among the data, and its address as it is now.
fn body(event: &WebhookEvent, message: &Message, user: Option<&User>) -> Vec<u8> {
    let mut data = event.data.clone();
    if let Some(members) = data.as_object_mut() {
        members.insert("user_id".to_owned(), message.user_id.map(UserId::value).into());
        members.insert("email".to_owned(), user.map(|user| user.email.as_str()).into());
    }
    let moment = jiff::Timestamp::from_microsecond(event.at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    json!({ "type": event.kind, "timestamp": moment.to_string(), "data": data }).to_string().into_bytes()
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac` and `base64` over the same id, timestamp and body.
    #[test]
    fn a_signature_is_what_others_compute() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_base64_of_24_to_64_bytes() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode_to_string(vec![7_u8; bytes]));
        for bytes in [24, 32, 64] {
            assert!(WebhookSecret::parse(&of(bytes)).is_ok(), "{bytes}");
        }
        let bare = of(32).trim_start_matches("whsec_").to_owned();
        for text in [of(23), of(65), bare, "whsec_".to_owned(), "whsec_!".to_owned(), String::new()] {
            assert_eq!(WebhookSecret::parse(&text).map(drop), Err(InvalidWebhook::Secret), "{text}");
        }
        assert_eq!(format!("{:?}", WebhookSecret::parse(&of(32)).unwrap()), "WebhookSecret(…)");
    }

    #[test]
    fn events_go_to_the_web_only() {
        for url in ["", "example.com/hook", "ftp://example.com", "/hook", "https://user:pw@example.com/"] {
            assert_eq!(Webhooks::parse_url(url), Err(InvalidWebhook::Url), "{url}");
        }
        assert!(Webhooks::parse_url("https://example.com/hook?x=1").is_ok());
    }
}
