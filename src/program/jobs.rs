//! Independent work side by side.

use std::sync::{Mutex, PoisonError};

/// A piece of work and what it gives.
pub type Job<'a, T> = Box<dyn FnOnce() -> T + Send + 'a>;

/// Runs all jobs, at most `threads` at once; what they give is in their order.
/// `None` where a job panicked.
pub fn run<T: Send>(jobs: Vec<Job<'_, T>>, threads: usize) -> Option<Vec<T>> {
    if threads <= 1 || jobs.len() <= 1 {
        return Some(jobs.into_iter().map(|job| job()).collect());
    }
    let workers = threads.min(jobs.len());
    // Taken from the end: the last job is the largest as a rule.
    let queue: Mutex<Vec<(usize, Job<'_, T>)>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || {
        let mut made = Vec::new();
        while let Some((i, job)) = take() {
            made.push((i, job()));
        }
        made
    };
    let mut made = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        for other in others {
            made.extend(other.join().ok()?);
        }
        Some(made)
    })?;
    made.sort_by_key(|(i, _)| *i);
    Some(made.into_iter().map(|(_, given)| given).collect())
}
