//! One question, ready to be asked.

use teal_api::rollout::{NoData, OnBlind};
use teal_cluster::{Question, Questions};
use teal_judge::{Check, Limit, Threshold};
use teal_measure::{Variables, render_query};
use teal_plan::Time;

/// One question and how its answers are judged.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Ask {
    pub(super) judged: Option<Check>,
    /// As it is written.
    pub(super) text: String,
    /// With its placeholders filled, or why that can't be.
    pub(super) query: Result<String, String>,
    pub(super) source: String,
    pub(super) interval_ms: u64,
    pub(super) limit: String,
    pub(super) attempt: String,
    pub(super) again: bool,
    pub(super) place: Option<(String, Time)>,
    /// Asked only to see whether there is an answer.
    pub(super) probe: bool,
    /// How many connections are open.
    pub(super) counts: bool,
}

impl Ask {
    pub(super) fn of(question: &Question, questions: &Questions) -> Self {
        let check = &question.check;
        Self {
            judged: judged(question),
            text: check.query.clone(),
            query: render_query(&check.query, &variables(questions)).map_err(|error| error.to_string()),
            source: check.source.clone(),
            interval_ms: check.interval_ms,
            limit: check.limit.clone(),
            attempt: question.attempt.clone(),
            again: question.again,
            place: question.place.clone(),
            probe: question.probe,
            counts: question.counts,
        }
    }
}

impl Ask {
    /// Whether answers to the other one are answers to this one too.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.text == other.text && self.source == other.source && self.judged == other.judged
    }
}

fn variables(questions: &Questions) -> Variables {
    let subject = &questions.subject;
    Variables {
        color: subject.color.clone(),
        revision: subject.revision.clone(),
        role: Some(subject.role.clone()),
        service: subject.service.clone(),
        namespace: Some(questions.namespace.clone()),
        rollout: Some(questions.name.clone()),
        live_color: subject.other_color.clone(),
        candidate_service: subject.candidate_service.clone(),
    }
}

fn judged(question: &Question) -> Option<Check> {
    let check = &question.check;
    let read = |limit: Option<&String>| limit.and_then(|text| text.parse::<Limit>().ok());
    let threshold = Threshold::new(read(question.min.as_ref()), read(question.max.as_ref())).ok()?;
    Some(Check {
        threshold,
        delay_ms: check.delay_ms,
        passes: check.passes,
        failures: check.failures,
        no_data: match check.no_data {
            NoData::Wait => teal_judge::NoData::Wait,
            NoData::Zero => teal_judge::NoData::Zero,
            NoData::Fail => teal_judge::NoData::Fail,
        },
        blind_limit_ms: check.blind_limit_ms,
        on_blind: match check.on_blind {
            OnBlind::Hold => teal_judge::OnBlind::Hold,
            OnBlind::Rollback => teal_judge::OnBlind::Rollback,
        },
    })
}

#[cfg(test)]
mod tests {
    use teal_cluster::Subject;

    use super::*;

    fn ask(text: &str, max: &str) -> Ask {
        Ask {
            judged: Threshold::new(None, max.parse::<Limit>().ok()).ok().map(Check::new),
            text: text.to_owned(),
            query: Ok(text.to_owned()),
            source: "default".to_owned(),
            interval_ms: 15_000,
            limit: format!("max {max}"),
            again: false,
            attempt: "r2-02020202#1".to_owned(),
            place: None,
            probe: false,
            counts: false,
        }
    }

    /// A question with this query, of a subject whose every name is another word.
    fn asked(query: &str) -> Ask {
        let mut questions = super::super::tests::questions();
        questions.checks[0].check.query = query.into();
        questions.name = "checkout".into();
        questions.subject = Subject {
            color: Some("green".into()),
            revision: Some("r2-02020202".into()),
            role: "candidate".into(),
            other_color: Some("blue".into()),
            service: Some("api".into()),
            candidate_service: Some("api-candidate".into()),
        };
        Ask::of(&questions.checks[0], &questions)
    }

    #[test]
    fn each_placeholder_stands_for_its_own_name() {
        let names = [
            ("color", "green"),
            ("liveColor", "blue"),
            ("revision", "r2-02020202"),
            ("role", "candidate"),
            ("service", "api"),
            ("candidateService", "api-candidate"),
            ("namespace", "shop"),
            ("rollout", "checkout"),
        ];
        for (name, stands_for) in names {
            let ask = asked(&format!(r#"up{{x="$({name})"}}"#));
            assert_eq!(ask.query, Ok(format!(r#"up{{x="{stands_for}"}}"#)), "{name}");
        }
    }

    #[test]
    fn an_edit_of_what_is_asked_or_how_it_is_judged_wants_new_evidence_and_nothing_else_does() {
        let asked = ask("x", "1%");
        assert!(!asked.is_as(&ask("y", "1%")));
        assert!(!asked.is_as(&ask("x", "2%")));
        assert!(!asked.is_as(&Ask { source: "other".to_owned(), ..asked.clone() }));
        let failures = asked.judged.clone().map(|check| Check { failures: 2, ..check });
        assert!(!asked.is_as(&Ask { judged: failures, ..asked.clone() }));
        let place = Some(("full".to_owned(), Time(7)));
        assert!(asked.is_as(&Ask {
            place,
            interval_ms: 1_000,
            query: Ok("x{}".to_owned()),
            ..asked.clone()
        }));
    }
}
