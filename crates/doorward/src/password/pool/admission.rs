//! Who may wait: as many as there are places for, none longer than the deadline, and no client in place of others.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::queue::path_of;
use super::{Job, Queue, Shared, send};
use crate::network::Network;
use crate::password::HashingError;

/// Why a password has to go.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    /// There is no place left.
    Full,
    /// It would wait past the deadline.
    Late,
}

/// Where a password may wait.
enum Place {
    Free,
    /// That of another client, who has more.
    Another,
}

impl Shared {
    /// Takes a place in the queue, perhaps another client's.
    pub(super) fn admit(&self, client: Option<IpAddr>, job: Job) -> Result<(), HashingError> {
        let client = &path_of(client);
        let mut queue = self.queue();
        let displaced = match self.place(&mut queue, client)? {
            Place::Free => None,
            Place::Another => queue.jobs.displace_for(client),
        };
        let displaced = displaced.map(|job| (job, self.overloaded(&queue, client, &self.counters.displaced)));
        queue.jobs.push(client, job);
        drop(queue);
        self.arrived.notify_one();
        if let Some((displaced, refusal)) = displaced {
            send((displaced.run)(Err(refusal)));
        }
        Ok(())
    }

    /// Refuses as [`admit`](Self::admit) would, and takes nothing.
    pub(super) fn look_for_place(&self, client: Option<IpAddr>) -> Result<(), HashingError> {
        self.place(&mut self.queue(), &path_of(client)).map(drop)
    }

    fn place(&self, queue: &mut Queue, client: &[Network]) -> Result<Place, HashingError> {
        if self.obstacle(queue, client).is_some() {
            self.drop_abandoned(queue);
        }
        match self.obstacle(queue, client) {
            None => Ok(Place::Free),
            Some(Obstacle::Late) => Err(self.overloaded(queue, client, &self.counters.late)),
            Some(Obstacle::Full) if queue.jobs.displaceable_for(client).is_some() => Ok(Place::Another),
            Some(Obstacle::Full) => Err(self.overloaded(queue, client, &self.counters.full)),
        }
    }

    /// What keeps one more password of that client out.
    fn obstacle(&self, queue: &Queue, client: &[Network]) -> Option<Obstacle> {
        let places = self.settings.workers.get().saturating_add(self.settings.queue_limit);
        if self.expected_wait(queue, client) > self.settings.deadline {
            return Some(Obstacle::Late);
        }
        (queue.jobs.len() + queue.running >= places).then_some(Obstacle::Full)
    }

    /// How long one more of that client would wait: not at all while a thread is free.
    fn expected_wait(&self, queue: &Queue, client: &[Network]) -> Duration {
        let workers = self.settings.workers.get();
        let Some(ahead) = (queue.jobs.ahead_of(client) + queue.running + 1).checked_sub(workers) else {
            return Duration::ZERO;
        };
        let average = self.average.load(Ordering::Relaxed);
        Duration::from_micros(average.saturating_mul(ahead as u64) / workers as u64)
    }

    /// Those who went away would keep out those who are still here.
    fn drop_abandoned(&self, queue: &mut Queue) {
        let dropped = queue.jobs.retain(&|job: &Job| !(job.is_abandoned)());
        self.counters.abandoned.fetch_add(dropped as u64, Ordering::Relaxed);
    }

    fn overloaded(&self, queue: &Queue, client: &[Network], cause: &AtomicU64) -> HashingError {
        self.refuse(self.expected_wait(queue, client), cause)
    }

    /// Counts a refusal, and says when it is worth trying again.
    pub(super) fn refuse(&self, wait: Duration, cause: &AtomicU64) -> HashingError {
        cause.fetch_add(1, Ordering::Relaxed);
        let retry_after = wait.clamp(Duration::from_secs(1), Duration::from_secs(60));
        HashingError::Overloaded { retry_after }
    }
}
