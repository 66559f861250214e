//! What Teal puts beside the weights of managed routes: routes of a preview, and mirrors. They come with the care of a raise, and go with
//! the last weight, before the candidate is named no more.

use serde_json::Value;

use crate::draft::Draft;
use crate::read::read;
use crate::{Refusal, RouteKind, RouteSet, Scope, mirror, preview};

/// How they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// Some are there.
    pub any: bool,
    /// They are those that are asked for, or none where none are.
    pub fits: bool,
}

/// Looks for them. Of a `VirtualService` that [`read`] refuses it is said only whether any are there.
pub fn beside(virtual_service: &Value, scope: &Scope<'_>) -> Beside {
    let any = !preview::places(virtual_service, scope).is_empty()
        || !mirror::routes(virtual_service, scope).is_empty();
    let fits = read(virtual_service, scope).map_or(true, |set| {
        preview::fits(virtual_service, &set, scope) && mirror::fits(virtual_service, &set, scope)
    });
    Beside { any, fits }
}

/// Brings them to what is asked for, to be guarded by the object's version; nothing where they are so.
pub(crate) fn settle(
    virtual_service: &Value,
    set: &RouteSet,
    scope: &Scope<'_>,
) -> Result<Option<Draft>, Refusal> {
    let previews = preview::settle(virtual_service, set, scope)?;
    let mirrors = mirror::settle(virtual_service, set, scope)?;
    let mut drafts = previews.into_iter().chain(mirrors);
    let Some(mut all) = drafts.next() else { return Ok(None) };
    drafts.for_each(|draft| all.append(draft));
    Ok(Some(all))
}

/// Takes all of them out, if any are there. Refuses if they stand elsewhere by now.
pub(crate) fn take_out(virtual_service: &Value, scope: &Scope<'_>) -> Option<Draft> {
    let mut draft = Draft::default();
    preview::take_out(&mut draft, virtual_service, scope);
    mirror::take_out(&mut draft, virtual_service, scope);
    (!draft.changes_nothing()).then_some(draft)
}

/// Refuses to name the candidate no more while they lead to it.
pub(crate) fn must_be_out(virtual_service: &Value, set: &RouteSet, scope: &Scope<'_>) -> Result<(), Refusal> {
    let there =
        preview::places(virtual_service, scope).into_iter().chain(mirror::routes(virtual_service, scope));
    match there.min() {
        None => Ok(()),
        Some(place) => Err(Refusal::StillBeside {
            object: set.object.boxed(),
            field: RouteKind::Http.field(place, None),
        }),
    }
}
