//! What an agent does to a request, one verb after the other: each reads its body into the act that the domain knows.
//!
//! A verb here is a pure function; [`work`](super::work) finds the request, checks what the caller expects, executes
//! and answers, once for all of them.

use domain::request::{Act, Visibility};

use crate::fields::Fields;

/// `POST /requests/{id}/triage` `{priority}`: how pressing it is.
pub(super) fn triage(body: &mut Fields) -> Option<Act> {
    let priority = body.required("priority", |body| body.maybe_word("priority"));
    Some(Act::Triage { priority: priority? })
}

/// `POST /requests/{id}/assignment` `{unit, agent?}`: to a unit that has none before it, or to an agent of the unit that holds it.
pub(super) fn assign(body: &mut Fields) -> Option<Act> {
    let (unit, agent) = (body.code("unit"), body.maybe_code("agent"));
    Some(Act::Assign { unit: unit?, agent })
}

/// `POST /requests/{id}/transfer` `{to}`: from the unit that holds it to another; transfers are counted (S3-15).
pub(super) fn transfer(body: &mut Fields) -> Option<Act> {
    Some(Act::Transfer { to: body.code("to")? })
}

/// `POST /requests/{id}/start`: the work begins.
pub(super) fn start(_: &mut Fields) -> Option<Act> {
    Some(Act::Start)
}

/// `POST /requests/{id}/waiting` `{question?}`: only the citizen can move it on.
pub(super) fn wait(body: &mut Fields) -> Option<Act> {
    Some(Act::WaitForCitizen { question: body.maybe_text("question") })
}

/// `POST /requests/{id}/citizen-reply`: the citizen has moved it on.
pub(super) fn citizen_replied(_: &mut Fields) -> Option<Act> {
    Some(Act::CitizenReplied)
}

/// `POST /requests/{id}/notes` `{text, visibility?}`: internal unless said otherwise.
pub(super) fn note(body: &mut Fields) -> Option<Act> {
    let visibility = body.maybe_word("visibility").unwrap_or(Visibility::Internal);
    Some(Act::Note { visibility, text: body.text("text")? })
}

/// `POST /requests/{id}/interim-answers` `{anticipated_on, text}`: with the day by which the answer will come (S3-28).
pub(super) fn answer_interim(body: &mut Fields) -> Option<Act> {
    let anticipated_on = body.required("anticipated_on", |body| body.maybe_date("anticipated_on"));
    let text = body.text("text");
    Some(Act::AnswerInterim { anticipated_on: anticipated_on?, text: text? })
}

/// `POST /requests/{id}/answer` `{text}`: the citizen has the answer.
pub(super) fn answer(body: &mut Fields) -> Option<Act> {
    Some(Act::Answer { text: body.text("text")? })
}

/// `POST /requests/{id}/resolution` `{outcome?, text?}`: it is done.
pub(super) fn resolve(body: &mut Fields) -> Option<Act> {
    Some(Act::Resolve { outcome: body.maybe_code("outcome"), text: body.maybe_text("text") })
}

/// `POST /requests/{id}/refusal` `{reason, text?}`: it will not be done, and why, as a code of the declaration.
pub(super) fn refuse(body: &mut Fields) -> Option<Act> {
    let (reason, text) = (body.code("reason"), body.maybe_text("text"));
    Some(Act::Refuse { reason: reason?, text })
}

/// `POST /requests/{id}/reopening`: it was not the end, or not the programme.
pub(super) fn reopen(_: &mut Fields) -> Option<Act> {
    Some(Act::Reopen)
}

/// `POST /requests/{id}/cancellation`: whoever asked does not ask any more.
pub(super) fn cancel(_: &mut Fields) -> Option<Act> {
    Some(Act::Cancel)
}

/// `POST /requests/{id}/category` `{product, precision?}`: it is about something else.
pub(super) fn recategorise(body: &mut Fields) -> Option<Act> {
    let (product, precision) = (body.code("product"), body.maybe_code("precision"));
    Some(Act::Recategorise { product: product?, precision })
}

/// `DELETE /requests/{id}/duplicate-of`: it stands on its own again.
pub(super) fn unlink(_: &mut Fields) -> Option<Act> {
    Some(Act::Unlink)
}

/// `POST /requests/{id}/programme` `{programme}`: to be done one day, without follow-up (S2-24..26).
pub(super) fn plan(body: &mut Fields) -> Option<Act> {
    Some(Act::Plan { programme: body.code("programme")? })
}

/// `POST /requests/{id}/released-text` `{text}`: what public answers show from now on, in clear.
pub(super) fn release_text(body: &mut Fields) -> Option<Act> {
    Some(Act::ReleaseText { text: body.text("text")? })
}

#[cfg(test)]
mod tests {
    use domain::declaration::Priority;
    use fuzz::{Document, Nearly};
    use serde_json::{Value, json};

    use super::*;
    use crate::problem::Problem;

    fn read(verb: fn(&mut Fields) -> Option<Act>, body: Value) -> Result<Act, Problem> {
        let mut fields = Fields::of_body(body)?;
        let act = verb(&mut fields);
        fields.finish(act)
    }

    #[test]
    fn a_verb_reads_its_words() {
        assert_eq!(
            read(triage, json!({ "priority": "urgent" })).expect("an act"),
            Act::Triage { priority: Priority::Urgent }
        );
        assert_eq!(read(start, json!({})).expect("an act"), Act::Start);
        let note = read(note, json!({ "text": "vu" })).expect("an act");
        assert_eq!(note, Act::Note { visibility: Visibility::Internal, text: "vu".to_owned() });
    }

    #[test]
    fn a_word_that_is_missing_wrong_or_too_many_is_named() {
        for (verb, body, at, why) in [
            (triage as fn(&mut Fields) -> Option<Act>, json!({ "priority": "very" }), "/priority", "bad_word"),
            (assign, json!({}), "/unit", "required"),
            (note, json!({ "text": "vu", "visibility": "secret" }), "/visibility", "bad_word"),
            (answer_interim, json!({ "anticipated_on": "demain", "text": "x" }), "/anticipated_on", "bad_date"),
            (start, json!({ "at": "2020-01-01" }), "/at", "unknown"),
        ] {
            let problem = read(verb, body).expect_err("a problem");
            assert_eq!((problem.fields[0].at.as_str(), problem.fields[0].why), (at, why));
        }
    }

    #[test]
    fn any_body_of_any_verb_is_read_or_its_faults_are_pointed_at() {
        let verbs = [
            triage,
            assign,
            transfer,
            start,
            wait,
            citizen_replied,
            note,
            answer_interim,
            answer,
            resolve,
            refuse,
            reopen,
            cancel,
            recategorise,
            unlink,
            plan,
            release_text,
        ];
        let samples = [
            r#"{"priority":"urgent"}"#,
            r#"{"unit":"water","agent":"usr_4f2a"}"#,
            r#"{"text":"vu","visibility":"public"}"#,
            r#"{"anticipated_on":"2026-12-04","text":"Nous creusons"}"#,
            r#"{"reason":"private_land","text":"Terrain"}"#,
            r#"{"product":"graffiti","precision":"wall"}"#,
        ];
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            let Ok(body) = serde_json::from_slice::<Value>(document.bytes()) else { return };
            for verb in verbs {
                if let Err(problem) = self::read(verb, body.clone()) {
                    problem.assert_said();
                }
            }
        });
    }
}
