//! The rules in force: every version of an organisation's declarations, immutable, built from the log.

use std::sync::Arc;

use crate::{
    calendar::Calendar,
    declaration::Declaration,
    time::{Instant, Local},
    words::Code,
};

/// Carried by every command. Versions in order of `effective_from`; never empty.
#[derive(Debug, Clone)]
pub struct Rules {
    versions: Vec<Arc<Declaration>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an organisation has at least one declaration")]
pub struct NoDeclaration;

impl Rules {
    pub fn new(mut versions: Vec<Arc<Declaration>>) -> Result<Self, NoDeclaration> {
        if versions.is_empty() {
            return Err(NoDeclaration);
        }
        versions.sort_by(|a, b| (a.effective_from, &a.version).cmp(&(b.effective_from, &b.version)));
        Ok(Self { versions })
    }

    /// The version in force at an instant: the last whose first day has come; before the first, the first.
    pub fn in_force(&self, at: Instant) -> &Declaration {
        let day = self.local(at).date_naive();
        self.versions
            .iter()
            .rev()
            .find(|version| version.effective_from <= day)
            .map_or(self.versions[0].as_ref(), Arc::as_ref)
    }

    /// A version by its name; the one in force last if it is unknown, which a log never holds.
    pub fn version(&self, version: &Code) -> &Declaration {
        self.versions.iter().find(|known| known.version == *version).map_or_else(|| self.latest(), Arc::as_ref)
    }

    pub fn latest(&self) -> &Declaration {
        &self.versions[self.versions.len() - 1]
    }

    pub fn versions(&self) -> &[Arc<Declaration>] {
        &self.versions
    }

    /// The calendar whose zone the organisation lives by.
    pub fn calendar(&self) -> &Calendar {
        &self.latest().calendar
    }

    /// An instant with the organisation's offset at that moment.
    pub fn local(&self, at: Instant) -> Local {
        self.calendar().local(at)
    }
}

#[cfg(test)]
mod examples {
    use super::*;
    use crate::{
        calendar::Holidays,
        promise::fixtures::{at, calendar, code, declaration},
    };

    fn version(name: &str, from: &str) -> Arc<Declaration> {
        let mut declaration = declaration(calendar(Holidays::Quebec), vec![]);
        declaration.version = code(name);
        declaration.effective_from = from.parse().expect("a day");
        Arc::new(declaration)
    }

    #[test]
    fn a_version_is_in_force_from_its_first_local_day() {
        let rules = Rules::new(vec![version("second", "2026-01-01"), version("first", "2024-01-01")]).expect("two");
        let in_force = |local: &str| rules.in_force(at(local)).version.to_string();
        assert_eq!(in_force("2025-12-31 23:59:59"), "first");
        assert_eq!(in_force("2026-01-01 00:00"), "second");
        assert_eq!(in_force("2020-01-01 00:00"), "first", "before the first, the first");
        assert_eq!(rules.version(&code("first")).version.as_str(), "first");
    }

    #[test]
    fn an_organisation_has_at_least_one_declaration() {
        assert_eq!(Rules::new(vec![]).expect_err("none"), NoDeclaration);
    }
}
