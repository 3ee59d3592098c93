//! Sealed values on their way to a caller who may read them: gathered, opened in one go and recorded, then put back.

use application::{Caller, Organisation};
use domain::{
    personal::{Personal, Sealed},
    words::Code,
};
use serde_json::Value;

use crate::{fields::Fields, problem::Problem};

/// What is to be opened, in the order it was added.
#[derive(Default)]
pub(super) struct Closed(Vec<Sealed>);

/// The place of one value among those opened.
#[derive(Clone, Copy)]
pub(super) struct Slot(Option<usize>);

impl Slot {
    /// Of what was never sealed.
    pub(super) const EMPTY: Self = Self(None);
}

/// What was opened; `null` where the key is gone, or there was nothing.
pub(super) struct Opened(Vec<Option<Value>>);

impl Closed {
    pub(super) fn add<T>(&mut self, value: Option<&Personal<T>>) -> Slot {
        // Nothing but what is sealed ever comes out of the log.
        let Some(Personal::Sealed(sealed)) = value else { return Slot::EMPTY };
        self.sealed(sealed.clone())
    }

    pub(super) fn sealed(&mut self, sealed: Sealed) -> Slot {
        self.0.push(sealed);
        Slot(Some(self.0.len() - 1))
    }

    /// Opens all of it; that it was done is on disk before this returns.
    pub(super) async fn open(self, caller: &Caller, door: &'static str, purpose: Code) -> Result<Opened, Problem> {
        let organisation: &Organisation = &caller.organisation;
        let door = door.parse().expect("doors are named by codes");
        Ok(Opened(organisation.open(&caller.key, door, purpose, self.0).await?))
    }
}

impl Opened {
    pub(super) fn get(&self, slot: Slot) -> Value {
        slot.0.and_then(|index| self.0.get(index)?.clone()).unwrap_or(Value::Null)
    }
}

/// What for, as the caller states it, or what the door is for.
pub(super) fn purpose(fields: &mut Fields, implied: &'static str) -> Code {
    fields.maybe_code("purpose").unwrap_or_else(|| implied.parse().expect("purposes are codes"))
}
