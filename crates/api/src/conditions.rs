//! Conditions: their types, the reasons they give, and the phases shown to people.
//!
//! All of these are open lists for clients: a word that is not known means that work is in progress.

use crate::words::words;

words! {
    /// Types of the conditions of a Rollout.
    ///
    /// [`Reconciling`](ConditionType::Reconciling), [`Stalled`](ConditionType::Stalled) and those after
    /// [`RollbackAvailable`](ConditionType::RollbackAvailable) are there only while they are True; the others always.
    ConditionType {
        /// Whether tools that wait may go on, as `spec.readiness` says.
        Ready,
        /// The machine is at work (read by kstatus).
        Reconciling,
        /// A person must act or the spec must change (read by kstatus).
        Stalled,
        /// The spec and all that it refers to hold.
        Accepted,
        /// The live color serves.
        Available,
        /// The release of this generation has all traffic and passed its gates.
        Promoted,
        /// A person is asked.
        AwaitingDecision,
        /// Observed traffic is the intended one.
        TrafficInSync,
        /// Going back takes one write.
        RollbackAvailable,
        /// Another Service or `ServiceEntry` selects pods of the candidate, so no weight is given.
        SelectorOverlap,
        /// Routes that are not listed in `traffic` name its Services: their callers jump at promotion.
        UnmanagedRoutes,
        /// An `AuthorizationPolicy` or the like is bound to a live role Service and would not cover the candidate's; or one that both
        /// revisions share would no longer cover live's pods.
        PolicyGap,
        /// A Sidecar, be it of a namespace that may stop nobody, does not let its callers see the candidate's host.
        HostNotExported,
        /// A `DestinationRule`, be it of a namespace that may stop nobody, can't hold for the candidate's host.
        DestinationRuleUnsupported,
        /// Neither checks nor approval: only readiness and time are judged.
        JudgedByTimeOnly,
        /// A workload behind no traffic Service would work in both colors at once.
        WorksInBothColors,
        /// A workload or configuration of the release calls a traffic Service, which from a candidate leads to live.
        InnerCallToRole,
        /// Something of the release names an inner Service without its color: nothing has that name.
        NameWithoutColor,
        /// A traffic Service selects the pods of a Job.
        JobReceivesTraffic,
        /// A Job of live that runs after retirement did not end well.
        JobFailed,
        /// A Role permits an object by a name that gets a color.
        RoleNamesColored,
        /// A Service of the chart that is to be reached from outside stands behind no traffic Service, so that it isn't.
        ServiceInsideOnly,
        /// Objects of the live release were edited or deleted by another hand and have been repaired.
        LiveRepaired,
        /// Annotations that are Teal's own were edited by another hand.
        MarksEdited,
        /// The same write fails again and again for a reason outside the Rollout.
        WriteFails,
        /// `spec.release` says something of a traffic Service that the one in the cluster hasn't, and Teal doesn't write.
        ServiceDiffers,
        /// A Service that the Rollout led is in `spec.traffic.services` no more, and is left at one revision.
        ServiceLeftBehind,
        /// Before a color was begun the nodes had too little room for its pods, which wait for some.
        NodesShort,
        /// Of live, or of what is kept beside it, nobody knows the content: it can't be repaired.
        ContentLost,
        /// A check or guard has no usable answer: its reason is the kind of trouble.
        MetricsBlind,
    }
}

impl ConditionType {
    /// Whether the condition is there only while it is True.
    pub const fn only_while_true(self) -> bool {
        !matches!(
            self,
            Self::Ready
                | Self::Accepted
                | Self::Available
                | Self::Promoted
                | Self::AwaitingDecision
                | Self::TrafficInSync
                | Self::RollbackAvailable
        )
    }
}

