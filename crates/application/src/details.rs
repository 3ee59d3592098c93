//! What a person has given, sealed as it stands in the log, for a door to open.

use domain::{
    codec::Event,
    ids::PersonId,
    person::Event as Person,
    personal::{Personal, Sealed},
};

use crate::{errors::StorageError, organisation::Organisation};

/// One detail. A person who came back with another number has two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// One of [`Detail::FIELDS`].
    pub field: &'static str,
    pub value: Sealed,
}

impl Detail {
    pub const FIELDS: [&'static str; 4] = ["first_name", "last_name", "email", "phone"];
}

impl Organisation {
    /// Everything a person has given, in the order given; `None` where nobody of that id was registered.
    pub async fn details(&self, person: PersonId) -> Result<Option<Vec<Detail>>, StorageError> {
        let mut details = None;
        for event in self.stream(&person.stream()).await? {
            let given = match event.body {
                Event::Person(
                    Person::Registered { first_name, last_name, email, phone, .. }
                    | Person::DetailsAdded { first_name, last_name, email, phone, .. },
                ) => [first_name, last_name, email, phone],
                _ => continue,
            };
            let given = Detail::FIELDS.into_iter().zip(given);
            let sealed = given.filter_map(|(field, value)| match value {
                Some(Personal::Sealed(value)) => Some(Detail { field, value }),
                Some(Personal::Plain(_)) | None => None,
            });
            details.get_or_insert_with(Vec::new).extend(sealed);
        }
        Ok(details)
    }
}
