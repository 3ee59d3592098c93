//! Opening what is sealed. Who opened what, through which door and to what end is on disk before the answer is.

use std::collections::{BTreeMap, BTreeSet};

use domain::{access, personal::Sealed, words::Code};
use event_store::Expected;
use serde_json::Value;

use crate::{
    errors::{OpenError, WriteError},
    organisation::Organisation,
    sealing,
    writing::Draft,
};

impl Organisation {
    /// The values that were sealed, in the order asked; `None` where the key was destroyed. One append for the whole
    /// page, with one `access.opened` for each subject. What did not open is not said to have been.
    pub async fn open(
        &self,
        actor: &str,
        door: Code,
        purpose: Code,
        sealed: Vec<Sealed>,
    ) -> Result<Vec<Option<Value>>, OpenError> {
        let mut opened = Vec::with_capacity(sealed.len());
        let mut fields = BTreeMap::<String, BTreeSet<String>>::new();
        for one in &sealed {
            let Some(key) = self.0.vault.key(one.key).await.map_err(WriteError::from)? else {
                opened.push(None);
                continue;
            };
            let value = sealing::open(one, &key).map_err(|_| OpenError::Altered)?;
            let field = format!("{}{}", one.stream, one.path);
            fields.entry(key.subject().to_owned()).or_default().insert(field);
            opened.push(Some(value));
        }
        if !fields.is_empty() {
            self.record_access(actor, &door, &purpose, fields).await?;
        }
        Ok(opened)
    }

    async fn record_access(
        &self,
        actor: &str,
        door: &Code,
        purpose: &Code,
        fields: BTreeMap<String, BTreeSet<String>>,
    ) -> Result<(), OpenError> {
        let at = self.rules().local(self.now());
        let mut draft = Draft::new(actor, None);
        for (subject, fields) in fields {
            let stream = format!("access-{subject}");
            let event = access::Event::Opened {
                at,
                subject,
                fields: fields.into_iter().collect(),
                door: door.clone(),
                purpose: purpose.clone(),
                actor: actor.to_owned(),
            };
            draft.write(stream, Expected::Any, self.with_ids([event]));
        }
        self.append(draft, None).await.map(drop).map_err(OpenError::from)
    }
}
