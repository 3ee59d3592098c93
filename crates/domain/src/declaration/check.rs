//! What the shape of a declaration cannot say: references that lead somewhere, codes that are unique, standards that
//! mean something. Run when a file is read, before anything is promised by it; what is in the log has passed.

use std::{collections::BTreeSet, fmt};

use super::{Condition, Declaration, Product, Question, QuestionKind};
use crate::{
    calendar::Hours,
    promise::{AfterHours, ClosedDay, DayRule, Duration, HoursMode, Matter, Standard},
    words::{Code, Label},
};

/// No published delay is longer than ten years; a larger figure is a slip of the pen.
const MOST_HOURS: u32 = 10 * 366 * 24;
const MOST_DAYS: u32 = 10 * 366;

/// A mistake, and the field where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub at: Path,
    pub problem: String,
}

/// Where a field stands in the file: `products[3].questions[0].when`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(pub Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Field(String),
    Item(usize),
}

impl Path {
    fn field(&self, name: &str) -> Self {
        self.then(Step::Field(name.to_owned()))
    }

    fn item(&self, name: &str, index: usize) -> Self {
        self.field(name).then(Step::Item(index))
    }

    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn unless(&mut self, holds: bool, at: Path, problem: impl Into<String>) {
        if !holds {
            self.0.push(Mistake { at, problem: problem.into() });
        }
    }
}

