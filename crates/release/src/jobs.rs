//! Jobs: once per revision, before or after.

use serde::{Deserialize, Serialize};

use crate::ObjectKey;
use crate::names::annotation;
use crate::object::Object;
use crate::refusal::Refusal;

/// When a Job of a release runs. Each runs once per revision and never on the way back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum JobRun {
    /// Before the workloads.
    Before,
    /// After the former revision was retired: for migrations that the former one could not stand.
    AfterRetire,
}

/// A Job and when it runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ReleaseJob {
    /// As the manifest names it.
    pub key: ObjectKey,
    /// When.
    pub run: JobRun,
    /// The Job of this color.
    pub object: Object,
}

impl JobRun {
    /// What the annotation of a manifest says; before, if it says nothing.
    pub(crate) fn of(manifest: &Object) -> Result<Self, Refusal> {
        let field = || format!("metadata.annotations[{}]", annotation::RUN);
        let key = manifest.key();
        match manifest.annotation(annotation::RUN) {
            Some(_) if !key.is("batch", "Job") => {
                Err(Refusal::invalid(&key, field(), "is for Jobs only", "leave it out"))
            }
            None | Some("before") => Ok(Self::Before),
            Some("after-retire") => Ok(Self::AfterRetire),
            Some(word) => Err(Refusal::invalid(
                &key,
                field(),
                format!("is {word:?}"),
                "write before, which it also means without, or after-retire",
            )),
        }
    }
}
