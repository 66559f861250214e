//! Decisions, from the command line to what becomes of them.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::run::{run, run_with, serving};
use support::server::Server;
use support::{
    CANDIDATE, EVIDENCE, LIVE, NONCE, checking, condition, held_while_promoting, job_failed, kept, object,
    paused, rolled_back, waiting,
};
use teal_cli::exit::Exit;
use teal_cli::render::{self, Paint};

#[tokio::test]
async fn an_approval_is_bound_to_the_question_shown_and_followed_to_its_outcome() {
    let server = serving(&waiting()).ruling("True", "Counted", "2 of 2 approvals: goes on");
    let ran = run(&server, "approve web").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    let spec = &server.decisions()[0]["spec"];
    assert_eq!(
        *spec,
        json!({
            "rollout": {"name": "web", "uid": "u-1"}, "action": "Approve", "revision": CANDIDATE, "step": "canary",
            "nonce": NONCE, "decidedBy": {"user": "jo@example.com"}, "via": "cli",
            "evidence": EVIDENCE,
        })
    );
    assert!(ran.out.starts_with("shop/web asks: may r7-3f9c2a1b (green, image web 1.8.2)"), "{}", ran.out);
    let sentence = "Approved: step canary of shop/web for r7-3f9c2a1b: 2 of 2 approvals: goes on.\n";
    assert!(ran.out.ends_with(sentence), "{}", ran.out);
    let watched = server.requests().iter().filter(|request| request.contains("watch=true")).count();
    let listed = server.requests().iter().filter(|request| request.contains("decisions?&field")).count();
    assert_eq!((listed, watched), (2, 1), "one list, one watch and no polling: {:?}", server.requests());
}

#[tokio::test]
async fn an_approval_of_another_question_is_refused_before_anything_is_made() {
    for flags in ["--nonce 00", "--revision r6-00000000", "--step full", "--step canary --nonce 00"] {
        let server = serving(&waiting()).ruling("True", "Counted", "");
        let ran = run(&server, &format!("approve web --yes {flags}")).await;
        assert_eq!(ran.exit(), Exit::NotTaken, "{flags}");
        let error = ran.error();
        let open = format!("now it is revision {CANDIDATE}, step canary, nonce {NONCE}");
        assert!(error.contains("stale") && error.contains(&open), "{error}");
        assert!(server.decisions().is_empty(), "{flags}");
    }
}

#[tokio::test]
async fn an_approval_of_a_question_that_is_closed_is_stale() {
    let server = serving(&checking());
    let ran = run(&server, &format!("approve web --nonce {NONCE}")).await;
    assert_eq!(ran.exit(), Exit::NotTaken);
    assert!(ran.error().contains("but it is Checking: 10 % of requests"), "{}", ran.error());
}

#[tokio::test]
async fn matching_flags_are_taken() {
    let server = serving(&waiting()).ruling("True", "Counted", "");
    let line = format!("approve web --revision {CANDIDATE} --step canary --nonce {NONCE}");
    assert_eq!(run(&server, &line).await.exit(), Exit::Done);
}

#[tokio::test]
async fn without_a_question_it_says_what_is_waited_for() {
    let ran = run(&serving(&checking()), "approve web").await;
    assert_eq!(ran.exit(), Exit::NotTaken);
    let error = ran.error();
    assert!(error.contains("asks nobody now") && error.contains("is held for its time"), "{error}");
    assert!(error.contains("kubectl teal explain web -n shop"), "{error}");
}

#[tokio::test]
async fn with_hands_off_it_says_that_no_decision_is_taken_and_makes_none() {
    let mut web = object(&waiting());
    web["spec"]["mode"] = json!("HandsOff");
    for line in ["approve web --yes", "rollback web", "rollback web --revision r7-3f9c2a1b", "pause web"] {
        let server = Server::with(web.clone()).ruling("True", "Done", "");
        let ran = run(&server, line).await;
        assert_eq!(ran.exit(), Exit::NotTaken, "{line}");
        let said = "spec.mode is HandsOff: no decision is taken";
        assert!(ran.error().contains(said), "{}", ran.error());
        assert!(server.decisions().is_empty(), "{line}");
    }
    let text = render::explanation(&support::from(&web), &support::clock(), Paint::Plain);
    assert!(!text.contains("kubectl teal approve") && text.contains("kubectl patch"), "{text}");
}

#[tokio::test]
async fn on_a_terminal_an_approval_asks_first() {
    for (answer, decided) in [("y\n", 1), ("YES\n", 1), ("n\n", 0), ("\n", 0), ("", 0)] {
        let server = serving(&waiting()).ruling("True", "Counted", "");
        let ran = run_with(&server, "approve web", Some(answer)).await;
        assert!(ran.err.contains("Approve? [y/N]"), "{}", ran.err);
        assert_eq!(server.decisions().len(), decided, "{answer:?}");
        assert_eq!(ran.exit(), if decided == 1 { Exit::Done } else { Exit::NotTaken }, "{answer:?}");
    }
    let server = serving(&waiting()).ruling("True", "Counted", "");
    assert!(!run_with(&server, "approve web --yes", Some("n\n")).await.err.contains("Approve?"));
    assert_eq!(server.decisions().len(), 1);
}

