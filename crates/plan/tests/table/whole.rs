//! One life from the first commit to the last, each row a Snapshot in and the whole Plan out: what no row about one rule asks
//! for is said here, too.

use teal_plan::outcome::{Commit, Ruling};
use teal_plan::record::{
    Attempt, Cause, Consumed, Gate, Lengths, Outcome, Phase, Record, StepRecord, Waited, Wanted,
};
use teal_plan::snapshot::{Action, DecisionSeen, Form, Standing};
use teal_plan::{Color, Decision, Effect, Notice, Plan, Snapshot, Span, Time, Why, plan};

use crate::decisions::decision;
use crate::fixture::*;

/// What happens in the world, and what the planner says to it.
struct Row {
    name: &'static str,
    happens: fn(&mut Snapshot),
    says: fn(&Snapshot) -> Plan,
}

/// Goes through the rows; what is committed is there at the next one.
fn live_through(mut s: Snapshot, rows: &[Row]) -> Snapshot {
    for Row { name, happens, says } in rows {
        happens(&mut s);
        s = seated(s);
        let plan = plan(&s);
        assert_eq!(plan, says(&s), "{name}");
        assert_eq!(teal_plan::lint::lint(&s, &plan), [], "{name}");
        if let Decision::Commit(commit) = plan.decision {
            s.record = commit.record;
        }
    }
    s
}

fn after(s: &mut Snapshot, seconds: i64) {
    s.now = s.now + Span::seconds(seconds);
}

fn commits(s: &Snapshot, notices: &[Notice], why: Vec<Why>, change: impl FnOnce(&mut Record)) -> Plan {
    let lengths = Lengths {
        progress_deadline: s.settings.progress_deadline,
        keep_previous: s.settings.keep_previous,
        keep_failed: s.settings.keep_failed,
    };
    let mut record = Record { epoch: s.record.epoch + 1, lengths: Some(lengths), ..s.record.clone() };
    change(&mut record);
    let commit = Commit { record, notices: notices.to_vec() };
    Plan { decision: Decision::Commit(Box::new(commit)), wake_at: None, why, measure: Vec::new() }
}

fn acts(effects: &[Effect], wake_at: Option<Time>, why: Vec<Why>) -> Plan {
    Plan { decision: Decision::Act(effects.to_vec()), wake_at, why, measure: Vec::new() }
}

fn rests(wake_at: Option<Time>, why: Vec<Why>) -> Plan {
    Plan { decision: Decision::Rest, wake_at, why, measure: Vec::new() }
}

fn measures(plan: Plan) -> Plan {
    Plan { measure: vec!["errors".to_owned()], ..plan }
}

/// When a wait of the machine that begins now is too long, and the look after that.
fn late(s: &Snapshot) -> Time {
    s.now + s.settings.progress_deadline
}

fn place(s: &Snapshot, index: usize) -> StepRecord {
    let step = &s.settings.steps[index];
    StepRecord {
        step: step.name.clone(),
        weight: step.weight,
        deadline: late(s),
        reached: None,
        lost: None,
        gate: None,
        held: None,
        jobs: Vec::new(),
        terms: step.terms(),
    }
}

/// The step under way, changed.
fn stepped(record: &mut Record, change: impl FnOnce(&mut StepRecord)) {
    if let Phase::Step(place) = &mut record.phase {
        change(place);
    }
}

fn deadline(s: &Snapshot) -> Option<Time> {
    match &s.record.phase {
        Phase::Step(StepRecord { deadline, .. }) | Phase::Promoting { deadline } => {
            Some(Time(deadline.0 + 1))
        }
        _ => None,
    }
}

fn starting() -> Why {
    Why::Starting { slot: candidate(), trouble: None }
}

/// Proxies follow what was written now.
fn follows(s: &Snapshot) -> (Option<Time>, Vec<Why>) {
    let until = s.now + s.settings.propagation;
    (Some(until), vec![Why::Propagating { until }])
}

fn written(s: &mut Snapshot, form: Form) {
    s.world.routes = routes(form);
    s.world.routes.since = s.now;
    s.world.routes.epoch = s.record.epoch;
}

fn pointed(s: &Snapshot, slot: teal_plan::Slot) -> teal_plan::snapshot::ServiceSeen {
    teal_plan::snapshot::ServiceSeen { since: s.now, epoch: s.record.epoch, ..points(slot) }
}

