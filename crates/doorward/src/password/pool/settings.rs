//! How a pool is set up.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::password::parameters::HashParameters;
use crate::password::pepper::Peppers;

/// How a [`HashingPool`](super::HashingPool) is set up.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// What a new hash costs.
    pub parameters: HashParameters,
    /// How many hash at once; each owns the memory of one hash.
    pub workers: NonZeroUsize,
    /// How many may wait besides those being hashed.
    pub queue_limit: usize,
    /// How long anybody may have to wait.
    pub deadline: Duration,
    /// What is mixed into hashes besides the password. Nothing by default.
    pub peppers: Peppers,
}

impl PoolSettings {
    /// A worker a core, 1,024 places in the queue, ten seconds.
    pub fn new(parameters: HashParameters) -> Self {
        Self {
            parameters,
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            queue_limit: 1024,
            deadline: Duration::from_secs(10),
            peppers: Peppers::default(),
        }
    }

    /// As many workers as cores and as `budget_mib` of memory allow, and at least one.
    pub fn within_budget(parameters: HashParameters, budget_mib: u32) -> Self {
        let settings = Self::new(parameters);
        let affordable = u64::from(budget_mib) * 1024 / u64::from(parameters.memory_kib());
        let affordable =
            NonZeroUsize::new(usize::try_from(affordable).unwrap_or(usize::MAX)).unwrap_or(NonZeroUsize::MIN);
        Self { workers: settings.workers.min(affordable), ..settings }
    }
}