#[tokio::test]
async fn going_back_never_asks_and_prints_what_loses_traffic() {
    for (status, revision) in [(waiting(), CANDIDATE), (kept(), CANDIDATE), (paused(), CANDIDATE)] {
        let server = serving(&status).ruling("True", "Done", "");
        let ran = run_with(&server, "rollback web --reason slow", Some("n\n")).await;
        assert_eq!(ran.exit(), Exit::Done);
        let spec = &server.decisions()[0]["spec"];
        assert_eq!((&spec["revision"], &spec["reason"]), (&json!(revision), &json!("slow")));
        assert!(spec.get("nonce").is_none() && spec.get("step").is_none(), "{spec}");
        let expected =
            format!("Rolling back {revision} of shop/web …\nGoing back: {revision} of shop/web.\n");
        assert_eq!(ran.out, expected);
    }
}

#[tokio::test]
async fn a_rollback_of_another_revision_is_stale() {
    let server = serving(&kept());
    let ran = run(&server, &format!("rollback web --revision {LIVE}")).await;
    assert_eq!(ran.exit(), Exit::NotTaken);
    assert!(ran.error().contains(&format!("now it is revision {CANDIDATE}")), "{}", ran.error());
}

#[tokio::test]
async fn a_rollback_before_the_newest_spec_is_seen_does_not_guess_what_is_meant() {
    let late = |status: &Value| {
        let mut web = object(status);
        web["metadata"]["generation"] = json!(4);
        Server::with(web).ruling("True", "Done", "")
    };
    let server = late(&kept());
    let ran = run(&server, "rollback web").await;
    assert_eq!(ran.exit(), Exit::NotTaken);
    let error = ran.error();
    assert!(
        error.contains(&format!("now {CANDIDATE} would be taken back, and {LIVE} serve again")),
        "{error}"
    );
    assert!(error.contains(&format!("rollback web -n shop --revision {CANDIDATE}")), "{error}");
    assert!(server.decisions().is_empty());
    // Going back is never blocked: with the revision it is sure, and a candidate loses its traffic whatever is meant.
    for (status, line) in
        [(kept(), format!("rollback web --revision {CANDIDATE}")), (waiting(), "rollback web".to_owned())]
    {
        let server = late(&status);
        assert_eq!(run(&server, &line).await.exit(), Exit::Done, "{line}");
        assert_eq!(server.decisions()[0]["spec"]["revision"], CANDIDATE);
    }
}

#[tokio::test]
async fn every_verb_makes_its_decision() {
    for (line, status, action, past) in [
        ("reject web --reason bad", waiting(), "Reject", "Rejected, going back: step canary"),
        ("pause web", checking(), "Pause", "Paused: shop/web"),
        ("resume web", paused(), "Resume", "Resumed: shop/web"),
        ("retry web", rolled_back(), "Retry", "Retried: r7-3f9c2a1b"),
        ("retry web", held_while_promoting(), "Retry", "Retried: r7-3f9c2a1b"),
        ("retry web", job_failed(), "Retry", "Retried: r6-5b1d9e02"),
        ("retire web", kept(), "Retire", "Retired: r6-5b1d9e02"),
        ("skip web --reason late", checking(), "Skip", "Skipped: step canary"),
    ] {
        let server = serving(&status).ruling("True", "Done", "");
        let ran = run(&server, line).await;
        assert_eq!(ran.exit(), Exit::Done, "{line}: {:?}", ran.ended);
        assert_eq!(server.decisions()[0]["spec"]["action"], action);
        assert!(ran.out.contains(past), "{}", ran.out);
    }
}

#[tokio::test]
async fn what_the_operator_refuses_is_said_with_its_words() {
    for reason in ["Refused", "Superseded"] {
        let server = serving(&waiting()).ruling("False", reason, "it answers another question.");
        let ran = run(&server, "approve web").await;
        assert_eq!(ran.exit(), Exit::NotTaken, "{reason}");
        let sentence = format!(
            "Not taken ({reason}): step canary of shop/web for {CANDIDATE}: it answers another question.\n"
        );
        assert!(ran.out.ends_with(&sentence), "{}", ran.out);
    }
}

#[tokio::test]
async fn an_operator_that_says_nothing_is_not_waited_for_without_end() {
    let server = serving(&waiting());
    let ran = run(&server, "approve web --timeout 50ms").await;
    assert_eq!(ran.exit(), Exit::TimedOut);
    assert!(ran.error().contains("kubectl get decisions.teal.dev web-approve-9f3c-"), "{}", ran.error());
    let unwatched = run(&serving(&waiting()), "approve web --timeout 0s").await;
    assert_eq!(unwatched.exit(), Exit::Done);
    assert!(unwatched.out.contains("is made."), "{}", unwatched.out);
}