words! {
    /// Reasons of conditions, in the order of the conditions that use them first.
    Reason {
        /// Ready, Promoted: the release has all traffic.
        Promoted,
        /// Ready: a person is asked; the rest is up to them.
        AwaitingDecision,
        /// Ready: paused by a person or by `mode`.
        Paused,
        /// Ready with `OnServing`: live serves, whatever the rollout does.
        Serving,
        /// Ready: the machine is at work.
        Progressing,
        /// Ready, Stalled, Promoted: the candidate was taken back.
        RolledBack,
        /// Ready: something outside must change first.
        Blocked,
        /// Ready, Stalled: `mode: HandsOff`.
        HandsOff,
        /// Reconciling: the spec holds a release that was not seen before.
        NewRevision,
        /// Reconciling: the candidate's objects are made and become ready.
        CandidateStarting,
        /// Reconciling, `TrafficInSync`: weights are written and not yet observed.
        ShiftingTraffic,
        /// Reconciling: hold and checks run.
        GatesRunning,
        /// Reconciling: the live Services are repointed.
        Promoting,
        /// Reconciling: traffic goes back to live.
        RollingBack,
        /// Reconciling: something that is referred to is missing, for less than `progressDeadline` so far.
        WaitingForReference,
        /// Reconciling: other members of `spec.group` are not as far.
        WaitingForGroup,
        /// Reconciling: metrics give no usable answer.
        MetricsBlind,
        /// Stalled: a person said no.
        Rejected,
        /// Stalled: the candidate was not ready within `progressDeadline`.
        DeadlineExceeded,
        /// Stalled, Accepted: the release can't be taken as it is written.
        ReleaseInvalid,
        /// Stalled, Accepted: something that is referred to is missing.
        ReferenceMissing,
        /// Stalled, `TrafficInSync`: another writer changes the same weights or selectors.
        ForeignWriter,
        /// Stalled, Accepted: the operator's account may not do what is needed.
        NotPermitted,
        /// Stalled: a check gave no usable answer for `blindLimit`.
        ChecksBlind,
        /// Stalled: a check failed and `onFailure` is `Hold`.
        CheckFailed,
        /// Accepted: nothing to say.
        Accepted,
        /// Accepted: a field of the spec can't be understood.
        SpecInvalid,
        /// Accepted: a manifest is of a kind that can't be released.
        UnsupportedKind,
        /// Accepted: no `VirtualService` of that name.
        VirtualServiceNotFound,
        /// Accepted: the `VirtualService` has no such route.
        RouteNotFound,
        /// Accepted: the route has a shape that can't be managed.
        RouteUnsupported,
        /// Accepted: the weights of the route don't sum to 100.
        WeightsInvalid,
        /// Accepted: the Service is neither in the release nor in the namespace.
        ServiceNotFound,
        /// Accepted: the Service is headless, external, without selector or without port.
        ServiceUnsupported,
        /// Accepted: a port was removed or renumbered.
        PortChanged,
        /// Accepted: another Rollout has the Service or route, and is older.
        ClaimedByOther,
        /// Accepted: another member of the group has other steps.
        GroupDiffers,
        /// Accepted: the group has more members than can go together.
        GroupTooLarge,
        /// Accepted: an object of a wanted name exists and is not this Rollout's.
        NameTaken,
        /// Accepted: a query is refused by the metrics source or uses an unknown placeholder.
        QueryInvalid,
        /// Accepted: the operator's configuration has no metrics source of that name.
        SourceNotFound,
        /// Accepted: a Sidecar does not let callers see the candidate's host.
        HostNotExported,
        /// Accepted: callers are in Istio's ambient mode and no waypoint stands before the Service.
        WaypointMissing,
        /// Accepted: Istio's kinds are not installed.
        MeshNotInstalled,
        /// Accepted, Stalled: the content of the release changes again and again.
        ReleaseUnsettled,
        /// Accepted: the chart of the release is being fetched and rendered.
        ChartPending,
        /// Accepted: the chart of the release can't be had now.
        ChartUnavailable,
        /// Accepted, Stalled: a quota lacks the room for a second color.
        NoRoom,
        /// Accepted, Stalled: the namespace is being deleted.
        NamespaceTerminating,
        /// Available: enough endpoints of live are ready.
        LiveReady,
        /// Available: fewer than the weight needs.
        LiveShort,
        /// Available: none.
        NoReadyEndpoints,
        /// Promoted: on the way.
        UnderWay,
        /// Promoted: the spec went back to what is live.
        Cancelled,
        /// `AwaitingDecision`: the gate that `status.gate` shows.
        GateOpen,
        /// `AwaitingDecision`: nobody is asked.
        NoneOpen,
        /// `TrafficInSync`: it is.
        InSync,
        /// `TrafficInSync`: on the way.
        Shifting,
        /// `TrafficInSync`: it could not be read.
        Unobserved,
        /// `RollbackAvailable`: the previous color is kept and ready.
        PreviousReady,
        /// `RollbackAvailable`: live is still live.
        CandidateUnderTest,
        /// `RollbackAvailable`: the previous color is gone.
        Retired,
        /// `RollbackAvailable`: the color to go back to has too few endpoints.
        NotReady,
        /// The condition is True and its message says what was found.
        Found,
        /// `MetricsBlind`, Accepted: the query answers more than one number.
        SeveralSeries,
        /// `MetricsBlind`: the query has no data.
        NoData,
        /// `MetricsBlind`, Accepted: the source gave no answer in time.
        SourceSlow,
        /// `MetricsBlind`, Accepted: the source can't be reached, or doesn't answer as one.
        SourceUnavailable,
        /// `MetricsBlind`, Accepted: the source refuses the operator's credentials.
        SourceDenied,
    }
}

