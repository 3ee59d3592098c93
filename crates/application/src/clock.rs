//! The two things that no program decides: what time it is, and which id nobody has.

use chrono::Utc;
use domain::time::{Instant, whole_microseconds};
use uuid::Uuid;

/// Tells the time. Tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// In whole microseconds, which is what both databases keep.
    fn now(&self) -> Instant;
}

/// Gives ids that nobody has. Tests bring their own.
pub trait Ids: Send + Sync + 'static {
    fn uuid(&self) -> Uuid;
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    fn now(&self) -> Instant {
        whole_microseconds(Utc::now())
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}
