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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a thousand ids each bit that is free is set in about half, and which one comes next follows from none.
    #[test]
    fn nobody_guesses_the_next_id() {
        const IDS: usize = 1_000;
        let mut set = [0; 128];
        let mut ascents = 0;
        let mut before = 0;
        for _ in 0..IDS {
            let id = RandomIds.uuid().as_u128();
            set.iter_mut().enumerate().for_each(|(bit, count)| *count += ((id >> bit) & 1) as usize);
            ascents += usize::from(id > before);
            before = id;
        }
        // Six bits say that it is a UUID, and of which version.
        let fixed = set.iter().filter(|count| **count == 0 || **count == IDS).count();
        assert_eq!(fixed, 6, "bits that never change");
        assert!(set.iter().all(|count| *count == 0 || *count == IDS || (400..600).contains(count)), "{set:?}");
        assert!((400..600).contains(&ascents), "{ascents} of {IDS} came after the one before");
    }
}
