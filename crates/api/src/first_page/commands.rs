//! Two commands that work as they stand: one reads, one submits with a key in `$KEY`.

use domain::{
    declaration::{Declaration, Product, Question, QuestionKind},
    words::Code,
};

/// Reads the newest requests; nobody needs a key for it.
pub(super) fn read(base: &str, declaration: &Declaration) -> String {
    let jurisdiction = &declaration.organisation.jurisdiction;
    format!(
        "curl {}",
        quoted(&format!("{base}/open311/v2/requests.json?jurisdiction_id={jurisdiction}&page=1&page_size=5"))
    )
}

/// Submits what asks for the fewest answers; none where every product wants words that only a citizen has.
pub(super) fn submit(base: &str, declaration: &Declaration, description: &str) -> Option<String> {
    let answered = declaration.products.iter().filter_map(|product| Some((product, answers(product)?)));
    let (product, answers) = answered.min_by_key(|(_, answers)| answers.len())?;
    let jurisdiction = &declaration.organisation.jurisdiction;
    let mut command = format!(
        "curl {} -d \"api_key=$KEY\" -d {} -d {}",
        quoted(&format!("{base}/open311/v2/requests.json")),
        quoted(&format!("jurisdiction_id={jurisdiction}")),
        quoted(&format!("service_code={}", product.code)),
    );
    for (question, choice) in answers {
        command.push_str(" -d ");
        command.push_str(&quoted(&format!("attribute[{question}]={choice}")));
    }
    command.push_str(" \\\n     -d 'address_string=1, rue Principale' -d ");
    command.push_str(&quoted(&format!("description={description}")));
    Some(command)
}

/// An answer that is no emergency to each question that must be answered.
fn answers(product: &Product) -> Option<Vec<(&Code, &Code)>> {
    let mut answers: Vec<(&Code, &Code)> = Vec::new();
    for question in product.questions.iter().filter(|question| question.required) {
        if is_asked(question, &answers) {
            let listed = matches!(question.kind, QuestionKind::SingleValueList | QuestionKind::MultiValueList);
            let harmless = question.choices.iter().find(|choice| choice.emergency.is_none());
            answers.push((&question.code, &harmless.filter(|_| listed)?.key));
        }
    }
    Some(answers)
}

fn is_asked(question: &Question, answers: &[(&Code, &Code)]) -> bool {
    question.when.as_ref().is_none_or(|when| {
        answers.iter().any(|(asked, choice)| **asked == when.question && when.any_of.contains(choice))
    })
}

/// For a shell: within simple quotes nothing is special but their end.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_does_not_end_the_argument() {
        assert_eq!(quoted("l'eau; rm"), "'l'\\''eau; rm'");
    }
}
