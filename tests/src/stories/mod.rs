//! End-to-end stories: each in a namespace of its own, in one bed, with load through Envoy all the while.

mod instruments;
mod interference;
mod life;
mod play;
mod runner;
mod ways_back;

use futures::future::LocalBoxFuture;

use crate::error::Result;
use crate::world::World;

pub use runner::main;

/// A story.
pub struct Story {
    /// Its name, also of its namespace.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Whether it tells of Teal, so that it must be installed.
    pub of_teal: bool,
    /// Whether it needs the bed to itself.
    pub alone: bool,
    tell: for<'a> fn(&'a World, &'a str) -> LocalBoxFuture<'a, Result<()>>,
}

/// A story that can be told beside others.
macro_rules! story {
    ($name:literal, $tell:path, $about:literal) => {
        Story {
            name: $name,
            about: $about,
            of_teal: true,
            alone: false,
            tell: |world, namespace| Box::pin($tell(world, namespace)),
        }
    };
}

/// All of them, in the order in which they are told.
pub const STORIES: &[Story] = &[
    Story {
        of_teal: false,
        alone: true,
        ..story!(
            "instruments",
            instruments::shares_and_sessions,
            "counted shares are Envoy's; a cut session is seen"
        )
    },
    story!(
        "install",
        life::install,
        "the first version goes straight to live; both roles select it; no byte of traffic moves"
    ),
    story!(
        "canary",
        life::canary,
        "10 %, an approval, 100 %, the old color kept, then gone; owner's bytes again"
    ),
    story!("supersede", life::supersede, "a newer version takes the place of one at 10 %"),
    story!("cancel", life::cancel, "the spec returns to what is live"),
    story!("rollback-at-10", ways_back::at_10, "a person goes back in the middle of a step"),
    story!("rollback-in-keep", ways_back::in_keep, "a person goes back after promotion"),
    story!("guard", ways_back::guard, "a guard fails while people are asked"),
    story!(
        "delete-at-10",
        interference::deleted_at_10,
        "the Rollout is deleted in the middle of a step; live serves on"
    ),
    story!("retry", ways_back::retried, "a version that a person rejected is tried again"),
    story!(
        "apply",
        interference::applied_at_every_phase,
        "the owner applies the VirtualService at every phase"
    ),
    story!("apply-forced", interference::forced_at_every_phase, "the same, server-side and by force"),
    story!(
        "apply-exported",
        interference::exported_at_10,
        "routes exported at 10 % are applied after promotion"
    ),
    Story {
        alone: true,
        ..story!(
            "operators-killed",
            interference::operators_killed,
            "all operators die at 10 %; who comes next goes on"
        )
    },
];
