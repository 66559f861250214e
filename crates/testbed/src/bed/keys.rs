//! Keys, certificates, tokens and kubeconfigs. Elliptic keys, since making RSA keys
//! would take half of the start.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::error::{At, Result};
use crate::namespaces::NODE_ADDRESS;

/// Where the API server listens inside.
pub(super) const API_PORT: u16 = 6443;

/// The users that have tokens. All may do everything; the name tells them apart in the audit log.
pub(super) const USERS: [&str; 7] =
    ["admin", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "istiod"];

/// The files that the parts identify themselves with.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    folder: PathBuf,
    /// The bearer token of the administrator.
    pub(super) admin_token: String,
}

impl Keys {
    /// Makes everything anew.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).at("make", folder)?;
        let keys = Self { folder: folder.to_owned(), admin_token: random_token()? };
        keys.certificates()?;
        let account = KeyPair::generate()?;
        keys.write("account.key", &account.serialize_pem())?;
        keys.write("account.pub", &account.public_key_pem())?;
        keys.tokens()?;
        Ok(keys)
    }

    /// The path of one of the files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The kubeconfig of a user.
    pub(super) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.path(&format!("{user}.kubeconfig"))
    }

    /// Writes a kubeconfig for the administrator that uses another address.
    pub(super) fn write_kubeconfig(&self, path: &Path, address: &str) -> Result<()> {
        let text = kubeconfig(&self.path("ca.crt"), address, "admin", &self.admin_token)?.to_string();
        std::fs::write(path, text).at("write", path)
    }

    fn certificates(&self) -> Result<()> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        authority.distinguished_name.push(DnType::CommonName, "teal-bed");
        let certificate = authority.self_signed(&authority_key)?;
        self.write("ca.crt", &certificate.pem())?;
        let issuer = Issuer::new(authority, authority_key);
        let names = [
            NODE_ADDRESS,
            "10.96.0.1",
            "127.0.0.1",
            "localhost",
            "bed",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let server = CertificateParams::new(names.map(str::to_owned).to_vec())?;
        self.issue("server", server, ExtendedKeyUsagePurpose::ServerAuth, &issuer)?;
        let proxy = CertificateParams::default();
        self.issue("front-proxy-client", proxy, ExtendedKeyUsagePurpose::ClientAuth, &issuer)
    }

    fn issue(
        &self,
        name: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
        issuer: &Issuer<'_, KeyPair>,
    ) -> Result<()> {
        let key = KeyPair::generate()?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, issuer)?;
        self.write(&format!("{name}.crt"), &certificate.pem())?;
        self.write(&format!("{name}.key"), &key.serialize_pem())
    }

    fn tokens(&self) -> Result<()> {
        let mut lines = String::new();
        let address = format!("https://{NODE_ADDRESS}:{API_PORT}");
        for user in USERS {
            let token = if user == "admin" { self.admin_token.clone() } else { random_token()? };
            lines.extend([token.as_str(), ",", user, ",", user, ",\"system:masters\"\n"]);
            let config = kubeconfig(&self.path("ca.crt"), &address, user, &token)?;
            self.write(&format!("{user}.kubeconfig"), &config.to_string())?;
        }
        self.write("tokens.csv", &lines)
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path(name);
        std::fs::write(&path, content).at("write", path)
    }
}

/// A kubeconfig that holds all it needs, so that it can be copied elsewhere.
fn kubeconfig(authority: &Path, address: &str, user: &str, token: &str) -> Result<Value> {
    let certificate = std::fs::read(authority).at("read", authority)?;
    let data = k8s_openapi::ByteString(certificate);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bed",
        "clusters": [{"name": "bed", "cluster": {"server": address, "certificate-authority-data": data}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": user}}],
    }))
}

fn random_token() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0_u8; 16];
    let source = "/dev/urandom";
    let mut file = std::fs::File::open(source).at("open", source)?;
    file.read_exact(&mut bytes).at("read", source)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_a_token_of_its_own_and_a_kubeconfig() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::create(folder.path()).unwrap();
        let tokens = std::fs::read_to_string(keys.path("tokens.csv")).unwrap();
        let mut seen: Vec<&str> = tokens.lines().map(|line| line.split(',').next().unwrap()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), USERS.len());
        let text = std::fs::read_to_string(keys.kubeconfig("admin")).unwrap();
        assert!(text.contains(&keys.admin_token) && text.contains("https://10.0.0.1:6443"));
    }
}
