//! A throttle: it allows an action at most once per period.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Returns true at most once per period.
///
/// ```
/// use std::time::Duration;
/// use funes_core::throttle::Throttle;
///
/// let throttle = Throttle::every(Duration::from_secs(3600));
/// assert!(throttle.is_due());
/// assert!(!throttle.is_due());
/// ```
#[derive(Debug)]
pub struct Throttle {
    period: Duration,
    /// The earliest time of the next action, in nanoseconds since [`START`].
    next: AtomicU64,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Throttle {
    /// Makes a throttle that allows the first action immediately, and then one per period.
    pub const fn every(period: Duration) -> Self {
        Self { period, next: AtomicU64::new(0) }
    }

    /// Returns true if the period is over, and begins the next period. Several threads that call
    /// this at the same moment may all get true.
    pub fn is_due(&self) -> bool {
        let now = START.elapsed();
        let is_due = now.as_nanos() as u64 >= self.next.load(Ordering::Relaxed);
        if is_due {
            self.next.store((now + self.period).as_nanos() as u64, Ordering::Relaxed);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_allows_one_action_immediately_and_one_per_period() {
        let period = Duration::from_millis(20);
        let throttle = Throttle::every(period);
        let start = Instant::now();
        let mut times = 0;
        while start.elapsed() < period * 3 {
            times += u128::from(throttle.is_due());
        }
        // The system may resume this thread late.
        assert!((1..=1 + start.elapsed().as_nanos() / period.as_nanos()).contains(&times), "{times}");
        std::thread::sleep(period);
        assert!(throttle.is_due());
    }
}
