//! From what Helm renders of a chart to the objects of a color.
//!
//! ```text
//! values, valuesFrom ──► with_values() ──► filled(slot) ──► helm template, once for each color (room `chart`)
//!                                                           │ text
//!     Rendering::read() ◄───────────────────────────────────┘
//!          │ blue, green
//!          ├──► BothColors::common()  what is one object for both, or the clashes
//!          ├──► role_pairs()          the Service of a color behind each traffic Service
//!          ├──► rights()              Teal's own, or refused
//!          └──► hooks_at(), tests()   Jobs around it
//!                    │ all of it as one
//!              Body::of() ──► kept with the revision ──► manifests(color) ──► render()
//! ```
//!
//! Names come from the chart: each color is a release of its own ([`release_name`]), and what doesn't carry the release's name
//! is the same in both colors or refused. So nothing is renamed here, other than with manifests: [`crate::render`] gives them the
//! labels, selectors and sizes that those of manifests get, and leaves their names.

mod body;
mod both;
mod hook;
mod kinds;
mod outside;
mod read;
mod scalar;
mod services;
mod stands;
mod values;
mod yaml;

pub use body::{Body, Manifests};
pub use both::{BothColors, Common, before_promotion, varying};
pub use hook::{DeletePolicy, Hook, HookEvent, HookWork, Side, Stage};
pub use kinds::{Rights, refusals, rights};
pub use read::{ChartObject, Origin, Rendering};
pub use services::{RolePair, ServiceMapping, role_pairs};
pub use values::{ValuesError, filled, for_color, merged, values_of_text, with_nulls_told, with_values};

use teal_plan::Color;

use crate::refusal::Refusal;

/// What Helm allows for the name of a release.
const LONGEST_RELEASE: usize = 53;

/// The name of the release that a Rollout's chart is in one color.
pub fn release_name(rollout: &str, color: Color) -> Result<String, Refusal> {
    let longest = LONGEST_RELEASE - "-green".len();
    if rollout.len() > longest {
        let problem = format!(
            "has {} characters, and Helm allows {LONGEST_RELEASE} for a release's name with -green behind it",
            rollout.len()
        );
        let remedy = format!("shorten it to at most {longest}");
        return Err(Refusal::invalid(&format!("Rollout {rollout}"), "metadata.name", problem, remedy));
    }
    Ok(format!("{rollout}-{color}"))
}
