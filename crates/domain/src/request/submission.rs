//! A submission: what was asked, read by the declaration in force.

use super::{
    DESCRIPTION_MOST, Event, Location, Place, Point, Refusal, Source, Submitted,
    questions::{self, Given, Walk},
};
use crate::{
    declaration::{Declaration, PlaceKind, Priority, Product},
    ids::PersonId,
    number::Number,
    personal::Personal,
    promise::{Milestone, Promises},
    rules::Rules,
    time::{self, Instant},
    words::{Code, optional_text},
};

const ADDRESS_MOST: usize = 1_000;
const MEDIA_URL_MOST: usize = 2_000;
const SOURCE_KEY_MOST: usize = 200;

/// What arrives: from a form, from Open311, from an imported row. Taken at any hour (S2-15).
///
/// A precision that the answers decide goes before the one stated here. An organisation that lists no units or no
/// areas takes any; so does an import, whose rows are facts of another system.
#[derive(Clone, PartialEq)]
pub struct Submission {
    /// `Number::of` the request's id.
    pub number: Number,
    pub channel: Code,
    pub product: Code,
    pub precision: Option<Code>,
    pub answers: Vec<Given>,
    pub place: Option<Location>,
    pub description: Option<String>,
    pub media_url: Option<String>,
    /// Nobody is a requester too: anonymity is a right.
    pub requester: Option<PersonId>,
    pub area: Option<Code>,
    /// Who receives it first, if not the product's unit.
    pub unit: Option<Code>,
    /// If not the product's.
    pub priority: Option<Priority>,
    pub source: Option<Source>,
    pub source_due: SourceDue,
}

/// What the source of an imported row had promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceDue {
    /// It publishes no due dates: the standards promise, as for any request.
    #[default]
    Unsaid,
    /// It publishes due dates and gave this request none: no intervention was promised, and none is made up.
    Nothing,
    /// By this instant, exclusive, which becomes the promise.
    By(Instant),
}

impl Submission {
    /// A submission that says no more than what must be said.
    pub fn new(number: Number, channel: Code, product: Code) -> Self {
        Self {
            number,
            channel,
            product,
            precision: None,
            answers: Vec::new(),
            place: None,
            description: None,
            media_url: None,
            requester: None,
            area: None,
            unit: None,
            priority: None,
            source: None,
            source_due: SourceDue::Unsaid,
        }
    }

    pub(super) fn decide(self, rules: &Rules, at: Instant) -> Result<Vec<Event>, Refusal> {
        let declaration = rules.in_force(at);
        let product =
            declaration.product(&self.product).ok_or_else(|| Refusal::UnknownProduct(self.product.clone()))?;
        let Walk { answers, precision, emergency } =
            questions::walk(product, &self.answers).map_err(Refusal::Answers)?;
        if let Some(reason) = emergency {
            return Err(Refusal::Emergency { reason });
        }
        self.check_codes(declaration, product)?;
        self.check_source()?;

        let mut standards = declaration.owed(&self.product, &self.channel);
        let source_due = match self.source_due {
            SourceDue::By(due) => Some(due),
            SourceDue::Unsaid => None,
            SourceDue::Nothing => {
                let of_answer =
                    |code: &Code| declaration.standard(code).is_some_and(|it| it.milestone == Milestone::Answer);
                standards.retain(of_answer);
                None
            }
        };
        let submitted = Submitted {
            at: rules.local(at),
            number: self.number,
            channel: self.channel,
            product: self.product,
            precision: precision.or(self.precision),
            priority: self.priority.unwrap_or(product.priority),
            unit: self.unit.or_else(|| product.unit.clone()),
            area: self.area,
            place: place(product.place, self.place)?,
            answers,
            description: text("description", self.description, DESCRIPTION_MOST)?.map(Personal::Plain),
            media_url: media_url(self.media_url)?.map(Personal::Plain),
            requester: self.requester,
            declaration: declaration.version.clone(),
            source: self.source,
        };
        let promises = Promises::default().make(rules, &standards, at, at, source_due);
        Ok(std::iter::once(Event::Submitted(Box::new(submitted)))
            .chain(promises.into_iter().map(Event::Promise))
            .collect())
    }

