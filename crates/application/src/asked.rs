//! What was asked, as the deciders take it: codes parsed, the channel chosen, blanks gone. Pure.

use std::sync::Arc;

use domain::{
    contact::{self, Contact},
    decider::Decider,
    ids::{PersonId, RequestId},
    number::Number,
    person::{self, Person},
    request::{self, Request, questions::Given},
    rules::Rules,
    time::Instant,
    words::Code,
};
use uuid::Uuid;
use vault::Term;

use crate::{
    errors::Problem,
    problems,
    submission::{Requester, Submission},
};

/// A submission that reads; ids come with each attempt.
pub(crate) struct Asked {
    pub(crate) rules: Arc<Rules>,
    pub(crate) at: Instant,
    submission: request::Submission,
    /// Who asks, if anybody.
    pub(crate) details: Option<person::Details>,
}

/// Why no request comes of it.
pub(crate) enum NoRequest {
    Emergency(Vec<contact::Event>),
    Invalid(Vec<Problem>),
}

impl Asked {
    pub(crate) fn read(rules: Arc<Rules>, at: Instant, asked: Submission) -> Result<Self, Vec<Problem>> {
        let declaration = rules.in_force(at);
        let product = code("product", "request.unknown_product", &asked.product)?;
        let precision = asked.precision.as_deref().filter(|precision| !precision.trim().is_empty());
        let precision =
            precision.map(|precision| code("precision", "request.unknown_precision", precision)).transpose()?;
        let open311 =
            || declaration.channels.iter().find(|channel| channel.open311).map(|channel| channel.code.clone());
        let channel = asked.channel.or_else(open311).ok_or_else(|| problem("channel", "required"))?;
        let answers =
            asked.answers.into_iter().map(|(name, values)| Given { question: name.trim().to_owned(), values });
        let submission = request::Submission {
            precision,
            answers: answers.collect(),
            place: asked.place,
            description: asked.description,
            media_url: asked.media_url,
            area: asked.area,
            ..request::Submission::new(Number::of(RequestId(Uuid::nil())), channel, product)
        };
        let details = asked.requester.and_then(details);
        Ok(Self { rules, at, submission, details })
    }

    /// The events of the request, promises included.
    pub(crate) fn decide(
        &self,
        request: RequestId,
        requester: Option<PersonId>,
    ) -> Result<Vec<request::Event>, NoRequest> {
        let submission = request::Submission { number: Number::of(request), requester, ..self.submission.clone() };
        let act = request::Act::Submit(Box::new(submission));
        let command = request::Command { rules: self.rules.clone(), at: self.at, act };
        match Request::decide(&Request::initial(), command) {
            Err(request::Refusal::Emergency { reason }) => Err(NoRequest::Emergency(self.directed_to_911(reason))),
            decided => decided.map_err(|refusal| NoRequest::Invalid(problems::of_request(&refusal))),
        }
    }

    /// The event of the person: registered, or known already and adding to what is known.
    pub(crate) fn decide_person(
        &self,
        details: person::Details,
        known: bool,
    ) -> Result<Vec<person::Event>, Vec<Problem>> {
        let (state, act) = if known {
            (person::State::Registered, person::Act::AddDetails(details))
        } else {
            (person::State::Unknown, person::Act::Register(details))
        };
        let command = person::Command { rules: self.rules.clone(), at: self.at, act };
        Person::decide(&state, command).map_err(|refusal| problems::of_person(&refusal))
    }

    fn directed_to_911(&self, reason: Code) -> Vec<contact::Event> {
        let (channel, product) = (self.submission.channel.clone(), self.submission.product.clone());
        let act = contact::Act::DirectTo911 { reason, channel, product };
        let command = contact::Command { rules: self.rules.clone(), at: self.at, act };
        let Ok(events) = Contact::decide(&Contact::initial(), command);
        events
    }
}

/// By what a person is recognised: an exact e-mail or telephone.
pub(crate) fn linking_terms(details: &person::Details) -> Vec<Term> {
    let email = details.email.as_deref().and_then(Term::email);
    let phone = details.phone.as_deref().and_then(Term::phone);
    email.into_iter().chain(phone).collect()
}

/// By what a person can be found, the words of their name included.
pub(crate) fn all_terms(details: &person::Details) -> Vec<Term> {
    let names = [&details.first_name, &details.last_name].into_iter().flatten().flat_map(|name| Term::name(name));
    linking_terms(details).into_iter().chain(names).collect()
}

/// What of the details holds a term that is new. What cannot be compared is taken for new: nothing given is lost.
pub(crate) fn new_details(details: &person::Details, new: &[Term]) -> Option<person::Details> {
    let is_new = |terms: Vec<Term>| terms.is_empty() || terms.iter().any(|term| new.contains(term));
    let names = |name: &String| is_new(Term::name(name));
    let details = person::Details {
        first_name: details.first_name.clone().filter(names),
        last_name: details.last_name.clone().filter(names),
        email: details.email.clone().filter(|email| is_new(Term::email(email).into_iter().collect())),
        phone: details.phone.clone().filter(|phone| is_new(Term::phone(phone).into_iter().collect())),
    };
    (details != person::Details::default()).then_some(details)
}

/// Nobody, when nothing was said.
fn details(requester: Requester) -> Option<person::Details> {
    let said = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let details = person::Details {
        first_name: said(requester.first_name),
        last_name: said(requester.last_name),
        email: said(requester.email),
        phone: said(requester.phone),
    };
    (details != person::Details::default()).then_some(details)
}

fn code(field: &str, unknown: &'static str, text: &str) -> Result<Code, Vec<Problem>> {
    text.trim().parse().map_err(|_| match text.trim() {
        "" => problem(field, "required"),
        _ => problem(field, unknown),
    })
}

fn problem(field: &str, code: &'static str) -> Vec<Problem> {
    vec![Problem { field: field.to_owned(), code }]
}
