//! `GET services.{fmt}` and `GET services/{service_code}.{fmt}`: what may be asked for, and what is asked back.

use axum::{extract::Path, response::Response};
use domain::{
    declaration::{Choice, Declaration, Product, Question, QuestionKind},
    words::{Code, Language},
};

use super::{asked::Asked, spark::Spark};
use crate::problem::{Fact, Problem};

/// `GET services.{fmt}`: the products of the declaration in force.
///
/// The list is whole or an error: a portal deletes the services that a shorter list no longer names.
pub(crate) async fn list(asked: Asked) -> Result<Response, Problem> {
    let organisation = asked.organisation()?;
    let rules = organisation.rules();
    Ok(asked.answer("services", &services(rules.in_force(organisation.now()), asked.language)))
}

/// `GET services/{service_code}.{fmt}`: the questions of one product.
pub(crate) async fn definition(asked: Asked, Path(file): Path<String>) -> Result<Response, Problem> {
    let organisation = asked.organisation()?;
    let rules = organisation.rules();
    let product = product(rules.in_force(organisation.now()), Asked::stem(&file))?;
    Ok(asked.answer("service_definition", &service_definition(product, asked.language)))
}

/// The product that a `service_code` names.
pub(super) fn product<'a>(declaration: &'a Declaration, service_code: &str) -> Result<&'a Product, Problem> {
    let code = service_code.parse::<Code>().ok();
    code.and_then(|code| declaration.product(&code)).ok_or_else(|| Fact::ServiceUnknown.into())
}

fn services(declaration: &Declaration, language: Language) -> Spark {
    let service = |product: &Product| {
        Spark::Object(vec![
            ("service_code", Spark::text(product.code.as_str())),
            ("service_name", Spark::text(product.label.in_language(language))),
            ("description", Spark::maybe(product.description.as_ref().map(|label| label.in_language(language)))),
            ("metadata", Spark::Bool(!product.questions.is_empty())),
            ("type", Spark::text("realtime")),
            // FixMyStreet splits at the comma and trims nothing.
            ("keywords", Spark::maybe((!product.keywords.is_empty()).then(|| product.keywords.join(",")))),
            ("group", Spark::maybe(product.group.as_ref().map(|label| label.in_language(language)))),
        ])
    };
    Spark::List("service", declaration.products.iter().map(service).collect())
}

fn service_definition(product: &Product, language: Language) -> Spark {
    let attributes = product.questions.iter().zip(1..).map(|(question, order)| attribute(question, order, language));
    Spark::Object(vec![
        ("service_code", Spark::text(product.code.as_str())),
        ("attributes", Spark::List("attribute", attributes.collect())),
    ])
}

/// One question of the tree, flattened: GeoReport knows no conditions, so a conditional question is never
/// `required` here; the POST says which one was missing along the path that was taken.
fn attribute(question: &Question, order: i64, language: Language) -> Spark {
    let mut fields = vec![
        ("variable", Spark::Bool(question.kind != QuestionKind::Notice)),
        ("code", Spark::text(question.code.as_str())),
        ("datatype", Spark::text(datatype(question.kind))),
        ("required", Spark::Bool(question.required && question.when.is_none())),
        ("datatype_description", Spark::maybe(question.hint.as_ref().map(|label| label.in_language(language)))),
        ("order", Spark::Int(order)),
        ("description", Spark::text(question.text.in_language(language))),
        ("values", Spark::List("value", question.choices.iter().map(|choice| value(choice, language)).collect())),
    ];
    if question.code.as_str() == super::submit::FIXMYSTREET_ID {
        fields.push(("automated", Spark::text("server_set")));
    }
    Spark::Object(fields)
}

fn value(choice: &Choice, language: Language) -> Spark {
    Spark::Object(vec![
        ("key", Spark::text(choice.key.as_str())),
        ("name", Spark::text(choice.label.in_language(language))),
    ])
}

fn datatype(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Notice | QuestionKind::String => "string",
        QuestionKind::Text => "text",
        QuestionKind::Number => "number",
        QuestionKind::Datetime => "datetime",
        QuestionKind::SingleValueList => "singlevaluelist",
        QuestionKind::MultiValueList => "multivaluelist",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open311::sample;

    #[test]
    fn services_in_xml_and_french() {
        insta::assert_snapshot!(services(&sample::declaration(), Language::Fr).xml("services"));
    }

    #[test]
    fn services_in_json_and_english() {
        insta::assert_json_snapshot!(services(&sample::declaration(), Language::En));
    }

    #[test]
    fn a_definition_in_xml() {
        let declaration = sample::declaration();
        let product = product(&declaration, "drinking_water").expect("a product");
        insta::assert_snapshot!(service_definition(product, Language::Fr).xml("service_definition"));
    }

    #[test]
    fn a_definition_in_json() {
        let declaration = sample::declaration();
        let product = product(&declaration, "drinking_water").expect("a product");
        insta::assert_json_snapshot!(service_definition(product, Language::En));
    }

    #[test]
    fn an_unknown_service_is_not_found() {
        for code in ["volcano", "", "no such code!"] {
            let problem = product(&sample::declaration(), code).expect_err("no product");
            assert_eq!(problem.code, "service.unknown", "{code}");
        }
    }
}
