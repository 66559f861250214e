//! What the environment says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::{AppError, Switches, switches};

/// Who this process is, as it says in answers, metrics and the queue's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `VERSION`.
    pub version: String,
    /// `COLOR`, empty where the release has none.
    pub color: String,
    /// `POD_NAME`, else `HOSTNAME`.
    pub pod: String,
}

/// Settings of every mode, read once at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who this process is.
    pub identity: Identity,
    /// `BIND`: the address all ports are opened on.
    pub bind: IpAddr,
    /// `HTTP_PORT`.
    pub http_port: u16,
    /// `GRPC_PORT`.
    pub grpc_port: u16,
    /// `TCP_PORT`.
    pub tcp_port: u16,
    /// `TLS_PORT`: the same as on `HTTP_PORT`, over TLS; unset, there is none.
    pub tls_port: Option<u16>,
    /// `START_DELAY`: not ready for this long.
    pub start_delay: Duration,
    /// `DRAIN_DELAY`: how long new connections are still expected after SIGTERM.
    pub drain_delay: Duration,
    /// `DRAIN_LIMIT`: how long open connections are waited for after SIGTERM.
    pub drain_limit: Duration,
    /// The switches as they are at start.
    pub switches: Switches,
    /// `QUEUE_URL`: where worker and tick find the queue.
    pub queue_url: Option<String>,
    /// `WORK_TIME`: how long the worker takes for a message.
    pub work_time: Duration,
    /// `POLL_INTERVAL`: how often the worker asks an empty queue.
    pub poll_interval: Duration,
    /// `LEASE`: how long the queue waits for an acknowledgement before it hands a message out again.
    pub lease: Duration,
    /// `JOB_NAME`: the Job that a tick runs in; a `CronJob` ends it with the scheduled minute.
    pub job_name: Option<String>,
}

impl Settings {
    /// Reads settings through `read`, in `main` the process's environment. Empty means unset.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self, AppError> {
        let get = |name: &str| read(name).filter(|value| !value.is_empty());
        let text = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_owned());
        let time = |name: &str, default: Duration| duration(name, get(name), default);
        let number = |name: &str, default: u16| port(name, get(name), default);
        Ok(Self {
            identity: Identity {
                version: text("VERSION", "dev"),
                color: text("COLOR", ""),
                pod: get("POD_NAME").unwrap_or_else(|| text("HOSTNAME", "")),
            },
            bind: address("BIND", get("BIND"))?,
            http_port: number("HTTP_PORT", 8080)?,
            grpc_port: number("GRPC_PORT", 8081)?,
            tcp_port: number("TCP_PORT", 8082)?,
            tls_port: get("TLS_PORT").map(|text| port("TLS_PORT", Some(text), 0)).transpose()?,
            start_delay: time("START_DELAY", Duration::ZERO)?,
            drain_delay: time("DRAIN_DELAY", Duration::from_secs(3))?,
            drain_limit: time("DRAIN_LIMIT", Duration::from_secs(25))?,
            switches: initial_switches(get)?,
            queue_url: get("QUEUE_URL").map(|url| url.trim_end_matches('/').to_owned()),
            work_time: time("WORK_TIME", Duration::from_millis(20))?,
            poll_interval: time("POLL_INTERVAL", Duration::from_millis(100))?,
            lease: time("LEASE", Duration::from_secs(30))?,
            job_name: get("JOB_NAME"),
        })
    }

    /// Address of one port.
    pub fn addr(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, port)
    }
}

fn initial_switches(get: impl Fn(&str) -> Option<String>) -> Result<Switches, AppError> {
    let mut initial = Switches::default();
    for name in switches::NAMES {
        let variable = name.to_uppercase();
        if let Some(value) = get(&variable) {
            // Said by the name it was given under.
            initial.set(name, &value).map_err(|error| match error {
                AppError::Setting { value, why, .. } => AppError::Setting { name: variable, value, why },
                other => other,
            })?;
        }
    }
    Ok(initial)
}

fn refused(name: &str, value: &str, why: &str) -> AppError {
    AppError::Setting { name: name.into(), value: value.into(), why: why.into() }
}

fn duration(name: &str, value: Option<String>, default: Duration) -> Result<Duration, AppError> {
    value.map_or(Ok(default), |text| {
        humantime::parse_duration(&text)
            .map_err(|_| refused(name, &text, "use a duration such as 50ms or 2s"))
    })
}

fn port(name: &str, value: Option<String>, default: u16) -> Result<u16, AppError> {
    value.map_or(Ok(default), |text| text.parse().map_err(|_| refused(name, &text, "use a port number")))
}

fn address(name: &str, value: Option<String>) -> Result<IpAddr, AppError> {
    value.map_or(Ok(Ipv4Addr::UNSPECIFIED.into()), |text| {
        text.parse().map_err(|_| refused(name, &text, "use an IP address such as 0.0.0.0"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, AppError> {
        Settings::read(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn defaults_serve_on_the_known_ports() {
        let settings = read(&[("VERSION", "v1"), ("HOSTNAME", "web-1"), ("COLOR", "")]).unwrap();
        assert_eq!(
            settings.identity,
            Identity { version: "v1".into(), color: String::new(), pod: "web-1".into() }
        );
        assert_eq!((settings.http_port, settings.grpc_port, settings.tcp_port), (8080, 8081, 8082));
        assert_eq!(settings.switches, Switches::default());
    }

    #[test]
    fn switches_come_from_upper_case_variables() {
        let settings = read(&[("ERRORS", "0.5"), ("CRASH_AFTER", "3s"), ("POD_NAME", "p")]).unwrap();
        assert!((settings.switches.errors - 0.5).abs() < f64::EPSILON);
        assert_eq!(settings.switches.crash_after, Duration::from_secs(3));
        assert_eq!(settings.identity.pod, "p");
    }

    #[test]
    fn bad_settings_name_the_variable() {
        for (name, value) in [("HTTP_PORT", "80800"), ("START_DELAY", "5"), ("BIND", "here"), ("ERRORS", "2")]
        {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}={value}: use ")), "{message}");
        }
    }
}
