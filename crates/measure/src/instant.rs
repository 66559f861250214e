//! Instants at which sources are asked.

/// The latest instant, not after `now_ms`, at which every check of this interval asks.
///
/// Checks don't count from their own beginning but on a common grid. So Rollouts that ask the same
/// question at the same interval ask it about the same instant and share the answer, and the checks
/// of one step speak of one instant.
pub fn aligned(now_ms: u64, interval_ms: u64) -> u64 {
    now_ms - now_ms % interval_ms.max(1)
}

/// The first instant after `now_ms` at which every check of this interval asks.
pub fn next_aligned(now_ms: u64, interval_ms: u64) -> u64 {
    aligned(now_ms, interval_ms).saturating_add(interval_ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_lie_on_a_common_grid() {
        for (now, interval, at, next) in [
            (0, 15, 0, 15),
            (14, 15, 0, 15),
            (15, 15, 15, 30),
            (16, 15, 15, 30),
            (61, 60, 60, 120),
            (7, 0, 7, 8),
            (u64::MAX, 10, u64::MAX - 5, u64::MAX),
        ] {
            assert_eq!((aligned(now, interval), next_aligned(now, interval)), (at, next), "{now} {interval}");
        }
    }
}
