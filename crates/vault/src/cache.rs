//! A bounded cache whose entries grow too old: two generations, so that what is used stays and nothing is ever counted.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) struct Cache<K, V> {
    generations: Mutex<Generations<K, V>>,
    generation_size: usize,
    max_age: Duration,
}

struct Generations<K, V> {
    young: HashMap<K, (V, Instant)>,
    old: HashMap<K, (V, Instant)>,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Holds at most `capacity` entries, none of them older than `max_age`.
    pub(crate) fn new(capacity: usize, max_age: Duration) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), generation_size: (capacity / 2).max(1), max_age }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let mut generations = self.lock();
        if let Some((value, since)) = generations.young.get(key) {
            return (since.elapsed() < self.max_age).then(|| value.clone());
        }
        let (key, (value, since)) = generations.old.remove_entry(key)?;
        if since.elapsed() >= self.max_age {
            return None;
        }
        self.keep(&mut generations, key, (value.clone(), since));
        Some(value)
    }

    pub(crate) fn put(&self, key: K, value: V) {
        let mut generations = self.lock();
        generations.old.remove(&key);
        self.keep(&mut generations, key, (value, Instant::now()));
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let mut generations = self.lock();
        generations.young.remove(key);
        generations.old.remove(key);
    }

    fn keep(&self, generations: &mut Generations<K, V>, key: K, entry: (V, Instant)) {
        if generations.young.len() >= self.generation_size {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, entry);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<K, V>> {
        // A cache is whole after every line above: a panic elsewhere leaves nothing half done in it.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_leaves() {
        let cache = Cache::new(20, Duration::from_hours(1));
        for key in 0..1000 {
            cache.put(key, key);
            assert_eq!(cache.get(&0), Some(0));
        }
        assert_eq!((cache.get(&500), cache.get(&999)), (None, Some(999)));
        let generations = cache.lock();
        assert!(generations.young.len() + generations.old.len() <= 20);
    }

    #[test]
    fn an_entry_grows_too_old_and_can_be_removed() {
        let cache = Cache::new(20, Duration::ZERO);
        cache.put(1, 1);
        assert_eq!(cache.get(&1), None);
        let cache = Cache::new(20, Duration::from_hours(1));
        cache.put(1, 1);
        cache.remove(&1);
        assert_eq!(cache.get(&1), None);
    }
}
