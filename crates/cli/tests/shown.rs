//! What is shown for hand-made states, as goldens, and what the help says.
#![allow(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use clap::CommandFactory;
use serde_json::{Value, json};
use support::{
    CANDIDATE, LIVE, blocked, blocked_and_kept, checking, clock, complete, condition, dead, draining,
    going_with_its_namespace, hands_off, held, held_while_promoting, installing, job_failed, kept,
    kept_by_check, object, overlapping, paused, paused_at_rest, paused_before_the_start, preparing,
    preparing_with_a_failed_job, preparing_without_a_deadline, ripening, rolled_back, rolling_back, rollout,
    shifting, starting, waiting,
};
use teal_cli::arguments::Arguments;
use teal_cli::render::{self, Paint};
use teal_cli::standing::{Goal, Standing};

fn states() -> Vec<(&'static str, Value)> {
    vec![
        ("not_seen", Value::Null),
        ("complete", complete()),
        ("dead", dead()),
        ("checking", checking()),
        ("waiting", waiting()),
        ("held", held()),
        ("paused", paused()),
        ("held_while_promoting", held_while_promoting()),
        ("kept", kept()),
        ("kept_by_check", kept_by_check()),
        ("draining", draining()),
        ("rolled_back", rolled_back()),
        ("blocked", blocked(false)),
        ("blocked_and_kept", blocked_and_kept()),
        ("starting", starting()),
        ("paused_at_rest", paused_at_rest()),
        ("paused_before_the_start", paused_before_the_start()),
        ("preparing", preparing()),
        ("preparing_with_a_failed_job", preparing_with_a_failed_job()),
        ("preparing_without_a_deadline", preparing_without_a_deadline()),
        ("shifting", shifting()),
        ("overlapping", overlapping()),
        ("installing", installing()),
        ("rolling_back", rolling_back()),
        ("going_with_its_namespace", going_with_its_namespace()),
    ]
}

#[test]
fn summaries() {
    for (name, status) in states() {
        let text = render::summary(&rollout(&status), &clock(), Paint::Plain);
        insta::assert_snapshot!(format!("summary_{name}"), text);
    }
}

#[test]
fn explanations() {
    for (name, status) in states() {
        let text = render::explanation(&rollout(&status), &clock(), Paint::Plain);
        insta::assert_snapshot!(format!("explain_{name}"), text);
    }
}

/// The hold is over by then, as the message has it.
#[test]
fn a_step_that_waits_for_the_age_of_pods_is_explained() {
    let text = render::explanation(&support::from(&ripening()), &clock(), Paint::Plain);
    insta::assert_snapshot!("explain_ripening", text);
}

/// Before its step is reached there is no route to it yet.
#[test]
fn how_a_candidate_can_be_looked_at_is_said_while_its_step_is_judged() {
    let said = |status: &Value| {
        let mut web = object(status);
        web["spec"]["traffic"]["preview"] = json!({
            "headers": [{"name": "x-teal-preview", "value": "true"}], "cookies": [{"name": "preview", "value": "1"}],
            "sourceLabels": {"team": "qa"},
        });
        let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
        let how = "Whoever calls with header x-teal-preview: true and cookie preview=1 and label team=qa on its pod reaches";
        text.contains(&format!("{how} {CANDIDATE} (green), at any weight."))
    };
    for (status, is_said) in
        [(waiting(), true), (checking(), true), (preparing(), false), (complete(), false)]
    {
        assert_eq!(said(&status), is_said, "{status}");
    }
}

#[test]
fn copies_that_a_candidate_gets_are_told_while_its_step_is_judged() {
    let said = |status: &Value, step: usize| {
        let mut web = object(status);
        web["spec"]["steps"][step]["mirror"] = json!({"percent": 20});
        let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
        text.contains(&format!(
            "Of 20 % of the requests {CANDIDATE} (green) gets a copy, whose answer nobody gets."
        ))
    };
    for (status, step, is_said) in
        [(waiting(), 0, true), (checking(), 0, true), (preparing(), 0, false), (complete(), 0, false)]
    {
        assert_eq!(said(&status, step), is_said, "{status}");
    }
}