/// Live alone. What is asked for next has a check and an approval at its first step.
fn beginning() -> Snapshot {
    let mut s = at_rest();
    s.settings.steps[0].checks = vec!["errors".to_owned()];
    s.settings.steps[0].approvals = Some(1);
    s
}

const UP: &[Row] = &[
    Row { name: "nothing is asked for", happens: |_| {}, says: |_| rests(None, vec![Why::AtRest]) },
    Row {
        name: "a new revision starts",
        happens: |s| s.settings.wanted = Some(content(2)),
        says: |s| {
            let started = Notice::Started { revision: candidate().revision, attempt: 1 };
            commits(s, &[started], vec![starting()], |record| {
                record.counter = 2;
                record.wanted = Some(Wanted {
                    hash: content(2),
                    revision: candidate().revision,
                    rejected: false,
                    attempts: 1,
                });
                record.candidate =
                    Some(teal_plan::record::Release { since: s.now, ..release(candidate(), 2) });
                record.baseline = vec![3];
                record.pinned = vec![("canary".to_owned(), 1)];
                record.started = 8;
                record.waited = Some(Waited::default());
                record.phase = Phase::Step(place(s, 0));
            })
        },
    },
    Row {
        name: "it is brought up",
        happens: |s| s.world.recorded = false,
        says: |s| {
            let revision = candidate().revision;
            let effects = [
                Effect::Finalizer(true),
                Effect::RecordRevision(revision),
                Effect::ApplyRelease { slot: candidate(), active: false },
            ];
            let checks = vec!["errors".to_owned()];
            let half = Time(late(s).0 - s.settings.progress_deadline.0 / 2);
            measures(acts(&effects, Some(half), vec![starting(), Why::Probing { checks }]))
        },
    },
    Row {
        name: "routes name it at 0 while its pods start",
        happens: |s| {
            after(s, 400);
            s.world.finalizer = true;
            s.world.recorded = true;
            s.world.green = present(candidate());
            s.world.green.available = false;
            s.world.green.serving = vec![0];
            s.checks = vec![standing("errors", Standing::Pending)];
        },
        says: |s| measures(acts(&[Effect::EnterRoutes], deadline(s), vec![starting()])),
    },
    Row {
        name: "proxies are given time before its role is turned",
        happens: |s| {
            s.world.green = present(candidate());
            written(s, Form::Entered(0));
        },
        says: |s| {
            let (until, why) = follows(s);
            measures(rests(until, why))
        },
    },
    Row {
        name: "its role is turned to it",
        happens: |s| after(s, 2),
        says: |s| measures(acts(&[Effect::PointCandidate(candidate())], deadline(s), Vec::new())),
    },
    Row {
        name: "its weight is raised",
        happens: |s| s.world.candidate_service = pointed(s, candidate()),
        says: |s| measures(acts(&[Effect::RaiseWeight(10)], deadline(s), vec![Why::Shifting { weight: 10 }])),
    },
    Row {
        name: "proxies are given time to follow",
        happens: |s| written(s, Form::Entered(10)),
        says: |s| {
            let (until, why) = follows(s);
            rests(until, why)
        },
    },
    Row {
        name: "the step is reached",
        happens: |s| after(s, 2),
        says: |s| {
            let reached =
                Notice::StepReached { revision: candidate().revision, step: "canary".to_owned(), weight: 10 };
            commits(s, &[reached], held_and_checked(s.now + Span::seconds(60)), |record| {
                stepped(record, |place| place.reached = Some(s.now));
            })
        },
    },
];

fn held_and_checked(until: Time) -> Vec<Why> {
    let holding = Why::Holding { step: "canary".to_owned(), until };
    vec![holding, Why::Checking { checks: vec!["errors".to_owned()] }]
}

fn asking(have: u32) -> Why {
    Why::Asking { step: "canary".to_owned(), have, needed: 1 }
}

/// The approval of the question that is open.
fn approval(s: &Snapshot) -> DecisionSeen {
    let nonce = match &s.record.phase {
        Phase::Step(place) => place.gate.as_ref().map(|gate| gate.nonce.clone()),
        _ => None,
    };
    DecisionSeen { nonce, ..decision(Action::Approve, "ana") }
}

