//! `healthcheck`: whether the server with these settings, on this machine, can serve. For containers and supervisors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::output::print_line;
use crate::failure::Failure;
use crate::settings::Settings;

/// How long the whole check may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks `/ready` or, if only that the process answers is of interest, `/health`.
pub(crate) fn run(settings: &Settings, only_alive: bool) -> Result<ExitCode, Failure> {
    let path = if only_alive { "/health" } else { "/ready" };
    let address = reachable(settings.bind)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    let asked =
        runtime.block_on(async { tokio::time::timeout(TIMEOUT, ask(address, path, settings.tls.is_some())).await });
    let refused = |reason: String| Err(Failure::new(format!("{address} {reason}")));
    match asked {
        Ok(Ok(200)) => {
            print_line(if only_alive { "alive" } else { "ready" })?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ok(status)) => refused(format!("answers {status} to {path}")),
        Ok(Err(error)) => refused(format!("doesn't answer: {error}")),
        Err(_) => refused(format!("doesn't answer within {} seconds", TIMEOUT.as_secs())),
    }
}

/// Where a server that listens on `bind` is reached from this machine.
fn reachable(bind: SocketAddr) -> Result<SocketAddr, Failure> {
    if bind.port() == 0 {
        return Err(Failure::new("bind has port 0: where the server listens is known to its log only"));
    }
    let address = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(address, bind.port()))
}

/// The status that is answered.
async fn ask(address: SocketAddr, path: &str, has_tls: bool) -> std::io::Result<u16> {
    let stream = TcpStream::connect(address).await?;
    if has_tls {
        let connector = TlsConnector::from(Arc::new(config().map_err(std::io::Error::other)?));
        let secured = connector.connect(ServerName::IpAddress(address.ip().into()), stream).await?;
        status(secured, path).await
    } else {
        status(stream, path).await
    }
}

async fn status(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> std::io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // `HTTP/1.1 200`
    let mut line = [0; 12];
    stream.read_exact(&mut line).await?;
    let text = std::str::from_utf8(&line).ok().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    text.and_then(|status| status.parse().ok()).ok_or_else(|| std::io::Error::other("that is no HTTP"))
}

fn config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth())
}

/// Takes any certificate: nothing secret is sent, and its name is not this machine's address. Who could pose as the server
/// here could answer as well.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
