//! What whole releases look like in one color.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod common;

use common::{candidate, context, fixture, services};
use teal_plan::Color;
use teal_release::render;

#[test]
fn a_deployment_and_its_service() {
    insta::assert_yaml_snapshot!(candidate("web", Color::Blue));
}

#[test]
fn a_shop_as_candidate() {
    insta::assert_yaml_snapshot!(candidate("shop", Color::Green));
}

#[test]
fn a_shop_when_live() {
    let manifests = fixture("shop");
    let mut context = context(&manifests, services("shop"), Color::Green);
    context.live = true;
    let rendered = render(&manifests, &context).unwrap();
    insta::assert_yaml_snapshot!((rendered.live_only, rendered.in_place, rendered.workloads));
}

/// As they were written but for the marks by which they are found again, and so of one form for both colors.
#[test]
fn kinds_that_both_colors_share_are_never_renamed() {
    let shared = candidate("shared", Color::Green).shared;
    assert_eq!(shared, candidate("shared", Color::Blue).shared);
    insta::assert_yaml_snapshot!(shared);
}

#[test]
fn stateful_sets_of_a_color_and_shared() {
    insta::assert_yaml_snapshot!(candidate("stateful", Color::Blue));
}
