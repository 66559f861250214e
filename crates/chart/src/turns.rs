//! Who may run Helm, or hold what it gave, next: each takes memory, so there are so many turns and no more. They are given by namespace, so
//! that one team's dead server or endless templates hold up nobody else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Sender, channel};

/// Turns of one kind.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    free: usize,
    /// What one namespace may have at one time: where there are several turns, one is always left to others.
    most: usize,
    running: BTreeMap<String, usize>,
    waiting: VecDeque<(String, Sender<Turn>)>,
}

/// A turn, until it is dropped. It goes along with the work, also where nobody waits for that any more.
#[derive(Debug)]
pub struct Turn {
    of: Option<(Arc<Mutex<Queue>>, String)>,
}

impl Turns {
    pub(crate) fn new(count: usize) -> Self {
        let count = count.max(1);
        let most = (count - 1).max(1);
        let (running, waiting) = (BTreeMap::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(Queue { free: count, most, running, waiting })))
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self, namespace: &str) -> Turn {
        let (give, given) = channel();
        lock(&self.0).waiting.push_back((namespace.to_owned(), give));
        serve(&self.0);
        // Nobody drops what waits without having given it a turn.
        given.await.unwrap_or(Turn { of: None })
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives what is free: to whoever has the fewest turns, and among those to whoever came first.
fn serve(queue: &Arc<Mutex<Queue>>) {
    let mut locked = lock(queue);
    while let Some((namespace, give)) = locked.next() {
        *locked.running.entry(namespace.clone()).or_default() += 1;
        locked.free -= 1;
        if let Err(mut unwanted) = give.send(Turn { of: Some((Arc::clone(queue), namespace.clone())) }) {
            // Not by its drop, which would lock again.
            unwanted.of = None;
            locked.end(&namespace);
        }
    }
}

impl Queue {
    fn next(&mut self) -> Option<(String, Sender<Turn>)> {
        self.waiting.retain(|(_, give)| !give.is_closed());
        if self.free == 0 {
            return None;
        }
        let has = |namespace: &String| self.running.get(namespace).copied().unwrap_or(0);
        let waiting = self.waiting.iter().enumerate().map(|(place, (namespace, _))| (has(namespace), place));
        let (_, place) = waiting.filter(|(has, _)| *has < self.most).min()?;
        self.waiting.remove(place)
    }

    fn end(&mut self, namespace: &str) {
        self.free += 1;
        if let Some(count) = self.running.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(namespace);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((queue, namespace)) = self.of.take() {
            lock(&queue).end(&namespace);
            serve(&queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether there is one at once.
    async fn try_turn(turns: &Turns, namespace: &str) -> Option<Turn> {
        tokio::time::timeout(Duration::from_millis(20), turns.turn(namespace)).await.ok()
    }

    #[tokio::test]
    async fn one_namespace_never_has_all_turns_where_there_are_several() {
        let turns = Turns::new(3);
        let held = [try_turn(&turns, "a").await, try_turn(&turns, "a").await];
        assert!(held.iter().all(Option::is_some));
        assert!(try_turn(&turns, "a").await.is_none());
        let other = try_turn(&turns, "b").await;
        assert!(other.is_some());
        assert!(try_turn(&turns, "c").await.is_none(), "there are three");
        drop(held);
        assert!(try_turn(&turns, "a").await.is_some(), "what nobody waits for any more takes none");
    }

    #[tokio::test]
    async fn the_next_turn_is_that_of_who_has_fewest_and_then_of_who_came_first() {
        let turns = Arc::new(Turns::new(2));
        let (a, b) = (turns.turn("a").await, turns.turn("b").await);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (namespace, name) in [("a", "a2"), ("a", "a3"), ("c", "c1")] {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let turn = turns.turn(namespace).await;
                order.lock().unwrap().push(name);
                tokio::task::yield_now().await;
                drop(turn);
            }));
            tokio::task::yield_now().await;
        }
        drop(b);
        while !tasks[2].is_finished() {
            tokio::task::yield_now().await;
        }
        drop(a);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["c1", "a2", "a3"]);
    }

    #[tokio::test]
    async fn a_turn_that_goes_along_with_work_is_there_until_the_work_ends() {
        let turns = Turns::new(1);
        let turn = turns.turn("a").await;
        let (end, ended) = channel::<()>();
        let work = tokio::spawn(async move {
            drop(ended.await);
            drop(turn);
        });
        assert!(try_turn(&turns, "b").await.is_none());
        end.send(()).unwrap();
        work.await.unwrap();
        assert!(try_turn(&turns, "b").await.is_some());
    }
}