impl Declaration {
    /// Every mistake found, in the order of the file's sections; empty when the declaration may be published.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut found = Mistakes::default();
        let root = Path::default();
        self.check_heading(&mut found, &root);
        self.check_calendar(&mut found, &root.field("calendar"));
        self.check_codes(&mut found, &root);
        for (index, standard) in self.standards.iter().enumerate() {
            self.check_standard(&mut found, &root.item("standards", index), standard);
        }
        for (index, product) in self.products.iter().enumerate() {
            self.check_product(&mut found, &root.item("products", index), product);
        }
        found.0
    }

    fn check_heading(&self, found: &mut Mistakes, root: &Path) {
        let organisation = root.field("organisation");
        let slug = self.organisation.slug.as_str();
        let is_plain = slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        found.unless(
            is_plain && slug.len() <= 40,
            organisation.field("slug"),
            "a slug is at most 40 of the characters a-z 0-9 _",
        );
        let jurisdiction = &self.organisation.jurisdiction;
        found.unless(
            !jurisdiction.is_empty() && !jurisdiction.starts_with("www."),
            organisation.field("jurisdiction"),
            "a jurisdiction is the main web root without www",
        );
        check_label(found, &organisation.field("name"), &self.organisation.name);
        check_label(found, &organisation.field("contact"), &self.organisation.contact);
        found.unless(
            self.effective_until.is_none_or(|until| until > self.effective_from),
            root.field("effective_until"),
            "a version ends after it begins",
        );
        found.unless(
            self.channels.iter().filter(|channel| channel.open311).count() == 1,
            root.field("channels"),
            "exactly one channel has `open311 = true`",
        );
    }

    fn check_calendar(&self, found: &mut Mistakes, calendar: &Path) {
        let weeks = &self.calendar.hours;
        found.unless(!weeks.is_empty(), calendar.field("hours"), "a calendar has weekly hours");
        for (index, week) in weeks.iter().enumerate() {
            let at = calendar.item("hours", index);
            let days = [week.monday, week.tuesday, week.wednesday, week.thursday, week.friday];
            found.unless(
                days.iter().any(Option::is_some),
                at.clone(),
                "a week is open on a day from Monday to Friday, or no business day would ever come",
            );
            let every_day = days.iter().chain([&week.saturday, &week.sunday]).flatten();
            found.unless(every_day.copied().all(Hours::is_some_time), at.clone(), "hours open before they close");
            let ascends = index == 0 || weeks[index - 1].from < week.from;
            found.unless(ascends, at.field("from"), "periods stand in the order in which they begin");
        }
        for (index, opening) in self.calendar.openings.iter().enumerate() {
            let at = calendar.item("openings", index);
            found.unless(opening.hours.is_some_time(), at.field("hours"), "hours open before they close");
            let first = self.calendar.openings.iter().position(|other| other.on == opening.on);
            found.unless(first == Some(index), at.field("on"), "a day has one exceptional opening");
        }
    }

    fn check_codes(&self, found: &mut Mistakes, root: &Path) {
        unique(found, root, "channels", self.channels.iter().map(|channel| (&channel.code, &channel.label)));
        unique(found, root, "units", self.units.iter().map(|unit| (&unit.code, &unit.label)));
        unique(found, root, "areas", self.areas.iter().map(|area| (&area.code, &area.label)));
        unique(found, root, "standards", self.standards.iter().map(|standard| (&standard.code, &standard.label)));
        unique(found, root, "products", self.products.iter().map(|product| (&product.code, &product.label)));
        let reasons = self.refusal_reasons.iter().map(|reason| (&reason.code, &reason.label));
        unique(found, root, "refusal_reasons", reasons);
        let programmes = self.programmes.iter().map(|programme| (&programme.code, &programme.label));
        unique(found, root, "programmes", programmes);
        let emergencies = self.emergencies.iter().map(|emergency| (&emergency.code, &emergency.message));
        unique(found, root, "emergencies", emergencies);
        found.unless(!self.products.is_empty(), root.field("products"), "a declaration has products");
    }

    fn check_standard(&self, found: &mut Mistakes, at: &Path, standard: &Standard) {
        let duration = standard.duration;
        let (amount, most) = match duration {
            Duration::ElapsedHours(hours) | Duration::BusinessHours(hours) => (hours, MOST_HOURS),
            Duration::BusinessDays(days) | Duration::CalendarDays(days) => (days, MOST_DAYS),
            Duration::Seconds(seconds) | Duration::UnderSeconds(seconds) => (seconds, 24 * 3600),
            Duration::CaseByCase => (1, 1),
        };
        found.unless(
            (1..=most).contains(&amount),
            at.field("duration"),
            format!("a duration of this kind is from 1 to {most}"),
        );

        let in_days = matches!(duration, Duration::BusinessDays(_) | Duration::CalendarDays(_));
        let days_only = [
            (standard.day_rule != DayRule::default(), "day_rule"),
            (standard.after_hours != AfterHours::default(), "after_hours"),
            (standard.closed_day != ClosedDay::default(), "closed_day"),
            (standard.late.is_some(), "late"),
        ];
        for (is_set, field) in days_only {
            found.unless(in_days || !is_set, at.field(field), "only a duration in days has this rule");
        }
        let rolls = standard.hours_mode == HoursMode::default() || matches!(duration, Duration::ElapsedHours(_));
        found.unless(rolls, at.field("hours_mode"), "only a duration in elapsed hours has this rule");

        let is_measured = matches!(duration, Duration::Seconds(_) | Duration::UnderSeconds(_));
        found.unless(
            !is_measured || standard.matter == Matter::Contact,
            at.field("matter"),
            "a delay in seconds is measured over contacts: `matter = \"contact\"`",
        );
        found.unless(
            standard.target_percent.is_none_or(|percent| percent > 0.0 && percent <= 100.0),
            at.field("target_percent"),
            "a percentage is above 0 and at most 100",
        );
        for (index, channel) in standard.channels.iter().enumerate() {
            found.unless(
                self.channel(channel).is_some(),
                at.item("channels", index),
                format!("no channel has the code {channel}"),
            );
        }
    }

    fn check_product(&self, found: &mut Mistakes, at: &Path, product: &Product) {
        let labels = [(product.description.as_ref(), "description"), (product.group.as_ref(), "group")];
        for (label, field) in labels {
            if let Some(label) = label {
                check_label(found, &at.field(field), label);
            }
        }
        unique(found, at, "precisions", product.precisions.iter().map(|precision| (&precision.code, &precision.label)));
        unique(found, at, "questions", product.questions.iter().map(|question| (&question.code, &question.text)));
        for (index, standard) in product.standards.iter().enumerate() {
            let known = self.standard(standard).is_some_and(|standard| standard.matter == Matter::Request);
            found.unless(
                known,
                at.item("standards", index),
                format!("no standard of requests has the code {standard}"),
            );
        }
        if let Some(unit) = &product.unit {
            let known = self.units.iter().any(|known| known.code == *unit);
            found.unless(known, at.field("unit"), format!("no unit has the code {unit}"));
        }
        for (index, question) in product.questions.iter().enumerate() {
            let before = &product.questions[..index];
            self.check_question(found, &at.item("questions", index), product, question, before);
        }
    }

    fn check_question(
        &self,
        found: &mut Mistakes,
        at: &Path,
        product: &Product,
        question: &Question,
        before: &[Question],
    ) {
        let is_list = matches!(question.kind, QuestionKind::SingleValueList | QuestionKind::MultiValueList);
        found.unless(
            is_list != question.choices.is_empty(),
            at.field("choices"),
            if is_list { "a list has choices" } else { "only a list has choices" },
        );
        found.unless(
            !(question.required && question.kind == QuestionKind::Notice),
            at.field("required"),
            "a notice has nothing to answer",
        );
        let choices = question.choices.iter().map(|choice| (&choice.key, &choice.label));
        unique(found, at, "choices", choices);
        for (index, choice) in question.choices.iter().enumerate() {
            let at = at.item("choices", index);
            if let Some(reason) = &choice.emergency {
                let known = self.emergencies.iter().any(|known| known.code == *reason);
                found.unless(known, at.field("emergency"), format!("no emergency has the code {reason}"));
            }
            if let Some(precision) = &choice.precision {
                let known = product.precisions.iter().any(|known| known.code == *precision);
                found.unless(known, at.field("precision"), format!("no precision has the code {precision}"));
            }
        }
        if let Some(condition) = &question.when {
            check_condition(found, &at.field("when"), condition, before);
        }
    }
}