#[tokio::test]
async fn deciding_twice_shows_what_became_of_the_first() {
    let first = serving(&waiting()).ruling("True", "Counted", "");
    run(&first, "approve web").await;
    let server = serving(&waiting()).decided(first.decisions()[0].clone()).ruling("True", "Counted", "");
    let ran = run(&server, "approve web").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?}", ran.ended);
    assert!(ran.err.contains("You have decided this already, as Decision web-approve-9f3c-"), "{}", ran.err);
    assert_eq!(server.decisions().len(), 1);
}

#[tokio::test]
async fn what_was_refused_can_be_decided_again_once_its_cause_is_mended() {
    let refused =
        json!({"conditions": [condition("Applied", "False", "Refused", "no policies are installed")]});
    let first = serving(&waiting());
    run(&first, "approve web --timeout 0s").await;
    let mut earlier = first.decisions()[0].clone();
    earlier["status"] = refused.clone();
    let server = serving(&waiting()).decided(earlier.clone()).ruling("True", "Counted", "");
    let ran = run(&server, "approve web").await;
    assert_eq!(ran.exit(), Exit::Done, "{:?} {}", ran.ended, ran.err);
    let (made, name) = (server.decisions(), earlier["metadata"]["name"].as_str().expect("a name").to_owned());
    assert_eq!(made[1]["metadata"]["name"], format!("{name}-2"));
    assert_eq!(made[1]["spec"], earlier["spec"], "the answer is to the same question");
    assert!(!ran.err.contains("already"), "{}", ran.err);

    // Never without end: the last of them is shown.
    let mut server = serving(&waiting()).ruling("False", "Refused", "no policies are installed");
    for suffix in ["", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9"] {
        earlier["metadata"]["name"] = json!(format!("{name}{suffix}"));
        server = server.decided(earlier.clone());
    }
    let ran = run(&server, "approve web").await;
    assert_eq!((ran.exit(), server.decisions().len()), (Exit::NotTaken, 9), "{:?}", ran.ended);
    assert!(ran.err.contains(&format!("already, as Decision {name}-9")), "{}", ran.err);
}

#[tokio::test]
async fn the_name_of_a_decision_is_known_before_its_outcome() {
    let server = serving(&waiting());
    let ran = run(&server, "approve web --timeout 50ms").await;
    let name = server.decisions()[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    assert!(ran.err.starts_with(&format!("Decision {name} is made; waiting")), "{}", ran.err);
}

#[tokio::test]
async fn a_policy_that_says_no_is_quoted_without_its_names() {
    let message = "decisions.teal.dev \"web-approve\" is forbidden: ValidatingAdmissionPolicy 'teal-decisions' with \
                   binding 'teal-decisions' denied request: jo@example.com may not approve shop/web: ask for the \
                   verb approve on rollouts/decision";
    for (code, reason) in [(403, "Forbidden"), (422, "Invalid")] {
        let server = serving(&waiting()).refuses(code, reason, message);
        let ran = run(&server, "approve web").await;
        assert_eq!(ran.exit(), Exit::Failed);
        let expected = format!(
            "Approving step canary of shop/web for {CANDIDATE}: not allowed: jo@example.com may not approve shop/web: \
             ask for the verb approve on rollouts/decision"
        );
        assert_eq!(ran.error(), expected);
    }
}

#[tokio::test]
async fn a_missing_role_is_answered_with_what_to_ask_for() {
    let message =
        "decisions.teal.dev is forbidden: User \"jo@example.com\" cannot create resource \"decisions\"";
    let ran = run(&serving(&waiting()).refuses(403, "Forbidden", message), "approve web").await;
    assert!(ran.error().contains(message) && ran.error().contains("ask for a role"), "{}", ran.error());
}

#[tokio::test]
async fn no_role_is_asked_for_where_the_namespace_ends() {
    let message = "decisions.teal.dev \"web-rollback\" is forbidden: unable to create new content in namespace shop \
                   because it is being terminated";
    let ran = run(&serving(&waiting()).refuses(403, "Forbidden", message), "rollback web").await;
    assert_eq!(ran.exit(), Exit::Failed);
    assert!(ran.error().ends_with("because it is being terminated"), "{}", ran.error());
}

#[tokio::test]
async fn what_the_schema_refuses_is_said_in_its_words() {
    let server = serving(&waiting()).refuses(422, "Invalid", "spec: a decision can't be changed");
    let ran = run(&server, "approve web").await;
    assert_eq!(ran.exit(), Exit::Failed);
    assert!(ran.error().ends_with("spec: a decision can't be changed"), "{}", ran.error());
}

#[tokio::test]
async fn who_may_decide_but_not_look_is_told_that_it_is_made() {
    let ran = run(&serving(&waiting()).hides_decisions(), "approve web").await;
    assert_eq!(ran.exit(), Exit::Failed);
    let error = ran.error();
    assert!(
        error.starts_with("Decision web-approve-9f3c-") && error.contains("is made, but its outcome"),
        "{error}"
    );
}