    fn check_codes(&self, declaration: &Declaration, product: &Product) -> Result<(), Refusal> {
        if declaration.channel(&self.channel).is_none() {
            return Err(Refusal::UnknownChannel(self.channel.clone()));
        }
        if let Some(precision) = &self.precision {
            check_precision(product, precision)?;
        }
        if self.source.is_some() {
            return Ok(());
        }
        if let Some(unit) = &self.unit {
            check_unit(declaration, unit)?;
        }
        let areas = &declaration.areas;
        match &self.area {
            Some(area) if !areas.is_empty() && areas.iter().all(|known| known.code != *area) => {
                Err(Refusal::UnknownArea(area.clone()))
            }
            _ => Ok(()),
        }
    }

    /// What another system wrote stands in clear in every read model: no character that a database refuses or a
    /// terminal obeys, and no day that cannot be meant.
    fn check_source(&self) -> Result<(), Refusal> {
        let key = self.source.as_ref().and_then(|source| source.key.as_ref());
        if key.is_some_and(|key| key.chars().any(char::is_control) || key.chars().count() > SOURCE_KEY_MOST) {
            return Err(Refusal::NotASourceKey);
        }
        match self.source_due {
            SourceDue::By(due) if !time::is_sane(due.date_naive()) => {
                Err(Refusal::DateOutOfRange { field: "source_due" })
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn check_precision(product: &Product, precision: &Code) -> Result<(), Refusal> {
    if product.precisions.iter().any(|known| known.code == *precision) {
        Ok(())
    } else {
        Err(Refusal::UnknownPrecision(precision.clone()))
    }
}

pub(super) fn check_unit(declaration: &Declaration, unit: &Code) -> Result<(), Refusal> {
    let units = &declaration.units;
    if units.is_empty() || units.iter().any(|known| known.code == *unit) {
        Ok(())
    } else {
        Err(Refusal::UnknownUnit(unit.clone()))
    }
}

pub(super) fn text(field: &'static str, text: Option<String>, most: usize) -> Result<Option<String>, Refusal> {
    optional_text(text, most).map_err(|source| Refusal::Text { field, source })
}

fn place(kind: PlaceKind, location: Option<Location>) -> Result<Option<Place>, Refusal> {
    let Some(Location { point, address, address_id }) = location else { return Ok(None) };
    if point.is_some_and(|point| !point.is_on_earth()) {
        return Err(Refusal::PointOffEarth);
    }
    let location = Location {
        point,
        address: text("address", address, ADDRESS_MOST)?,
        address_id: text("address_id", address_id, ADDRESS_MOST)?,
    };
    if location == Location::default() {
        return Ok(None);
    }
    Ok(Some(match kind {
        PlaceKind::Public => Place::Public(location),
        PlaceKind::Private => Place::Private(Personal::Plain(location)),
    }))
}

/// Pages make a link of it, so a scheme that runs code is not taken.
fn media_url(url: Option<String>) -> Result<Option<String>, Refusal> {
    let url = text("media_url", url.map(|url| url.trim().to_owned()), MEDIA_URL_MOST)?;
    let links = |url: &String| {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        matches!(scheme.as_deref(), Some("http" | "https")) && !url.contains(char::is_whitespace)
    };
    if url.as_ref().is_none_or(links) { Ok(url) } else { Err(Refusal::NotAMediaUrl) }
}

impl Point {
    pub fn is_on_earth(self) -> bool {
        const DEGREE: i64 = 10_000_000;
        (-90 * DEGREE..=90 * DEGREE).contains(&self.lat) && (-180 * DEGREE..=180 * DEGREE).contains(&self.long)
    }
}