fn check_condition(found: &mut Mistakes, at: &Path, condition: &Condition, before: &[Question]) {
    let Some(asked) = before.iter().find(|question| question.code == condition.question) else {
        let problem = format!("no earlier question has the code {}", condition.question);
        return found.unless(false, at.field("question"), problem);
    };
    found.unless(!condition.any_of.is_empty(), at.field("any_of"), "a condition names at least one choice");
    for (index, key) in condition.any_of.iter().enumerate() {
        let known = asked.choices.iter().any(|choice| choice.key == *key);
        found.unless(known, at.item("any_of", index), format!("question {} has no choice {key}", asked.code));
    }
}

fn check_label(found: &mut Mistakes, at: &Path, label: &Label) {
    found.unless(!label.fr.trim().is_empty(), at.field("fr"), "a label has words");
    found.unless(!label.en.trim().is_empty(), at.field("en"), "a label has words");
}

/// Codes of one list are unique, and each has words.
fn unique<'a>(found: &mut Mistakes, at: &Path, list: &str, entries: impl Iterator<Item = (&'a Code, &'a Label)>) {
    let mut seen = BTreeSet::new();
    for (index, (code, label)) in entries.enumerate() {
        let at = at.item(list, index);
        check_label(found, &at.field(label_field(list)), label);
        found.unless(seen.insert(code), at, format!("the code {code} is taken"));
    }
}

/// What the label of an entry is called in its list.
fn label_field(list: &str) -> &'static str {
    match list {
        "questions" => "text",
        "emergencies" => "message",
        _ => "label",
    }
}

#[cfg(test)]
mod examples {
    use super::*;
    use crate::promise::fixtures;

