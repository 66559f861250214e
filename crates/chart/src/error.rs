//! What can go wrong with a chart, in words that say how to mend it.

use std::path::PathBuf;
use std::time::Duration;

use crate::archive::ArchiveFault;

/// Why there is no chart or no rendering. Nothing that runs is touched by any of them.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// A field that Helm is not given.
    #[error("spec.release.chart.{field} {problem}: {remedy}")]
    BadSource {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Something of a request that Helm is not given.
    #[error("{what} is {value:?}, which can't be given to Helm: correct it")]
    BadRequest {
        /// Which part.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// No such chart or version.
    #[error("{source_name} is not there ({message}): correct its name or version, or publish it")]
    NotFound {
        /// The chart.
        source_name: String,
        /// What Helm says.
        message: String,
    },
    /// Nobody answers.
    #[error("{source_name} can't be reached ({message}): see to the address, and to what is between")]
    Unreachable {
        /// The chart.
        source_name: String,
        /// What Helm says.
        message: String,
    },
    /// The place didn't answer a moment ago.
    #[error("{said}")]
    Resting {
        /// What it said then.
        said: String,
    },
    /// An address that is not asked, to which the one that was named has led.
    #[error(
        "{source_name}: {problem}: have it lead to https and to another machine, or have the operator's configuration allow the host (--charts-plain-host)"
    )]
    BadAddress {
        /// The chart.
        source_name: String,
        /// Where it leads, and why that isn't asked.
        problem: String,
    },
    /// Credentials are asked for.
    #[error(
        "{source_name} is not given to anybody ({message}): Teal has no credentials for registries yet; put it where none are needed"
    )]
    Denied {
        /// The chart.
        source_name: String,
        /// What Helm says.
        message: String,
    },
    /// It couldn't be fetched for another reason.
    #[error("{source_name} can't be fetched: {message}")]
    Fetch {
        /// The chart.
        source_name: String,
        /// What Helm says.
        message: String,
    },
    /// Another content than was asked for.
    #[error(
        "{source_name} has the digest {found} and not {wanted}: somebody has put another chart there; look into it, and correct spec.release.chart.digest if that was meant"
    )]
    WrongDigest {
        /// The chart.
        source_name: String,
        /// As asked for.
        wanted: String,
        /// As it is.
        found: String,
    },
    /// Another chart than was asked for.
    #[error("{source_name} holds {found}: correct spec.release.chart, or publish the chart anew")]
    OtherChart {
        /// The chart.
        source_name: String,
        /// Name and version that it says of itself.
        found: String,
    },
    /// An archive that Helm is not given.
    #[error("{source_name}: {fault}")]
    BadArchive {
        /// The chart.
        source_name: String,
        /// What is wrong with it.
        #[source]
        fault: ArchiveFault,
    },
    /// The chart and its values don't fit.
    #[error(
        "{chart}: Helm refuses the values: {message}: correct spec.release.chart.values or what valuesFrom names"
    )]
    Values {
        /// The chart.
        chart: String,
        /// What Helm says.
        message: String,
    },
    /// A template that fails.
    #[error("{chart}: Helm can't render it: {message}: correct the template, or the values it reads")]
    Template {
        /// The chart.
        chart: String,
        /// What Helm says.
        message: String,
    },
    /// Helm took too long.
    #[error("{chart}: Helm was ended after {} s: {remedy}", after.as_secs())]
    TooLong {
        /// The chart.
        chart: String,
        /// How long it was given.
        after: Duration,
        /// What to do.
        remedy: &'static str,
    },
    /// Helm took too much memory.
    #[error("{chart}: Helm needs more than {} MiB: make the chart smaller, or allow more in the operator's configuration", limit >> 20)]
    TooMuchMemory {
        /// The chart.
        chart: String,
        /// What it was given, in bytes.
        limit: u64,
    },
    /// Helm printed too much.
    #[error("{chart}: renders to more than {} KiB: give parts of it Rollouts of their own", limit >> 10)]
    TooMuchOutput {
        /// The chart.
        chart: String,
        /// What is read, in bytes.
        limit: u64,
    },
    /// Helm can't be run.
    #[error("{} can't be run ({source}): see to the operator's image or its configuration", program.display())]
    Helm {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder of charts can't be used.
    #[error("can't {action} {} ({source}): see to the volume that holds the operator's charts", path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ChartError {
    /// Whether the spec itself is wrong, whatever anybody else does.
    pub const fn is_of_the_spec(&self) -> bool {
        matches!(self, Self::BadSource { .. } | Self::BadRequest { .. })
    }

    /// Whether others who ask the same place now would wait in vain, too.
    pub(crate) const fn is_of_the_place(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TooLong { .. })
    }

    /// Whether the spec or the chart must change. A chart may be published anew, so that it is tried again, though seldom.
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::BadSource { .. }
            | Self::BadRequest { .. }
            | Self::WrongDigest { .. }
            | Self::OtherChart { .. }
            | Self::BadArchive { .. }
            | Self::BadAddress { .. }
            | Self::Values { .. }
            | Self::Template { .. }
            | Self::TooMuchMemory { .. }
            | Self::TooMuchOutput { .. } => true,
            Self::NotFound { .. }
            | Self::Unreachable { .. }
            | Self::Resting { .. }
            | Self::Denied { .. }
            | Self::Fetch { .. }
            | Self::TooLong { .. }
            | Self::Helm { .. }
            | Self::Folder { .. } => false,
        }
    }
}
