//! Whom a connection believes to be the server.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version};

use super::PostgresError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Encrypted, to whoever answers: `prefer` and `require` ask no more, in libpq either.
    Anyone,
    /// The certificate comes from an authority that is believed, whatever name it carries.
    Authority,
    AuthorityAndName,
}

/// Files of the URL, in PEM. Without `roots` the authorities are Mozilla's.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) roots: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

pub(super) fn configure(trust: Trust, files: &Files) -> Result<ClientConfig, PostgresError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(unusable)?;
    let authorities = match trust {
        Trust::Anyone => None,
        Trust::Authority | Trust::AuthorityAndName => {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(files)?), provider.clone());
            Some(verifier.build().map_err(unusable)?)
        }
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (trust, authorities) {
        (Trust::AuthorityAndName, Some(authorities)) => authorities,
        (_, authorities) => Arc::new(Lenient { provider, authorities }),
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("client certificate", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| unreadable("client key", key, source))?;
            builder.with_client_auth_cert(chain, key).map_err(unusable)
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(PostgresError::Url("sslcert and sslkey go together".to_owned())),
    }
}

fn roots(files: &Files) -> Result<RootCertStore, PostgresError> {
    let Some(file) = &files.roots else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("root certificate", file)? {
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(roots)
}

fn certificates(what: &'static str, file: &str) -> Result<Vec<CertificateDer<'static>>, PostgresError> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    all.map_err(|source| unreadable(what, file, source))
}

fn unreadable(what: &'static str, file: &str, source: rustls::pki_types::pem::Error) -> PostgresError {
    PostgresError::File { what, file: file.to_owned(), source: source.into() }
}

fn unusable(error: impl std::fmt::Display) -> PostgresError {
    PostgresError::Url(error.to_string())
}

/// Looks at the chain where there are authorities to ask, never at the name. Signatures are checked all the same: the server
/// holds the key of the certificate it shows.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is looked at last, when everything else held.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