    fn sound() -> Declaration {
        let json = serde_json::json!({
            "organisation": { "slug": "test", "jurisdiction": "test.example",
                "name": { "fr": "Essai", "en": "Test" }, "contact": { "fr": "Essai", "en": "Test" } },
            "version": "2026-1", "effective_from": "2026-01-01", "source": "examples",
            "calendar": { "version": "test_2026-1", "zone": "America/Toronto",
                "hours": [{ "from": "2020-01-01", "monday": { "open": "08:00", "close": "24:00" } }] },
            "channels": [{ "code": "web", "label": { "fr": "Web", "en": "Web" }, "open311": true }],
            "standards": [{ "code": "done", "label": { "fr": "Fait", "en": "Done" }, "duration": { "business_days": 5 } }],
            "products": [{ "code": "tree", "label": { "fr": "Arbre", "en": "Tree" }, "standards": ["done"],
                "questions": [
                    { "code": "risk", "text": { "fr": "Danger?", "en": "Danger?" }, "kind": "single_value_list",
                      "choices": [{ "key": "yes", "label": { "fr": "Oui", "en": "Yes" } }] },
                    { "code": "where", "text": { "fr": "Où?", "en": "Where?" }, "kind": "string",
                      "when": { "question": "risk", "any_of": ["yes"] } },
                ] }],
        });
        serde_json::from_value(json).expect("a declaration")
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Declaration), expected: &str) {
        let mut declaration = sound();
        change(&mut declaration);
        let told: Vec<String> =
            declaration.mistakes().iter().map(|mistake| format!("{}: {}", mistake.at, mistake.problem)).collect();
        assert_eq!(told, [expected]);
    }

    #[test]
    fn a_sound_declaration_has_no_mistake_and_reads_back() {
        let declaration = sound();
        assert_eq!(declaration.mistakes(), []);
        let text = serde_json::to_string(&declaration).expect("it writes");
        assert_eq!(serde_json::from_str::<Declaration>(&text).expect("it reads"), declaration);
    }

    #[test]
    fn a_reference_leads_somewhere() {
        let nowhere = || fixtures::code("nowhere");
        refused(
            |it| it.products[0].standards = vec![nowhere()],
            "products[0].standards[0]: no standard of requests has the code nowhere",
        );
        refused(|it| it.products[0].unit = Some(nowhere()), "products[0].unit: no unit has the code nowhere");
        refused(
            |it| it.standards[0].channels = vec![nowhere()],
            "standards[0].channels[0]: no channel has the code nowhere",
        );
        refused(
            |it| it.products[0].questions[0].choices[0].emergency = Some(nowhere()),
            "products[0].questions[0].choices[0].emergency: no emergency has the code nowhere",
        );
        refused(
            |it| it.products[0].questions[0].choices[0].precision = Some(nowhere()),
            "products[0].questions[0].choices[0].precision: no precision has the code nowhere",
        );
        refused(
            |it| it.products[0].questions.swap(0, 1),
            "products[0].questions[0].when.question: no earlier question has the code risk",
        );
    }

    #[test]
    fn a_code_stands_once_in_its_list() {
        refused(|it| it.products.push(it.products[0].clone()), "products[1]: the code tree is taken");
    }

    #[test]
    fn a_label_has_words_in_both_languages() {
        refused(|it| it.products[0].label.fr.clear(), "products[0].label.fr: a label has words");
    }

    #[test]
    fn a_standard_has_only_rules_that_its_duration_knows() {
        refused(
            |it| {
                it.standards[0].duration = Duration::ElapsedHours(48);
                it.standards[0].closed_day = ClosedDay::SameTimeNextOpenDay;
            },
            "standards[0].closed_day: only a duration in days has this rule",
        );
        refused(
            |it| it.standards[0].duration = Duration::BusinessDays(0),
            "standards[0].duration: a duration of this kind is from 1 to 3660",
        );
    }

    #[test]
    fn a_calendar_opens() {
        refused(
            |it| it.calendar.hours[0].monday = None,
            "calendar.hours[0]: a week is open on a day from Monday to Friday, or no business day would ever come",
        );
        refused(|it| it.calendar.hours.clear(), "calendar.hours: a calendar has weekly hours");
    }
}
