//! A mapping file: where each fact of a request stands in the rows that a city publishes.
//!
//! It says which column holds what and which words mean what. It knows nothing of events: [`super::history`] turns
//! what it reads into what happened. Start at [`Mapping`], then [`Word`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use anyhow::Context;
use chrono::NaiveDateTime;
use domain::{
    calendar::Zone,
    rules::Rules,
    time::{self, Instant},
    words::{Code, Label},
};
use serde::Deserialize;

use super::reader::Row;

/// `mappings/<city>.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapping {
    /// The slug of the organisation whose log takes the rows.
    pub organisation: Code,
    /// Names the publication. Ids come from it, so it never changes: another name is another set of requests.
    pub source: Code,
    pub format: Format,
    /// Between the fields of a CSV file.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// What the clocks of the file show.
    pub zone: Zone,
    /// The column that identifies a row for ever; absent: a row is told by its content and its place among equals.
    pub key: Option<String>,
    pub opened: Moment,
    pub due: Option<Due>,
    pub started: Option<Moment>,
    pub closed: Option<Moment>,
    pub status: Option<Status>,
    pub product: Word,
    pub precision: Option<Word>,
    pub channel: Word,
    pub area: Option<Word>,
    pub unit: Option<Word>,
    /// What was done, in the source's own classes; for a refused request, why.
    pub outcome: Option<Word>,
    /// The source's own judgement of its due date.
    pub verdict: Option<Word>,
    pub place: Option<Coordinates>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Csv,
    /// One array of flat objects.
    Json,
}

/// A local date and time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    pub column: String,
    /// As `strftime` writes them; the first that fits is taken.
    pub formats: Vec<String>,
}

/// The date that the source itself had promised.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Due {
    pub column: String,
    pub formats: Vec<String>,
    /// The instant itself still keeps the promise: stored a microsecond later, since ours is exclusive.
    pub inclusive: bool,
}

/// How the request ended, told by a word; without it, a closing date means resolved.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    pub column: String,
    pub values: BTreeMap<String, End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum End {
    Open,
    Resolved,
    Refused,
    Cancelled,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Coordinates {
    pub latitude: String,
    pub longitude: String,
}

/// A code, found from the words of one or several columns.
///
/// The file's own table goes first, then the organisation's declaration (a code, or a label in either language), then
/// the words themselves, as [`slug`] writes them. Letter case, accents and spacing never matter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Word {
    pub columns: Vec<String>,
    #[serde(default)]
    pub values: BTreeMap<String, Code>,
    /// Words that say nothing: `Undetermined`.
    #[serde(default)]
    pub nothing: Vec<String>,
    /// What else may stand there, `#` being a number: `ward_#`. Anything that does not fit is taken for nothing.
    pub shape: Option<String>,
    /// The code of a row whose columns are empty.
    pub absent: Option<Code>,
}

/// Why a row cannot be taken. Names the field, never repeats what stands in it: it may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("{0} is empty")]
    Empty(String),
    #[error("{0} is in none of the formats of the mapping")]
    NotADate(String),
    #[error("{0} is not a number")]
    NotANumber(String),
    #[error("{0} holds a word that the mapping does not know")]
    UnknownWord(String),
    #[error("{0} holds words that give no code")]
    NoCode(String),
}

impl Mapping {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("read {}", path.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Every column that it reads.
    pub(crate) fn columns(&self) -> BTreeSet<&str> {
        let moments = [Some(&self.opened), self.started.as_ref(), self.closed.as_ref()];
        let words = [Some(&self.product), Some(&self.channel)]
            .into_iter()
            .chain([&self.precision, &self.area, &self.unit, &self.outcome, &self.verdict].map(Option::as_ref));
        let mut columns: BTreeSet<&str> = moments.into_iter().flatten().map(|moment| moment.column.as_str()).collect();
        columns.extend(words.flatten().flat_map(|word| &word.columns).map(String::as_str));
        columns.extend(self.key.as_deref());
        columns.extend(self.due.as_ref().map(|due| due.column.as_str()));
        columns.extend(self.status.as_ref().map(|status| status.column.as_str()));
        columns.extend(self.place.iter().flat_map(|place| [place.latitude.as_str(), place.longitude.as_str()]));
        columns
    }

    /// The instant of a moment, or nothing if its column is empty.
    pub(crate) fn instant(&self, row: &Row, column: &str, formats: &[String]) -> Result<Option<Instant>, Unreadable> {
        let text = row.cell(column);
        if text.is_empty() {
            return Ok(None);
        }
        let wall = formats
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .filter(|wall| time::is_sane(wall.date()))
            .ok_or_else(|| Unreadable::NotADate(column.to_owned()))?;
        Ok(Some(self.zone.instant(wall.date(), wall.time())))
    }
}

impl Moment {
    pub(crate) fn read(&self, mapping: &Mapping, row: &Row) -> Result<Option<Instant>, Unreadable> {
        mapping.instant(row, &self.column, &self.formats)
    }
}

impl Status {
    pub(crate) fn read(&self, row: &Row) -> Result<End, Unreadable> {
        let said = row.cell(&self.column);
        self.values.get(said).copied().ok_or_else(|| Unreadable::UnknownWord(self.column.clone()))
    }
}

/// The words of one field that code knows, by their slug: those of the mapping over those of the declaration.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary(HashMap<String, Code>);

impl Vocabulary {
    pub(crate) fn of<'a>(word: &Word, declared: impl Iterator<Item = (&'a Code, &'a Label)>) -> Self {
        let mut known = HashMap::new();
        for (code, label) in declared {
            for text in [code.as_str(), &label.fr, &label.en] {
                known.entry(slug(text)).or_insert_with(|| code.clone());
            }
        }
        known.extend(word.values.iter().map(|(words, code)| (slug(words), code.clone())));
        Self(known)
    }
}