const ON: &[Row] = &[
    Row {
        name: "it is held and checked",
        happens: |s| after(s, 1),
        says: |s| {
            let until = s.now + Span::seconds(59);
            measures(rests(Some(until), held_and_checked(until)))
        },
    },
    Row {
        name: "a person is asked",
        happens: |s| {
            after(s, 59);
            s.checks = vec![standing("errors", Standing::Pass)];
        },
        says: |s| {
            let gate =
                Gate { nonce: s.nonce.clone(), evidence: None, opened: s.now, needed: 1, votes: Vec::new() };
            measures(commits(s, &[], vec![asking(0)], |record| {
                stepped(record, |place| place.gate = Some(gate));
                record.waited = Some(Waited { total: Span(0), since: Some(s.now) });
            }))
        },
    },
    Row {
        name: "the person is waited for",
        happens: |s| after(s, 300),
        says: |_| measures(rests(None, vec![asking(0)])),
    },
    Row {
        name: "the last approval and the next step are one commit",
        happens: |s| s.decisions = vec![approval(s)],
        says: |s| {
            measures(commits(s, &[], Vec::new(), |record| {
                let approval = approval(s);
                record.consumed = vec![Consumed { decision: approval.name, uid: approval.uid, vote: true }];
                record.pinned = Vec::new();
                record.waited = Some(Waited { total: Span::seconds(300), since: None });
                record.phase = Phase::Step(place(s, 1));
            }))
        },
    },
    Row {
        name: "all weight is raised, and who approved is answered",
        happens: |_| {},
        says: |s| {
            let answer = Effect::Answer { decision: "Approve-ana".to_owned(), ruling: Ruling::Counted };
            acts(&[Effect::RaiseWeight(100), answer], deadline(s), vec![Why::Shifting { weight: 100 }])
        },
    },
    Row {
        name: "the last step is reached",
        happens: |s| {
            s.decisions = Vec::new();
            written(s, Form::Entered(100));
            after(s, 2);
        },
        says: |s| {
            let until = s.now + Span::seconds(30);
            let why = vec![Why::Holding { step: "full".to_owned(), until }];
            commits(s, &[], why, |record| stepped(record, |place| place.reached = Some(s.now)))
        },
    },
    Row {
        name: "its hold is over",
        happens: |s| after(s, 30),
        says: |s| commits(s, &[], Vec::new(), |record| record.phase = Phase::Promoting { deadline: late(s) }),
    },
];

const LIVE: &[Row] = &[
    Row {
        name: "the live role is turned",
        happens: |_| {},
        says: |s| acts(&[Effect::PointLive(candidate())], deadline(s), vec![Why::Promoting]),
    },
    Row {
        name: "proxies learn of its endpoints",
        happens: |s| s.world.live_service = pointed(s, candidate()),
        says: |s| {
            let (until, why) = follows(s);
            rests(until, std::iter::once(Why::Promoting).chain(why).collect())
        },
    },
    Row {
        name: "the weight is lowered",
        happens: |s| after(s, 2),
        says: |s| acts(&[Effect::LowerWeight(0)], deadline(s), vec![Why::Promoting]),
    },
    Row {
        name: "the routes are left",
        happens: |s| {
            written(s, Form::Entered(0));
            after(s, 2);
        },
        says: |s| acts(&[Effect::LeaveRoutes], deadline(s), vec![Why::Promoting]),
    },
    Row {
        name: "it is live, and the old release is kept",
        happens: |s| written(s, Form::Owner),
        says: |s| {
            let until = s.now + Span::seconds(3600);
            let promoted = Notice::Promoted { revision: candidate().revision };
            commits(s, &[promoted], vec![Why::Keeping { until }], |record| {
                let new = record.candidate.take();
                record.previous = record.live.take();
                record.live = new.map(|new| teal_plan::record::Release { since: s.now, ..new });
                record.kept_until = Some(until);
                record.vacate_after = Some(s.now + Span::seconds(30));
                record.phase = Phase::Rest { outcome: Outcome::Promoted };
                record.history = vec![attempt(s, Outcome::Promoted)];
                record.waited = Some(Waited::default());
            })
        },
    },
    Row {
        name: "nothing of it needs to be undone by a deletion any more",
        happens: |_| {},
        says: |_| acts(&[Effect::Finalizer(false)], None, Vec::new()),
    },
    Row {
        name: "the old release is kept for its time",
        happens: |s| {
            s.world.finalizer = false;
            after(s, 10);
        },
        says: |s| {
            let until = s.now + Span::seconds(3590);
            rests(Some(until), vec![Why::Keeping { until }])
        },
    },
    Row {
        name: "it is let go",
        happens: |s| after(s, 3590),
        says: |s| {
            commits(s, &[Notice::Retired { revision: live().revision }], Vec::new(), |record| {
                record.previous = None;
                record.kept_until = None;
                record.vacate_after = Some(s.now);
                record.waited = None;
            })
        },
    },
    Row {
        name: "its color is cleared",
        happens: |_| {},
        says: |_| {
            let effects = [Effect::Vacate { color: Color::Blue, except: None }];
            acts(&effects, None, vec![Why::Clearing(Color::Blue)])
        },
    },
    Row {
        name: "nothing is left to do",
        happens: |s| s.world.blue = absent(),
        says: |_| rests(None, vec![Why::AtRest]),
    },
];