#[test]
fn the_jobs_of_a_step_are_explained_before_it_and_while_it_waits_for_them() {
    let mut web = object(&checking());
    let container = json!({"name": "smoke", "image": "smoke:1"});
    let spec = json!({"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}});
    web["spec"]["steps"][0]["jobs"] = json!([{"name": "smoke", "spec": spec, "timeout": "5m"}]);
    let said = |web: &Value| render::explanation(&support::from(web), &clock(), Paint::Plain);
    assert!(said(&web).contains("Job smoke must end well within 5m, else it goes back."), "{}", said(&web));
    web["spec"]["onFailure"] = json!("Hold");
    assert!(said(&web).contains("else it holds and waits for a decision."), "{}", said(&web));
    web["status"] = preparing();
    assert!(said(&web).contains("checks errors, jobs smoke, approval by 2 people"), "{}", said(&web));
}

#[test]
fn lists() {
    let rollouts: Vec<_> = states().iter().map(|(_, status)| rollout(status)).collect();
    insta::assert_snapshot!("list", render::list(&rollouts, false, false, &clock(), Paint::Plain));
    insta::assert_snapshot!("list_wide", render::list(&rollouts, true, true, &clock(), Paint::Plain));
}

#[test]
fn the_question_of_an_approval() {
    insta::assert_snapshot!("question", render::question(&rollout(&waiting()), &clock(), Paint::Plain));
    let mut last = waiting();
    last["step"]["name"] = json!("full");
    last["traffic"]["candidateWeight"] = json!(100);
    insta::assert_snapshot!("question_last", render::question(&rollout(&last), &clock(), Paint::Plain));
}

#[test]
fn a_spec_that_cannot_be_read_is_named_and_not_hidden() {
    let mut web = object(&checking());
    web["spec"]["keep"] = json!({"previous": "soon"});
    let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
    assert!(text.contains("spec.keep.previous") && text.contains("1h30m"), "{text}");
}

#[test]
fn whom_a_labelled_rollout_waits_for_is_named() {
    let mut web = object(&Value::Null);
    web["metadata"]["labels"] = json!({"teal.dev/instance": "blue-team"});
    let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
    assert!(text.contains("--instance blue-team") && text.contains("teal.dev/instance=blue-team"), "{text}");
    assert!(text.contains("namespace shop"), "{text}");
}

#[test]
fn a_condition_of_a_newer_operator_is_shown_while_it_is_true() {
    let mut status = checking();
    status["conditions"] = json!([
        condition("Overcast", "True", "Found", "clouds over shop"),
        condition("Sunny", "False", "Night", "no sun over shop"),
    ]);
    let text = render::summary(&rollout(&status), &clock(), Paint::Plain);
    assert!(text.contains("Overcast (Found): clouds over shop") && !text.contains("Sunny"), "{text}");
}

/// Conditions are as they were since before; a record in a form that isn't known says no time rather than a wrong one.
#[test]
fn going_back_and_promotion_are_told_since_when_they_were_committed() {
    let said = |status: &Value| render::explanation(&rollout(status), &clock(), Paint::Plain);
    for (mut status, told) in [
        (rolling_back(), "shop/web is RollingBack since 11:59:00 UTC"),
        (overlapping(), "shop/web is Promoting since 11:58:30 UTC"),
    ] {
        assert!(said(&status).starts_with(told), "{}", said(&status));
        status["commit"] = json!({"phase": "another"});
        assert!(!said(&status).contains("since"), "{}", said(&status));
    }
}

/// The record has its end alone, and the spec may say another length by now.
#[test]
fn promotion_is_not_told_since_a_time_that_can_not_be() {
    let said = |status: &Value, deadline: &str| {
        let mut web = object(status);
        web["spec"]["progressDeadline"] = json!(deadline);
        render::explanation(&support::from(&web), &clock(), Paint::Plain)
    };
    for (deadline, told) in [
        ("10m", "shop/web is Promoting since 11:58:30 UTC"),
        ("30m", "shop/web is Promoting, waiting"),
        ("5m", "shop/web is Promoting, waiting"),
    ] {
        assert!(said(&overlapping(), deadline).starts_with(told), "{}", said(&overlapping(), deadline));
    }
    let mut nobodys = overlapping();
    nobodys["candidate"]["since"] = Value::Null;
    assert!(said(&nobodys, "10m").starts_with("shop/web is Promoting, waiting"), "it can't be told");
}

#[test]
fn whoever_edits_again_and_again_is_told_that_nobody_is_asked_meanwhile() {
    let mut status = checking();
    let told = |status: &Value| render::explanation(&rollout(status), &clock(), Paint::Plain);
    let says = "Nobody is asked before the spec has been left alone for 5 s.";
    assert!(!told(&status).contains(says), "{}", told(&status));
    status["waitingFor"] = json!("edits");
    assert!(told(&status).contains(says), "{}", told(&status));
}

/// A rollout under way keeps the approvals that it started with.
#[test]
fn so_many_are_said_to_be_asked_as_were_when_the_rollout_started() {
    let mut status = checking();
    let name = status["step"]["name"].clone();
    for (pinned, told) in
        [(json!([[name, 1]]), "Then 1 person must approve."), (json!([]), "Then 2 people must approve.")]
    {
        status["commit"]["pinned"] = pinned;
        let text = render::explanation(&rollout(&status), &clock(), Paint::Plain);
        assert!(text.contains(told), "{text}");
    }
}

/// As while other members of its group are waited for.
#[test]
fn who_has_approved_is_not_said_to_be_asked_again() {
    let mut status = checking();
    let asks = |status: &Value| {
        render::explanation(&rollout(status), &clock(), Paint::Plain).contains("must approve")
    };
    assert!(asks(&status));
    status["commit"]["group"] = json!({"group": "checkout", "skipped": status["step"]["name"]});
    assert!(!asks(&status), "its gates were skipped");
    status["commit"]["group"] = Value::Null;
    status["commit"]["phase"] = json!({"name": "Step", "gate": {"nonce": "n", "needed": 1, "votes": [{}]}});
    assert!(!asks(&status));
}

#[test]
fn what_goes_back_because_it_is_wanted_no_more_is_not_kept_to_be_looked_at() {
    let mut back = rolling_back();
    let said = |status: &Value| render::explanation(&rollout(status), &clock(), Paint::Plain);
    assert!(said(&back).contains("to be looked at"));
    for (cause, then) in [
        ("Superseded", "cleared, and what spec.release asks for now is tried."),
        ("Cancelled", "the other color is cleared."),
        ("Deleted", "the other color is cleared."),
    ] {
        back["commit"]["phase"]["cause"] = json!(cause);
        let said = said(&back);
        assert!(said.contains(then) && !said.contains("looked at"), "{said}");
    }
}

#[test]
fn an_unknown_phase_is_work_in_progress() {
    let mut status = checking();
    status["phase"] = json!("Teleporting");
    let text = render::explanation(&rollout(&status), &clock(), Paint::Plain);
    assert!(text.contains("Work is in progress"), "{text}");
}

#[test]
fn explanations_offer_what_the_builder_of_decisions_would_make() {
    let offers = |status: &Value| render::explanation(&rollout(status), &clock(), Paint::Plain);
    let back = format!("kubectl teal rollback web -n shop --revision {CANDIDATE}");
    let retire = format!("kubectl teal retire web -n shop --revision {LIVE}");
    let text = offers(&blocked_and_kept());
    assert!([&back, &retire].iter().all(|command| text.contains(*command)), "{text}");
    assert!(text.contains("kubectl teal pause web"), "{text}");
    assert!(offers(&starting()).contains("kubectl teal pause web"));
    for status in [paused_at_rest(), paused_before_the_start(), paused()] {
        let text = offers(&status);
        assert!(text.contains("a Decision of mina") && text.contains("kubectl teal resume web"), "{text}");
        assert!(!text.contains("kubectl teal pause web"), "{text}");
    }
    let mut going_back = checking();
    going_back["phase"] = json!("RollingBack");
    assert!(!offers(&going_back).contains("kubectl teal rollback"), "it goes back already");
    let text = offers(&job_failed());
    let again = format!("kubectl teal retry web -n shop --revision {LIVE}");
    assert!(text.contains(&again) && text.contains("Jobs of") && !text.contains("is tried again"), "{text}");
}

#[test]
fn a_pause_by_the_spec_is_not_a_persons() {
    let mut web = object(&paused());
    web["spec"]["mode"] = json!("Paused");
    web["status"]["commit"] = json!({"paused": "Spec"});
    let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
    assert!(text.contains("paused by spec.mode") && !text.contains("kubectl teal resume"), "{text}");
    web["status"]["commit"] = json!({"paused": {"Decision": {"user": "mina"}}});
    let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
    assert!(text.contains("kubectl teal resume") && text.contains("kubectl patch"), "both pause it: {text}");
}

#[test]
fn hands_that_are_kept_off_leave_one_thing_to_do() {
    let mut web = object(&hands_off());
    web["spec"]["mode"] = json!("HandsOff");
    let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
    insta::assert_snapshot!("explain_hands_off", text);
}

#[test]
fn a_retry_is_offered_for_jobs_that_failed_and_not_for_pods_that_start() {
    let retries = |status: &Value| {
        render::explanation(&rollout(status), &clock(), Paint::Plain).contains("kubectl teal retry")
    };
    assert!(retries(&preparing_with_a_failed_job()) && retries(&installing()));
    assert!(!retries(&preparing()) && !retries(&shifting()));
}

#[test]
fn in_a_namespace_that_ends_nothing_is_offered_in_any_mode() {
    let mut web = object(&going_with_its_namespace());
    for mode in ["Active", "Paused", "HandsOff"] {
        web["spec"]["mode"] = json!(mode);
        let text = render::explanation(&support::from(&web), &clock(), Paint::Plain);
        assert!(text.ends_with("Nothing: it goes with its namespace.\n"), "{mode}: {text}");
    }
}

#[test]
fn a_spec_that_is_not_seen_yet_is_said_so() {
    let mut web = object(&complete());
    web["metadata"]["generation"] = json!(4);
    let web = support::from(&web);
    assert!(render::summary(&web, &clock(), Paint::Plain).contains("newest spec is not seen"));
    assert!(render::explanation(&web, &clock(), Paint::Plain).contains("not seen the newest spec"));
}

#[test]
fn colors_add_nothing_but_colors() {
    for (name, status) in states() {
        let web = rollout(&status);
        for show in [render::summary, render::explanation] {
            let (plain, colored) = (show(&web, &clock(), Paint::Plain), show(&web, &clock(), Paint::Colors));
            assert!(!plain.contains('\u{1b}'), "{name}");
            assert!(colored.contains('\u{1b}'), "{name}");
            assert_eq!(without_colors(&colored), plain, "{name}");
        }
    }
}

fn without_colors(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[test]
fn help() {
    let mut command = Arguments::command();
    command.build();
    insta::assert_snapshot!("help", command.render_long_help());
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for name in names.iter().filter(|name| *name != "help") {
        let verb = command.find_subcommand_mut(name).expect("a verb");
        insta::assert_snapshot!(format!("help_{name}"), verb.render_long_help());
    }
}

/// Whoever writes a script reads the page; the program must do what it says.
#[test]
fn the_page_of_the_command_line_says_what_the_help_says() {
    let page = include_str!("../../../docs/reference/kubectl-teal.md");
    let lacks = |row: &str| assert!(page.contains(row), "docs/reference/kubectl-teal.md lacks {row:?}");
    let codes = teal_cli::exit::HELP.lines().skip(1);
    let codes: Vec<(&str, &str)> = codes.filter_map(|line| line.trim().split_once("  ")).collect();
    for (code, meaning) in &codes {
        lacks(&format!("\n| {code} | {meaning} |\n"));
    }
    let rows = page.lines().filter(|line| line.starts_with("| ") && line[2..3].parse::<u8>().is_ok());
    assert_eq!(rows.count(), codes.len(), "the page has a code that the help hasn't");
    let command = Arguments::command();
    for verb in command.get_subcommands() {
        lacks(&format!(
            "\n| `{}` | {} |\n",
            verb.get_name(),
            verb.get_about().expect("it says what it does")
        ));
    }
    for goal in <Goal as clap::ValueEnum>::value_variants() {
        let goal = clap::ValueEnum::to_possible_value(goal).expect("it has a name");
        lacks(&format!("`--wait={}` | {} |", goal.get_name(), goal.get_help().expect("it says until when")));
    }
}

/// By which codes each wait can end at all, as the page says.
#[test]
fn the_page_of_the_command_line_says_by_which_codes_each_wait_ends() {
    let page = include_str!("../../../docs/reference/kubectl-teal.md");
    let all = [
        Standing::NotSeen,
        Standing::UnderWay,
        Standing::Asked,
        Standing::Back,
        Standing::Stalled,
        Standing::Kept,
        Standing::Done,
        Standing::Held { kept: true },
        Standing::Held { kept: false },
    ];
    for goal in <Goal as clap::ValueEnum>::value_variants() {
        let mut codes: Vec<u8> =
            all.iter().filter_map(|standing| goal.outcome(*standing)).map(|exit| exit as u8).collect();
        codes.push(teal_cli::exit::Exit::TimedOut as u8);
        codes.sort_unstable();
        codes.dedup();
        let codes: Vec<String> = codes.iter().map(u8::to_string).collect();
        let name = clap::ValueEnum::to_possible_value(goal).expect("it has a name");
        let row = page.lines().find(|line| line.contains(&format!("`--wait={}`", name.get_name())));
        let row = row.expect("a row of the page");
        assert!(row.ends_with(&format!("| {} |", codes.join(", "))), "{row}: {codes:?}");
    }
}

/// What is kept goes in its time all the same.
#[test]
fn what_a_spec_that_can_not_be_used_does_not_hold_up_is_explained() {
    let mut unusable = rollout(&kept());
    let checks = json!([{"name": "errors", "query": "1", "min": "99%", "max": "1%"}]);
    unusable.spec.checks = serde_json::from_value(checks).expect("checks");
    let text = render::explanation(&unusable, &clock(), Paint::Plain);
    assert!(text.contains("Nothing goes forward before the spec is mended"), "{text}");
    assert!(text.contains("is removed at"), "{text}");
}

/// That it went is not so while players are in it.
#[test]
fn a_color_with_open_connections_is_not_gone_and_retire_lets_it_go() {
    let awaited = rollout(&draining());
    assert_eq!(teal_cli::standing::standing(&awaited), Standing::Kept);
    let text = render::explanation(&awaited, &clock(), Paint::Plain);
    assert!(text.contains(&format!("kubectl teal retire web -n shop --revision {LIVE}")), "{text}");
}

/// When it goes is another question than until when it can be gone back to.
#[test]
fn that_connections_will_be_awaited_is_foreseen() {
    let mut object = object(&kept());
    object["spec"]["traffic"]["drain"] = json!({"timeout": "45m", "query": "open{c=\"$(color)\"}"});
    let text = render::explanation(&support::from(&object), &clock(), Paint::Plain);
    assert!(text.contains("is let go at"), "{text}");
    assert!(
        text.contains("Then its open connections are awaited, for up to 45m, before it is removed."),
        "{text}"
    );
}
