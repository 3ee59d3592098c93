//! Someone who follows the log, keeps its place, and goes on from there after its process died.

use std::sync::Arc;
use std::time::Duration;

use event_store::{Delivery, Desk, Filter};
use tokio::time::{sleep, timeout};

use crate::network::Session;
use crate::world::World;

/// What a follower keeps outside its process: the place, together with what it was handed.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) filter: Filter,
    pub(crate) place: i64,
    /// Position and hash of each event, in order of delivery.
    pub(crate) seen: Vec<(i64, [u8; 32])>,
    /// It was told so, and nothing was asked of it since.
    pub(crate) live: bool,
}

/// Until its process dies.
pub(crate) async fn follow(world: Arc<World>, desk: Arc<Desk<Session>>, who: usize) {
    loop {
        let (after, filter) = world.with(|state| {
            let kept = &mut state.followers[who];
            kept.live = false;
            (kept.place, kept.filter.clone())
        });
        let mut subscription = desk.subscribe(after, filter);
        // Now and then it starts anew from where it stands, though nothing happened.
        let deliveries = world.with(|state| state.random.between(1, 40));
        let mut taken = 0;
        while taken < deliveries {
            let (nap, patience) = world.with(|state| {
                let nap = if state.random.chance(100) { state.random.millis(20, 400) } else { Duration::ZERO };
                (nap, state.random.millis(5, 2000))
            });
            sleep(nap).await;
            // Giving up waiting and asking again must lose nothing.
            let Ok(next) = timeout(patience, subscription.next()).await else { continue };
            match next {
                Ok(delivery) => {
                    taken += u64::from(!world.with(|state| state.is_healed()));
                    world.with(|state| state.deliver(who, &delivery, subscription.position()));
                }
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// What is wrong with a delivery, given what was delivered before.
pub(crate) fn fault_of(kept: &Kept, delivery: &Delivery, place: i64, head: i64) -> Option<String> {
    match delivery {
        Delivery::Event(record) if record.position != place => {
            Some(format!("was handed event {} while it stands at {place}", record.position))
        }
        Delivery::Event(record) if !kept.filter.matches(record) => Some(format!("did not want {}", record.position)),
        Delivery::CaughtUp { position } | Delivery::Passed { position } if *position != place || place > head => {
            Some(format!("was told {delivery:?} at {place} of {head}"))
        }
        _ if place < kept.place => Some(format!("went back from {} to {place}", kept.place)),
        _ => None,
    }
}
