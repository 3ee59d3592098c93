//! A service declaration: what an organisation has published, as code reads it.
//!
//! These types are the `rules` of `declaration.published` in the log, and the shape of the TOML files
//! under `declarations/` (`guichet::declarations` parses those and names file, line and field of a mistake).

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    calendar::Calendar,
    promise::Standard,
    words::{Code, Label},
};

mod check;

pub use check::{Mistake, Path, Step};

/// One version of one organisation's commitments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub organisation: Organisation,
    /// Unique within the organisation: `2024-1`.
    pub version: Code,
    /// First local day on which a promise is made by this version.
    pub effective_from: NaiveDate,
    /// First local day on which it no longer is; absent while it is the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<NaiveDate>,
    /// The published text it came from: title, date, where to find it.
    pub source: String,
    pub calendar: Calendar,
    pub channels: Vec<Channel>,
    #[serde(default)]
    pub units: Vec<Unit>,
    #[serde(default)]
    pub areas: Vec<Area>,
    #[serde(default)]
    pub standards: Vec<Standard>,
    pub products: Vec<Product>,
    /// Reasons for which a request may be refused, in the organisation's words.
    #[serde(default)]
    pub refusal_reasons: Vec<Reason>,
    /// Programmes in which requests are planned without follow-up (S2-24..26).
    #[serde(default)]
    pub programmes: Vec<Reason>,
    /// Outcomes of the question trees that send a citizen to 9-1-1 (S2-38..43).
    #[serde(default)]
    pub emergencies: Vec<Emergency>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Names the log, its files and schemas: `[a-z0-9_]`, at most 40 characters.
    pub slug: Code,
    /// Open311 `jurisdiction_id`: the main web root without www.
    pub jurisdiction: String,
    pub name: Label,
    /// How to reach it, as shown in Open311 discovery.
    pub contact: Label,
}

/// A way to reach the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    pub code: Code,
    pub label: Label,
    /// The published address: a number, an e-mail, a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The channel that requests posted through Open311 take.
    #[serde(default)]
    pub open311: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    pub code: Code,
    pub label: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    pub code: Code,
    pub label: Label,
}

/// A code with its words: a refusal reason, a programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    pub code: Code,
    pub label: Label,
}

/// Why a citizen is sent to 9-1-1, and the words to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    pub code: Code,
    pub message: Label,
}

/// What a request is about: an Open311 service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub code: Code,
    pub label: Label,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Label>,
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Whether its place says where a person lives; a private one is sealed.
    #[serde(default)]
    pub place: PlaceKind,
    #[serde(default)]
    pub precisions: Vec<Reason>,
    #[serde(default)]
    pub questions: Vec<Question>,
    /// Codes of the standards promised to whoever asks for it.
    #[serde(default)]
    pub standards: Vec<Code>,
    /// The unit that receives it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Code>,
    #[serde(default)]
    pub priority: Priority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    #[default]
    Public,
    Private,
}

/// S2-06: a rapid intervention goes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

/// One question of a product's conditional tree (S2-22). Asked when `when` holds, in file order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub code: Code,
    pub text: Label,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Label>,
    pub kind: QuestionKind,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Asked only when an earlier question was answered with one of these choices; absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// Words to show, nothing to answer (`variable = false` in GeoReport).
    Notice,
    /// One line; sealed.
    String,
    /// Several lines; sealed.
    Text,
    Number,
    Datetime,
    SingleValueList,
    MultiValueList,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub key: Code,
    pub label: Label,
    /// This answer is an emergency of that code: no request is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Code>,
    /// This answer decides the precision of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Code>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub question: Code,
    pub any_of: Vec<Code>,
}

impl Declaration {
    pub fn product(&self, code: &Code) -> Option<&Product> {
        self.products.iter().find(|product| product.code == *code)
    }

    pub fn standard(&self, code: &Code) -> Option<&Standard> {
        self.standards.iter().find(|standard| standard.code == *code)
    }

    /// The standards owed to whoever asks for a product through a channel: those that the product names, and those
    /// that name the channel, whatever the product.
    pub fn owed(&self, product: &Code, channel: &Code) -> Vec<Code> {
        let named = self.product(product).map(|product| product.standards.as_slice()).unwrap_or_default();
        let owed_here = |standard: &&Standard| {
            if standard.channels.is_empty() {
                named.contains(&standard.code)
            } else {
                standard.channels.contains(channel)
            }
        };
        self.standards.iter().filter(owed_here).map(|standard| standard.code.clone()).collect()
    }

    pub fn channel(&self, code: &Code) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.code == *code)
    }
}