words! {
    /// Where a rollout is, in one word for people. Programs use conditions.
    Phase {
        /// The first release goes straight to live.
        Installing,
        /// The candidate is made and becomes ready.
        Preparing,
        /// Weights are on the way.
        Shifting,
        /// Hold and checks run.
        Checking,
        /// A person is asked.
        Waiting,
        /// A person or `mode` stopped the way forward.
        Paused,
        /// The live Services are repointed.
        Promoting,
        /// At rest.
        Complete,
        /// Traffic goes back to live.
        RollingBack,
        /// At rest after going back.
        RolledBack,
        /// Something outside must change first.
        Blocked,
        /// Nothing is written.
        HandsOff,
    }
}

words! {
    /// How a revision ended (`status.history[].outcome`).
    Outcome {
        /// It became live.
        Promoted,
        /// It was taken back by a verdict, a deadline or a person.
        RolledBack,
        /// A newer one took its place.
        Superseded,
        /// The spec went back to what was live.
        Cancelled,
    }
}

words! {
    /// What a check says (`status.checks[].verdict`).
    Verdict {
        /// Inside its limits often enough.
        Pass,
        /// Outside its limits often enough.
        Fail,
        /// No data yet, or too few samples.
        Inconclusive,
        /// The question could not be asked or answered.
        Error,
    }
}

words! {
    /// Types of the conditions of a Decision.
    DecisionConditionType {
        /// Whether the decision took effect; its reason says what became of it.
        Applied,
    }
}

words! {
    /// What became of a Decision: the reasons of its condition `Applied`.
    DecisionReason {
        /// True: the vote counts.
        Counted,
        /// True: it was carried out.
        Done,
        /// False: it can't be taken; the message says why.
        Refused,
        /// False: what it spoke of has moved on.
        Superseded,
        /// False: this person has voted already.
        AlreadyCounted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_strangers_are_not() {
        for phase in Phase::ALL {
            assert_eq!(Phase::known(phase.as_str()), Some(*phase));
        }
        assert_eq!(Phase::known("Teleporting"), None);
    }

    #[test]
    fn reasons_are_what_the_server_takes() {
        for reason in Reason::ALL {
            let word = reason.as_str();
            assert!(word.len() <= 128 && word.chars().all(char::is_alphanumeric), "{word}");
        }
    }

    #[test]
    fn the_runbook_has_every_condition_and_every_reason() {
        let page = include_str!("../../../docs/runbook/reasons.md");
        let reasons = Reason::ALL.iter().map(|word| word.as_str());
        let conditions = ConditionType::ALL.iter().map(|word| word.as_str());
        let decided = DecisionReason::ALL.iter().map(|word| word.as_str());
        let missing: Vec<&str> = reasons
            .chain(conditions)
            .chain(decided)
            .filter(|word| !page.contains(&format!("`{word}`")))
            .collect();
        assert!(missing.is_empty(), "docs/runbook/reasons.md says nothing of {missing:?}");
    }

    #[test]
    fn alarms_vanish_when_over() {
        assert!(ConditionType::Stalled.only_while_true());
        assert!(ConditionType::PolicyGap.only_while_true());
        assert!(!ConditionType::Accepted.only_while_true());
    }
}
