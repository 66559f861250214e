//! A port that speaks TLS, with a certificate made at start: for meshes that are told to encrypt up to the pod.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::AppError;

/// Accepts TLS under a certificate that nobody signed but itself.
pub(crate) fn acceptor() -> Result<TlsAcceptor, AppError> {
    let made = rcgen::generate_simple_self_signed([String::from("shop")]).map_err(AppError::Certificate)?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(AppError::Tls)?;
    let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    let mut config = config.map_err(AppError::Tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
