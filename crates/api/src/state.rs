//! What the handlers hold: the application, the read models of each organisation, what the program tells of itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use application::{Application, Organisation};
use axum::{
    extract::FromRef,
    http::{HeaderMap, header::HOST},
};
use projections::ReadModels;

use crate::problem::{Fact, Problem};

/// Given to [`router`](crate::router()) once; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub application: Application,
    /// By the slug of the organisation.
    pub read: Arc<BTreeMap<String, ReadModels>>,
    pub told: Told,
    /// How the outside reaches us: `https://311.example.org`. Absent: what the caller wrote in `Host`.
    pub public_url: Option<String>,
}

/// What a process tells whoever operates it; cheap to clone.
#[derive(Clone)]
pub struct Told {
    /// What is worth knowing of a process that can serve, or why it cannot.
    pub ready: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
    /// Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl FromRef<ApiState> for Told {
    fn from_ref(state: &ApiState) -> Self {
        state.told.clone()
    }
}

/// How long a list waits for the caller's own write before it answers with what it has.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

impl ApiState {
    pub(crate) fn read(&self, organisation: &Organisation) -> Result<&ReadModels, Problem> {
        self.read.get(organisation.slug()).ok_or_else(|| {
            tracing::error!(organisation = organisation.slug(), "an organisation has no read models");
            Fact::ServerFailed.into()
        })
    }

    /// Without a trailing slash. A `Host` with anything but a name and a port in it is not repeated.
    pub(crate) fn base_url(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        format!("http://{}", if plain { host } else { "127.0.0.1:8311" })
    }
}