/// What the declarations of an organisation call their products and channels.
pub(crate) fn products(rules: &Rules) -> impl Iterator<Item = (&Code, &Label)> {
    rules.versions().iter().flat_map(|version| &version.products).map(|product| (&product.code, &product.label))
}

pub(crate) fn precisions(rules: &Rules) -> impl Iterator<Item = (&Code, &Label)> {
    let products = rules.versions().iter().flat_map(|version| &version.products);
    products.flat_map(|product| &product.precisions).map(|precision| (&precision.code, &precision.label))
}

pub(crate) fn channels(rules: &Rules) -> impl Iterator<Item = (&Code, &Label)> {
    rules.versions().iter().flat_map(|version| &version.channels).map(|channel| (&channel.code, &channel.label))
}

pub(crate) fn areas(rules: &Rules) -> impl Iterator<Item = (&Code, &Label)> {
    rules.versions().iter().flat_map(|version| &version.areas).map(|area| (&area.code, &area.label))
}

pub(crate) fn units(rules: &Rules) -> impl Iterator<Item = (&Code, &Label)> {
    rules.versions().iter().flat_map(|version| &version.units).map(|unit| (&unit.code, &unit.label))
}

impl Word {
    pub(crate) fn read(&self, known: &Vocabulary, row: &Row) -> Result<Option<Code>, Unreadable> {
        let mut words = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let said = row.cell(column);
            if !said.is_empty() {
                words.push(said);
            }
        }
        let said = words.join(" ");
        if said.is_empty() || self.nothing.contains(&said) {
            return Ok(self.absent.clone());
        }
        let slug = slug(&said);
        if let Some(code) = known.0.get(&slug) {
            return Ok(Some(code.clone()));
        }
        if self.shape.as_ref().is_some_and(|shape| !fits(shape, &slug)) {
            return Ok(self.absent.clone());
        }
        slug.parse().map(Some).map_err(|_| Unreadable::NoCode(self.columns.join(", ")))
    }
}

/// Whether a text is the shape, each `#` standing for one or more digits.
fn fits(shape: &str, text: &str) -> bool {
    let mut rest = text;
    let mut parts = shape.split('#');
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = after;
    for part in parts {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Some(after) = rest.get(digits..).filter(|_| digits > 0).and_then(|rest| rest.strip_prefix(part)) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

/// Words as a code: lower case, no accents, an underscore between words, at most 64 characters.
///
/// ```text
/// Extermination à l'extérieur - Rats   ->   extermination_a_l_exterieur_rats
/// ```
pub(crate) fn slug(words: &str) -> String {
    let mut slug = String::with_capacity(words.len());
    for letter in words.chars().flat_map(char::to_lowercase) {
        match plain(letter) {
            Some(letters) => slug.push_str(letters),
            None if letter.is_ascii_alphanumeric() => slug.push(letter),
            None if slug.is_empty() || slug.ends_with('_') => {}
            None => slug.push('_'),
        }
    }
    slug.truncate(64);
    slug.trim_end_matches('_').to_owned()
}

/// The letters of French (and the ligatures) without what stands on them.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à' | 'â' | 'ä' | 'á' => "a",
        'ç' => "c",
        'é' | 'è' | 'ê' | 'ë' => "e",
        'î' | 'ï' | 'í' => "i",
        'ô' | 'ö' | 'ó' => "o",
        'ù' | 'û' | 'ü' | 'ú' => "u",
        'ÿ' => "y",
        'ñ' => "n",
        'œ' => "oe",
        'æ' => "ae",
        _ => return None,
    })
}

fn comma() -> char {
    ','
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_codes() {
        for (words, code) in [
            ("Extermination à l'extérieur - Rats", "extermination_a_l_exterieur_rats"),
            ("  Ward 12 ", "ward_12"),
            ("WARD 19", "ward_19"),
            ("Heat - Excessive  Insufficient", "heat_excessive_insufficient"),
            ("Missed Trash/Recycling/Yard Waste/Bulk Item", "missed_trash_recycling_yard_waste_bulk_item"),
            ("Œuvres d’art", "oeuvres_d_art"),
            ("---", ""),
        ] {
            assert_eq!(slug(words), code, "{words}");
        }
        assert_eq!(slug(&"a ".repeat(80)).len(), 63, "64 characters, then no underscore at the end");
    }

    #[test]
    fn a_shape_leaves_no_room_for_anything_else() {
        for (text, expected) in
            [("ward_2", true), ("ward_19", true), ("ward_", false), ("2014_ward_7", false), ("ward_7_b", false)]
        {
            assert_eq!(fits("ward_#", text), expected, "{text}");
        }
    }
}
