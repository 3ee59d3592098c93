//! `GET discovery.{fmt}`: where everything is, and whether the catalogue has changed.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{declaration::Declaration, words::Language};

use super::{asked::Asked, spark::Spark};
use crate::{labels::say, problem::Problem, state::ApiState};

/// `GET discovery.{fmt}`. It needs no `jurisdiction_id`: this is where a client learns which there are.
pub(crate) async fn discovery(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Problem> {
    let organisations = match asked.organisation() {
        Ok(organisation) => vec![organisation.clone()],
        Err(_) => state.application.organisations().to_vec(),
    };
    let rules: Vec<_> = organisations.iter().map(|organisation| (organisation.rules(), organisation.now())).collect();
    let declarations: Vec<&Declaration> = rules.iter().map(|(rules, now)| rules.in_force(*now)).collect();
    Ok(asked.answer("discovery", &document(&declarations, &state.base_url(&headers), asked.language)))
}

fn document(declarations: &[&Declaration], base: &str, language: Language) -> Spark {
    let changeset = changeset(declarations);
    let endpoint = Spark::Object(vec![
        ("specification", Spark::text("http://wiki.open311.org/GeoReport_v2")),
        ("url", Spark::text(format!("{base}/open311/v2/"))),
        ("changeset", changeset.clone()),
        ("type", Spark::text("production")),
        ("formats", Spark::List("format", vec![Spark::text("text/xml"), Spark::text("application/json")])),
    ]);
    Spark::Object(vec![
        ("changeset", changeset),
        ("contact", Spark::text(contact(declarations, language))),
        ("key_service", Spark::text(say(language, "open311.key_service"))),
        ("endpoints", Spark::List("endpoint", vec![endpoint])),
    ])
}

/// A later declaration sorts later: its first day, then its version.
fn changeset(declarations: &[&Declaration]) -> Spark {
    let newest = declarations.iter().map(|known| format!("{}T00:00:00Z {}", known.effective_from, known.version)).max();
    Spark::maybe(newest)
}

fn contact(declarations: &[&Declaration], language: Language) -> String {
    let line = |known: &&Declaration| {
        let organisation = &known.organisation;
        format!(
            "{} ({}): {}",
            organisation.name.in_language(language),
            organisation.jurisdiction,
            organisation.contact.in_language(language)
        )
    };
    declarations.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open311::sample;

    #[test]
    fn discovery_in_xml_and_json() {
        let document = document(&[&sample::declaration()], "https://311.example.org", Language::Fr);
        insta::assert_snapshot!(document.xml("discovery"));
        insta::assert_json_snapshot!(document);
    }
}
