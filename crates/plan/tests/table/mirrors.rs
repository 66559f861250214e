//! Steps that send the candidate copies. When these come and go is decided as for previews.

use teal_plan::report::report;
use teal_plan::snapshot::{Beside, Form};
use teal_plan::{Decision, Effect};

use crate::fixture::*;

#[test]
fn a_step_with_copies_says_so_once_they_are_sent() {
    let mut s = reached("canary", 10, NOW);
    let without = report(&s, &checked(&s)).message;
    s.settings.steps[0].mirror = Some(20);
    let with = report(&s, &checked(&s)).message;
    assert!(with.contains("(green), and copies of 20 % are sent there"), "{with}");
    assert!(!without.contains("copies"), "{without}");
}

/// What the step says counts now, so the next one, which asks for none, takes them out with its weight.
#[test]
fn copies_that_no_step_asks_for_any_more_go_with_the_next_raise() {
    let mut s = trying("full", 100);
    s.world.finalizer = true;
    s.world.green = present(candidate());
    s.world.candidate_service = points(candidate());
    s.world.routes = routes(Form::Entered(10));
    s.world.routes.beside = Beside { any: true, fits: false };
    assert_eq!(effects(&s), [Effect::RaiseWeight(100)]);
}

/// What people were shown is another thing, so they are asked anew.
#[test]
fn an_edit_of_the_copies_is_an_edit_of_the_step() {
    let s = reached("canary", 10, NOW);
    let plain = s.settings.steps[0].clone();
    let copied = teal_plan::settings::Step { mirror: Some(20), ..plain.clone() };
    let more = teal_plan::settings::Step { mirror: Some(30), ..plain.clone() };
    assert_ne!(plain.terms(), copied.terms());
    assert_ne!(copied.terms(), more.terms());
    assert!(!matches!(checked(&s).decision, Decision::Commit(_)), "nothing was edited");
}
