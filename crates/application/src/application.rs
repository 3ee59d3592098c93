//! Every organisation this process serves, and who is calling.

use std::sync::Arc;

use vault::ApiKeys;

use crate::{Organisation, Role, StorageError};

/// Cheap to clone.
#[derive(Clone)]
pub struct Application(Arc<Inner>);

struct Inner {
    organisations: Vec<Organisation>,
    api_keys: ApiKeys,
}

/// Who presented a valid key: what they may do, and where.
#[derive(Clone)]
pub struct Caller {
    /// `key_<prefix>`: the actor of what they write.
    pub key: String,
    pub organisation: Organisation,
    pub role: Role,
}

impl Application {
    pub fn new(organisations: Vec<Organisation>, api_keys: ApiKeys) -> Self {
        Self(Arc::new(Inner { organisations, api_keys }))
    }

    pub fn organisations(&self) -> &[Organisation] {
        &self.0.organisations
    }

    pub fn by_slug(&self, slug: &str) -> Option<Organisation> {
        self.0.organisations.iter().find(|organisation| organisation.slug() == slug).cloned()
    }

    /// Open311's `jurisdiction_id`.
    pub fn by_jurisdiction(&self, jurisdiction: &str) -> Option<Organisation> {
        let is_it =
            |organisation: &&Organisation| organisation.rules().latest().organisation.jurisdiction == jurisdiction;
        self.0.organisations.iter().find(is_it).cloned()
    }

    /// `None` for anything that is not a valid key of an organisation served here.
    pub async fn authenticate(&self, presented: &str) -> Result<Option<Caller>, StorageError> {
        let Some(key) = self.0.api_keys.find(presented).await.map_err(StorageError::new)? else { return Ok(None) };
        let organisation = self.0.organisations.iter().find(|organisation| organisation.log_id() == key.log);
        let role = key.role.parse::<Role>().ok();
        Ok(organisation.zip(role).map(|(organisation, role)| Caller {
            key: format!("key_{}", key.prefix),
            organisation: organisation.clone(),
            role,
        }))
    }
}
