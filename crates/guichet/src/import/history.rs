//! From a row to what happened: the acts that a live system would have seen, dated as they were.
//!
//! Pure. It decides nothing about requests, which is the domain's matter: it only says who did what, and when.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use application::History;
use chrono::TimeDelta;
use domain::{
    declaration::PlaceKind,
    ids::RequestId,
    number::Number,
    request::{Act, Location, Point, Source, SourceDue, Submission},
    rules::Rules,
    time::Instant,
    words::Code,
};
use uuid::Uuid;

use super::{
    mapping::{self, Coordinates, End, Mapping, Unreadable, Vocabulary, Word},
    reader::Row,
};

/// Reads the rows of one file, in order.
pub(crate) struct Historian {
    mapping: Arc<Mapping>,
    product: Vocabulary,
    precision: Vocabulary,
    channel: Vocabulary,
    area: Vocabulary,
    unit: Vocabulary,
    /// Words that no declaration lists: outcomes.
    own: Vocabulary,
    /// Products whose place says where a person lives. An import brings nobody whose key could seal it, and a city
    /// publishes it rounded: the area says enough.
    private: HashSet<Code>,
    /// How many rows of each content came before, for a source without keys.
    seen: HashMap<[u8; 32], u32>,
}

/// Why a row is not a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untellable {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("closed, without saying when")]
    ClosedWithoutDate,
    #[error("closed or started before it was opened")]
    BeforeOpening,
    #[error("refused, without a reason")]
    RefusedWithoutReason,
}

impl Historian {
    pub(crate) fn new(mapping: Arc<Mapping>, rules: &Rules) -> Self {
        let of = |word: Option<&Word>, declared: Vec<_>| {
            word.map(|word| Vocabulary::of(word, declared.into_iter())).unwrap_or_default()
        };
        Self {
            product: of(Some(&mapping.product), mapping::products(rules).collect()),
            precision: of(mapping.precision.as_ref(), mapping::precisions(rules).collect()),
            channel: of(Some(&mapping.channel), mapping::channels(rules).collect()),
            area: of(mapping.area.as_ref(), mapping::areas(rules).collect()),
            unit: of(mapping.unit.as_ref(), mapping::units(rules).collect()),
            own: of(mapping.outcome.as_ref(), Vec::new()),
            private: private_products(rules),
            seen: HashMap::new(),
            mapping,
        }
    }

    /// When the request was opened, which says whether the row is wanted at all.
    pub(crate) fn opened(&self, row: &Row) -> Result<Instant, Unreadable> {
        let opened = &self.mapping.opened;
        opened.read(&self.mapping, row)?.ok_or_else(|| Unreadable::Empty(opened.column.clone()))
    }

    pub(crate) fn tell(&mut self, row: &Row) -> Result<History, Untellable> {
        let fingerprint = row.fingerprint();
        let identity = self.identity(row, fingerprint);
        let opened = self.opened(row)?;
        let mut acts = vec![(opened, Act::Submit(Box::new(self.submission(row)?)))];
        if let Some(started) = self.moment(self.mapping.started.as_ref(), row)? {
            acts.push((started, Act::Start));
        }
        if let Some(end) = self.end(row)? {
            acts.push(end);
        }
        if acts.is_sorted_by_key(|(at, _)| *at) {
            Ok(History { row: identity, fingerprint, acts })
        } else {
            Err(Untellable::BeforeOpening)
        }
    }

    /// The source's key, or the content and how many rows before it said exactly the same.
    fn identity(&mut self, row: &Row, fingerprint: [u8; 32]) -> String {
        let source = &self.mapping.source;
        let key = self.mapping.key.as_ref().map_or("", |column| row.cell(column));
        if !key.is_empty() {
            return format!("{source}/key/{key}");
        }
        let equals = self.seen.entry(fingerprint).or_default();
        let identity = format!("{source}/row/{}/{equals}", Uuid::new_v5(&Uuid::NAMESPACE_OID, &fingerprint).simple());
        *equals += 1;
        identity
    }

