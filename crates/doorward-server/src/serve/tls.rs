//! Transport security: the certificate and its key, those that take their place, and when their time is over.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use doorward::{Clock, SystemClock, Timestamp};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::settings::TlsFiles;

/// HTTP/2 in the words of ALPN (RFC 7301).
const HTTP2: &[u8] = b"h2";
/// HTTP/1.1 in the words of ALPN.
const HTTP1: &[u8] = b"http/1.1";
/// The time between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long before its end a certificate is warned of: those who renew by themselves do so before.
const SHORT: Duration = Duration::from_secs(30 * DAY.as_secs());
/// The time between two warnings.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate with its key that may be replaced while connections are served.
pub(crate) struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    looks: Mutex<Looks>,
    /// When its end was warned of last.
    warned_at: Mutex<Option<Timestamp>>,
}

/// What was found at looking into the files, as digests of their contents.
#[derive(Debug)]
struct Looks {
    in_use: Found,
    last: Found,
    refused: Option<Found>,
}

/// A digest of both files, or why they can't be read.
type Found = Result<[u8; 32], String>;

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// [`Failure`] that names the setting and the file that won't do.
    pub(crate) fn load(files: &TlsFiles) -> Result<Arc<Self>, Failure> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let contents = Contents::read(files).map_err(Failure::new)?;
        let current = contents.certified_key(files, &provider).map_err(Failure::new)?;
        let found = Ok(contents.digest());
        let looks = Mutex::new(Looks { in_use: found.clone(), last: found, refused: None });
        let (current, warned_at) = (RwLock::new(Arc::new(current)), Mutex::new(None));
        Ok(Arc::new(Self { files: files.clone(), provider, current, looks, warned_at }))
    }

    /// How connections are made secure with it: TLS 1.2 or 1.3, HTTP/2 or 1.1 as the client likes.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the system has no randomness for the keys of session tickets.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<rustls::ServerConfig, Failure> {
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(Failure::because)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        // Tickets that the client keeps instead of a cache of ours; rustls changes their key by itself.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(Failure::because)?;
        Ok(config)
    }

    /// From when on clients refuse the certificate in use, if it says so.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let certificate = x509_cert::Certificate::from_der(current.cert.first()?).ok()?;
        let not_after = certificate.tbs_certificate.validity.not_after.to_unix_duration();
        Some(Timestamp::from_seconds(i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Warns, once a day, of a certificate whose end is near or past.
    fn warn_of_end(&self, now: Timestamp) {
        let Some(not_after) = self.not_after() else { return };
        if not_after > now.plus(SHORT) {
            return;
        }
        let mut warned_at = self.warned_at.lock().unwrap_or_else(PoisonError::into_inner);
        if warned_at.is_some_and(|at| at.distance(now) < DAY) {
            return;
        }
        *warned_at = Some(now);
        let (path, days) = (self.files.certificate.display(), not_after.distance(now).as_secs() / DAY.as_secs());
        if not_after <= now {
            tracing::error!(
                event = "certificate_expired",
                days,
                "tls_certificate_file {path} is past its end: clients refuse it"
            );
        } else {
            tracing::warn!(
                event = "certificate_expires",
                days,
                "tls_certificate_file {path} comes to its end in {days} days"
            );
        }
    }

    /// Looks into the files. What is new and good is used from the next handshake on; what is not good
    /// is said once and changes nothing. Unless `told` to, a change waits for a second look that finds the
    /// same, for two files can't be replaced in one step.
    fn look(&self, told: bool) {
        let contents = Contents::read(&self.files);
        let found = contents.as_ref().map(Contents::digest).map_err(Clone::clone);
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let is_settled = told || std::mem::replace(&mut looks.last, found.clone()) == found;
        let is_known = looks.in_use == found || (!told && looks.refused.as_ref() == Some(&found));
        if is_known || !is_settled {
            return;
        }
        match contents.and_then(|contents| contents.certified_key(&self.files, &self.provider)) {
            Ok(key) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                *looks = Looks { in_use: found.clone(), last: found, refused: None };
                *self.warned_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
                tracing::info!(event = "certificate_replaced", "new connections get the new certificate");
            }
            Err(problem) => {
                looks.refused = Some(found);
                tracing::error!(event = "certificate_refused", "the certificate in use stays: {problem}");
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Looks for a new certificate at intervals and at every SIGHUP, for ever.
pub(super) async fn keep_current(certificate: Arc<Certificate>) {
    let mut hangups = signal(SignalKind::hangup()).ok();
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        let told = match &mut hangups {
            Some(hangups) => tokio::select! {
                _ = looks.tick() => false,
                _ = hangups.recv() => true,
            },
            None => {
                looks.tick().await;
                false
            }
        };
        let certificate = Arc::clone(&certificate);
        // Only a panic ends it otherwise; the next look is another try.
        let look = move || {
            certificate.look(told);
            certificate.warn_of_end(SystemClock.now());
        };
        let _ = tokio::task::spawn_blocking(look).await;
    }
}

/// What both files held at one time.
struct Contents {
    certificates: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, String> {
        let certificates = std::fs::read(&files.certificate);
        let key = std::fs::read(&files.key).map(Zeroizing::new);
        let unreadable = |setting, path: &Path, error: io::Error| {
            format!("{setting} names {}, which cannot be read: {error}", path.display())
        };
        Ok(Self {
            certificates: certificates
                .map_err(|error| unreadable("tls_certificate_file", &files.certificate, error))?,
            key: key.map_err(|error| unreadable("tls_key_file", &files.key, error))?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update(Sha256::digest(&self.certificates));
        hash.chain_update(Sha256::digest(&*self.key)).finalize().into()
    }

    fn certified_key(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
        let (certificate_path, key_path) = (files.certificate.display(), files.key.display());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificates).collect();
        let chain = chain.map_err(|error| format!("tls_certificate_file {certificate_path} is not PEM: {error}"))?;
        if chain.is_empty() {
            return Err(format!("tls_certificate_file {certificate_path} holds no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| format!("tls_key_file {key_path} holds no private key in PEM: {error}"))?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            format!("tls_certificate_file {certificate_path} and tls_key_file {key_path} do not go together: {error}")
        })
    }
}
