//! What whoever stands outside of a bed is promised: the kubeconfig and the addresses that `--keep` prints.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use teal_testbed::{Bed, Error, Result};

use crate::runtime;

/// Begins the line that the inner half prints when all of its checks have passed. How the bed is reached follows.
const PASSED: &str = "all checks inside passed; from outside: ";

/// How long anybody may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

/// The ways into a bed, as the inner half knows them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WaysIn {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    gateway: String,
    prometheus: String,
}

impl WaysIn {
    pub(super) fn of(bed: &Bed) -> Result<Self> {
        let address = |name: &str| {
            bed.address_outside(name).ok_or_else(|| wrong(format!("{name} has no address outside")))
        };
        Ok(Self {
            kubectl: bed.cluster().kubectl.clone(),
            kubeconfig: bed.kubeconfig_outside(),
            gateway: address("gateway")?,
            prometheus: address("prometheus")?,
        })
    }

    /// For the outer half, which can't ask.
    pub(super) fn line(&self) -> Result<String> {
        let ways = serde_json::to_string(self).map_err(|error| wrong(error.to_string()))?;
        Ok(format!("{PASSED}{ways}"))
    }

    pub(super) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix(PASSED)?).ok()
    }

    /// Goes each of them.
    pub(super) fn go(&self) -> Result<()> {
        let said = self.ask_the_server()?;
        expect(said == "ok", || format!("kubectl outside was answered {said:?} by /readyz"))?;
        let color = get(&format!("http://{}/", self.gateway))?;
        expect(["blue", "green"].contains(&color.trim()), || {
            format!("the gateway answered {color:?} at its address outside")
        })?;
        get(&format!("http://{}/-/ready", self.prometheus)).map(drop)
    }

    fn ask_the_server(&self) -> Result<String> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.env("KUBECONFIG", &self.kubeconfig).args(["get", "--raw", "/readyz"]);
        kubectl.arg(format!("--request-timeout={}s", WITHIN.as_secs()));
        let output = kubectl.output();
        let output = output.map_err(|source| Error::Spawn { program: "kubectl, outside".into(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(Error::Program {
            program: "kubectl get --raw /readyz, outside".into(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn get(url: &str) -> Result<String> {
    let asked = async {
        // A proxy that this machine uses for the world knows nothing of its loopback address.
        let http = reqwest::Client::builder().no_proxy().timeout(WITHIN).build()?;
        http.get(url).send().await?.error_for_status()?.text().await
    };
    let answer: std::result::Result<String, reqwest::Error> = runtime()?.block_on(asked);
    answer.map_err(|error| wrong(format!("nobody answers outside: {error}")))
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(otherwise())) }
}

fn wrong(why: String) -> Error {
    Error::Invalid { what: "check".into(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways_in(gateway: &str) -> WaysIn {
        let (kubectl, kubeconfig) = ("/bin/false".into(), "/nowhere/kube config".into());
        WaysIn { kubectl, kubeconfig, gateway: gateway.into(), prometheus: "127.0.0.1:2".into() }
    }

    #[test]
    fn what_the_inner_half_says_is_what_the_outer_one_hears() {
        let ways = ways_in("127.0.0.1:1");
        assert_eq!(WaysIn::read(&ways.line().unwrap()), Some(ways));
        assert_eq!(WaysIn::read("ok  kubectl logs and exec work"), None);
    }

    #[test]
    fn a_way_that_leads_nowhere_is_named() {
        let refused = ways_in("127.0.0.1:1").go().unwrap_err().to_string();
        assert!(refused.contains("kubectl"), "{refused}");
    }
}
