//! Doing something not more often than every so often, however often it is asked for.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When it is time again.
///
/// ```
/// use std::time::Duration;
/// use funes_core::pace::Throttle;
///
/// let pace = Throttle::every(Duration::from_secs(3600));
/// assert!(pace.is_due());
/// assert!(!pace.is_due());
/// ```
#[derive(Debug)]
pub struct Throttle {
    period: Duration,
    /// In nanoseconds since [`START`].
    next: AtomicU64,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Throttle {
    /// It is time at once, and then once in a period.
    pub const fn every(period: Duration) -> Self {
        Self { period, next: AtomicU64::new(0) }
    }

    /// Whether it is time again. Who is told so is the only one; of several threads at the same moment, all may be.
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
    fn it_is_time_at_once_and_once_in_a_period() {
        let period = Duration::from_millis(20);
        let pace = Throttle::every(period);
        let start = Instant::now();
        let mut times = 0;
        while start.elapsed() < period * 3 {
            times += u128::from(pace.is_due());
        }
        // However late the system lets this go on.
        assert!((1..=1 + start.elapsed().as_nanos() / period.as_nanos()).contains(&times), "{times}");
        std::thread::sleep(period);
        assert!(pace.is_due());
    }
}