/// The attempt that ends now.
fn attempt(s: &Snapshot, outcome: Outcome) -> Attempt {
    let candidate = s.record.candidate.unwrap();
    Attempt {
        revision: candidate.slot.revision,
        attempt: 1,
        outcome,
        started: candidate.since,
        finished: s.now,
        waited: s.record.waited.map(|waited| waited.total),
        decisions: s.record.consumed.iter().map(|consumed| consumed.decision.clone()).collect(),
    }
}

fn person() -> Cause {
    Cause::Decision { user: "ben".to_owned(), rejected: false, reason: "said so".to_owned() }
}

const BACK: &[Row] = &[
    Row {
        name: "a person goes back",
        happens: |s| s.decisions = vec![decision(Action::Rollback, "ben")],
        says: |s| {
            measures(commits(s, &[], vec![Why::Returning], |record| {
                let DecisionSeen { name, uid, .. } = decision(Action::Rollback, "ben");
                record.consumed = vec![Consumed { decision: name, uid, vote: false }];
                record.rejected = vec![candidate().revision];
                record.sent_back = Some(s.now);
                record.wanted = record.wanted.map(|wanted| Wanted { rejected: true, ..wanted });
                record.phase = Phase::Returning { cause: person(), since: s.now };
            }))
        },
    },
    Row {
        name: "both roles and the weights go back in parallel, and the person is answered",
        happens: |_| {},
        says: |_| {
            let effects = [
                Effect::PointLive(live()),
                Effect::PointCandidate(live()),
                Effect::LowerWeight(0),
                Effect::Answer { decision: "Rollback-ben".to_owned(), ruling: Ruling::Done },
            ];
            acts(&effects, None, vec![Why::Returning])
        },
    },
    Row {
        name: "the routes are left",
        happens: |s| {
            s.decisions = Vec::new();
            s.world.live_service = pointed(s, live());
            s.world.candidate_service = pointed(s, live());
            written(s, Form::Entered(0));
            after(s, 2);
        },
        says: |_| acts(&[Effect::LeaveRoutes], None, vec![Why::Returning]),
    },
    Row {
        name: "it is back, and the candidate is kept to be looked at",
        happens: |s| written(s, Form::Owner),
        says: |s| {
            let revision = candidate().revision;
            let until = s.now + Span::seconds(600);
            let told = Notice::RolledBack { revision, cause: person() };
            commits(s, &[told], vec![Why::Rejected { revision }, Why::Keeping { until }], |record| {
                record.phase = Phase::Rest { outcome: Outcome::RolledBack(person()) };
                record.history = vec![attempt(s, Outcome::RolledBack(person()))];
                record.kept_until = Some(until);
                record.vacate_after = Some(s.now + Span::seconds(30));
                record.waited = None;
            })
        },
    },
];

#[test]
fn a_whole_life() {
    let s = live_through(beginning(), UP);
    let s = live_through(s, ON);
    let s = live_through(s, LIVE);
    assert_eq!(s.record.live.map(|live| live.slot), Some(candidate()));
}

#[test]
fn a_life_that_goes_back() {
    let s = live_through(live_through(beginning(), UP), BACK);
    assert_eq!(s.record.live.map(|live| live.slot), Some(live()));
}
