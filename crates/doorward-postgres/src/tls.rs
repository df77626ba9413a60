//! Transport security: what `sslmode` and `sslrootcert` in the URL mean.
//!
//! They mean what they mean to PostgreSQL's own clients, since URLs are handed around.

use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::error::OpenErrorReason;

/// What is asked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nothing: the connection is secret, but from whom is not known.
    None,
    /// That an authority we trust signed it.
    Authority,
    /// That, and that it is of the host we connect to.
    AuthorityAndName,
}

/// What the URL asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    proof: Proof,
    root_certificate: Option<String>,
}

/// The settings of a connection, from `postgres://…`.
pub(crate) fn read_url(url: &str) -> Result<(Config, Tls), OpenErrorReason> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(OpenErrorReason::Url("it does not begin with postgres://".to_owned()));
    }
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut others = Vec::new();
    let (mut mode, mut root_certificate) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
        match name {
            "sslmode" => mode = Some(value),
            "sslrootcert" => root_certificate = Some(value),
            _ => others.push(pair),
        }
    }
    let url = format!("{address}?{}", others.join("&"));
    // The driver's words name the parameter that is wrong and quote no value.
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        OpenErrorReason::Url(cause.unwrap_or_else(|| error.to_string()))
    })?;
    let (ssl_mode, proof) = meaning(mode.as_deref(), root_certificate.is_some())?;
    config.ssl_mode(ssl_mode);
    Ok((config, Tls { proof, root_certificate }))
}

/// Whether somebody between here and the server could pose as it: it is on another machine, and no certificate of its
/// name is asked for.
pub(crate) fn can_be_posed_as(url: &str) -> bool {
    let Ok((config, tls)) = read_url(url) else { return false };
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        _ => true,
    };
    tls.proof != Proof::AuthorityAndName && !config.get_hosts().iter().all(is_here)
}

/// With a root certificate `require` proves the authority, as libpq has it.
fn meaning(mode: Option<&str>, has_root_certificate: bool) -> Result<(SslMode, Proof), OpenErrorReason> {
    Ok(match mode.unwrap_or("prefer") {
        "disable" => (SslMode::Disable, Proof::None),
        "prefer" => (SslMode::Prefer, Proof::None),
        "require" if has_root_certificate => (SslMode::Require, Proof::Authority),
        "require" => (SslMode::Require, Proof::None),
        "verify-ca" => (SslMode::Require, Proof::Authority),
        "verify-full" => (SslMode::Require, Proof::AuthorityAndName),
        _ => {
            let modes = "sslmode is one of disable, prefer, require, verify-ca, verify-full";
            return Err(OpenErrorReason::Tls(modes.to_owned()));
        }
    })
}

impl Tls {
    pub(crate) fn client_config(&self) -> Result<ClientConfig, OpenErrorReason> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenErrorReason::Tls(error.to_string()))?;
        let verifier: Arc<dyn ServerCertVerifier> = match self.proof {
            Proof::None => Arc::new(Unverified(provider)),
            Proof::Authority => Arc::new(AuthorityOnly(self.authorities(provider)?)),
            Proof::AuthorityAndName => self.authorities(provider)?,
        };
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }

    /// Those of `sslrootcert`, or without it (and for `system`) those that the machine trusts.
    fn authorities(&self, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, OpenErrorReason> {
        let mut roots = RootCertStore::empty();
        match self.root_certificate.as_deref().filter(|path| *path != "system") {
            Some(path) => {
                let refused = |error: &dyn std::fmt::Display| OpenErrorReason::Tls(format!("sslrootcert: {error}"));
                for certificate in CertificateDer::pem_file_iter(path).map_err(|error| refused(&error))? {
                    let certificate = certificate.map_err(|error| refused(&error))?;
                    roots.add(certificate).map_err(|error| refused(&error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        verifier.build().map_err(|error| OpenErrorReason::Tls(format!("no certificate authority is trusted: {error}")))
    }
}

/// Takes any certificate whose key the server holds.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes a certificate of a trusted authority whatever host it is for.
#[derive(Debug)]
struct AuthorityOnly(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AuthorityOnly {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        // The name is looked at last: whoever fails there has passed the rest.
        match self.0.verify_server_cert(certificate, intermediates, name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<(SslMode, Tls), OpenErrorReason> {
        let (config, tls) = read_url(&format!("postgres://doorward@db.example.com/doorward?{query}"))?;
        Ok((config.get_ssl_mode(), tls))
    }

    #[test]
    fn who_could_pose_as_the_server_is_told() {
        for url in [
            "postgres://db.example.com/x",
            "postgres://u:p@10.0.0.1/x?sslmode=require",
            "postgres://localhost,db/x?sslmode=verify-ca",
        ] {
            assert!(can_be_posed_as(url), "{url}");
        }
        for url in [
            "postgres://localhost/x",
            "postgres://127.0.0.1,[::1]/x",
            "postgres:///x?host=/run",
            "postgres://db/x?sslmode=verify-full",
            "no url",
        ] {
            assert!(!can_be_posed_as(url), "{url}");
        }
    }

    #[test]
    fn the_modes_mean_what_libpq_means() {
        let meaning = |query| read(query).map(|(mode, tls)| (mode, tls.proof)).unwrap();
        assert_eq!(meaning(""), (SslMode::Prefer, Proof::None));
        assert_eq!(meaning("sslmode=disable"), (SslMode::Disable, Proof::None));
        assert_eq!(meaning("sslmode=require"), (SslMode::Require, Proof::None));
        assert_eq!(meaning("sslmode=require&sslrootcert=a.pem"), (SslMode::Require, Proof::Authority));
        assert_eq!(meaning("sslmode=verify-ca"), (SslMode::Require, Proof::Authority));
        assert_eq!(
            meaning("application_name=x&sslmode=verify-full&connect_timeout=3"),
            (SslMode::Require, Proof::AuthorityAndName)
        );
        assert!(read("sslmode=allow").is_err());
    }

    #[test]
    fn a_root_certificate_is_read_from_its_file() {
        let (_, tls) = read("sslmode=verify-full&sslrootcert=%2Fno%20where%2Froot.pem").unwrap();
        assert_eq!(tls.root_certificate.as_deref(), Some("/no where/root.pem"));
        let error = tls.client_config().unwrap_err().to_string();
        assert!(error.starts_with("sslrootcert: "), "{error}");
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        for url in ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h/d?nonsense=hunter2", "postgres://u:hunter2@h:x/d"]
        {
            let error = read_url(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
