//! Every version of every object of the demo, held against the invariants.

use super::screen::Screen;
use super::summary::Summary;
use crate::history::{self, History, Invariant, Options, check};
use crate::world::{Installation, OPERATOR_NAMESPACE, World};

/// What a demo can't show: it waits for no span in which nothing happens.
const NEVER_SHOWN: [Invariant; 1] = [Invariant::I9];

/// Reads what etcd kept, says the counts, and adds to the summary what was broken even for a moment.
pub(super) async fn hold(world: &World, summary: &mut Summary, screen: &Screen) {
    let versions = match world.versions_from(1).await {
        Ok(Some(versions)) => versions,
        Ok(None) => {
            screen.aside(history::NOT_CHECKED);
            return summary.not_checked.push("the history of every object: etcd can't be read".into());
        }
        Err(error) => return summary.unmet.push(format!("the history can't be read: {error}")),
    };
    let (drain, install_namespace) = (Installation::default().drain, OPERATOR_NAMESPACE.into());
    let options = Options { drain, install_namespace, ..Options::default() };
    let found = check(&History::new(versions), &options);
    found.to_string().lines().for_each(|line| screen.aside(line));
    summary.unmet.extend(broken(&found, summary.unmet.is_empty()));
}

/// What didn't hold, and, of a demo that was played to its end, what its history shows nothing of.
fn broken(found: &history::Summary, whole: bool) -> Vec<String> {
    let violations = found.violations.iter().map(|violation| format!("history: {violation}"));
    let unjudged = found.unjudged(&NEVER_SHOWN);
    let blind = whole && !unjudged.is_empty();
    let unshown = blind.then(|| format!("history: nothing was judged for {unjudged:?}"));
    violations.chain(unshown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Count, Violation};

    fn found() -> history::Summary {
        let judged = Count { judged: 1, ..Count::default() };
        let shown = Invariant::ALL.into_iter().filter(|invariant| !NEVER_SHOWN.contains(invariant));
        let counts = shown.map(|invariant| (invariant, judged)).collect();
        history::Summary { versions: 1, counts, violations: Vec::new() }
    }

    #[test]
    fn a_history_in_which_all_holds_breaks_nothing_although_nothing_was_quiet() {
        assert_eq!(broken(&found(), true), Vec::<String>::new());
    }

    #[test]
    fn what_was_broken_for_a_moment_is_not_as_promised() {
        let object = "virtualservices shop/web".into();
        let violation =
            Violation { invariant: Invariant::I14, revision: 7, object, detail: "40 of 10".into() };
        let all = broken(&history::Summary { violations: vec![violation], ..found() }, true);
        assert_eq!(all, ["history: I14 at revision 7: virtualservices shop/web: 40 of 10"]);
    }

    #[test]
    fn a_demo_that_was_played_to_its_end_shows_something_of_each_invariant() {
        let nothing = history::Summary::default();
        let all = broken(&nothing, true);
        assert!(all.len() == 1 && all[0].contains("I5") && !all[0].contains("I9"), "{all:?}");
        assert_eq!(broken(&nothing, false), Vec::<String>::new(), "what is missing was said already");
    }
}