    fn submission(&self, row: &Row) -> Result<Submission, Unreadable> {
        let mapping = &self.mapping;
        let required = |word: &Word, known: &Vocabulary| {
            word.read(known, row)?.ok_or_else(|| Unreadable::Empty(word.columns.join(", ")))
        };
        let optional = |word: Option<&Word>, known: &Vocabulary| word.map_or(Ok(None), |word| word.read(known, row));

        // The application numbers it by its id, which follows from the row.
        let unnumbered = Number::of(RequestId(Uuid::nil()));
        let channel = required(&mapping.channel, &self.channel)?;
        let product = required(&mapping.product, &self.product)?;
        let mut submission = Submission::new(unnumbered, channel, product);
        submission.precision = optional(mapping.precision.as_ref(), &self.precision)?;
        submission.area = optional(mapping.area.as_ref(), &self.area)?;
        submission.unit = optional(mapping.unit.as_ref(), &self.unit)?;
        let place = mapping.place.as_ref().map_or(Ok(None), |place| place.read(row))?;
        submission.place = place.filter(|_| !self.private.contains(&submission.product));
        submission.source_due = self.due(row)?;
        submission.source = Some(Source {
            name: mapping.source.clone(),
            key: mapping.key.as_ref().map(|column| row.cell(column).to_owned()).filter(|key| !key.is_empty()),
            verdict: optional(mapping.verdict.as_ref(), &Vocabulary::default())?,
        });
        Ok(submission)
    }

    fn due(&self, row: &Row) -> Result<SourceDue, Unreadable> {
        let Some(due) = &self.mapping.due else { return Ok(SourceDue::Unsaid) };
        let at = self.mapping.instant(row, &due.column, &due.formats)?;
        let later = if due.inclusive { TimeDelta::microseconds(1) } else { TimeDelta::zero() };
        Ok(at.map_or(SourceDue::Nothing, |at| SourceDue::By(at + later)))
    }

    fn moment(&self, moment: Option<&mapping::Moment>, row: &Row) -> Result<Option<Instant>, Unreadable> {
        moment.map_or(Ok(None), |moment| moment.read(&self.mapping, row))
    }

    fn end(&self, row: &Row) -> Result<Option<(Instant, Act)>, Untellable> {
        let closed = self.moment(self.mapping.closed.as_ref(), row)?;
        let end = match &self.mapping.status {
            Some(status) => status.read(row)?,
            None if closed.is_some() => End::Resolved,
            None => End::Open,
        };
        let outcome = self.outcome(row)?;
        let act = match end {
            End::Open => return Ok(None),
            End::Resolved => Act::Resolve { outcome, text: None },
            End::Refused => Act::Refuse { reason: outcome.ok_or(Untellable::RefusedWithoutReason)?, text: None },
            End::Cancelled => Act::Cancel,
        };
        Ok(Some((closed.ok_or(Untellable::ClosedWithoutDate)?, act)))
    }

    fn outcome(&self, row: &Row) -> Result<Option<Code>, Unreadable> {
        self.mapping.outcome.as_ref().map_or(Ok(None), |word| word.read(&self.own, row))
    }
}

fn private_products(rules: &Rules) -> HashSet<Code> {
    let products = rules.versions().iter().flat_map(|version| &version.products);
    products.filter(|product| product.place == PlaceKind::Private).map(|product| product.code.clone()).collect()
}

impl Coordinates {
    /// Both or neither; a city writes nothing or zeros for a place that it does not know.
    fn read(&self, row: &Row) -> Result<Option<Location>, Unreadable> {
        let (lat, long) = (degrees(row, &self.latitude)?, degrees(row, &self.longitude)?);
        Ok(match (lat, long) {
            (Some(0), Some(0)) | (None, _) | (_, None) => None,
            (Some(lat), Some(long)) => Some(Location { point: Some(Point { lat, long }), ..Location::default() }),
        })
    }
}

/// In units of 1e-7 degree.
fn degrees(row: &Row, column: &str) -> Result<Option<i64>, Unreadable> {
    match row.cell(column) {
        "" => Ok(None),
        text => match text.parse::<f64>() {
            Ok(degrees) if degrees.abs() <= 180.0 => Ok(Some((degrees * 1e7).round() as i64)),
            _ => Err(Unreadable::NotANumber(column.to_owned())),
        },
    }
}
