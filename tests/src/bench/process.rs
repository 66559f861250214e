//! What processes use, from `/proc`.

use std::collections::BTreeMap;

/// The kernel reports CPU time to programs in hundredths of a second on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory of a process in MiB: now, and the most there ever was.
pub(super) fn memory(pid: u32) -> Option<(f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some((mebibytes(&text, "VmRSS:")?, mebibytes(&text, "VmHWM:")?))
}

/// Lets the most there ever was begin anew, so that it can be said of each phase.
pub(super) fn forget_most(pid: u32) -> std::io::Result<()> {
    // 5 is the kernel's word for that; see proc(5).
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

fn mebibytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(super::statistics::rounded(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0))
}

/// Seconds of CPU that a process has used so far, all threads together.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    ticks(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?).map(|ticks| ticks / TICKS_PER_SECOND)
}

fn ticks(stat: &str) -> Option<f64> {
    // The program's name stands in brackets and may hold anything; user and system time are the 12th and 13th behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

/// CPU seconds by process, to be subtracted from later ones.
pub(super) fn all_cpu_seconds(processes: &[(String, u32)]) -> BTreeMap<String, f64> {
    processes.iter().filter_map(|(name, pid)| Some((name.clone(), cpu_seconds(*pid)?))).collect()
}

/// Seconds that all cores of the machine together were busy since its start.
pub(super) fn machine_seconds() -> Option<f64> {
    busy(&std::fs::read_to_string("/proc/stat").ok()?).map(|ticks| ticks / TICKS_PER_SECOND)
}

fn busy(stat: &str) -> Option<f64> {
    let fields: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // The fourth and fifth are idle time; those behind the eighth are in the first two already.
    let busy = fields.iter().enumerate().filter(|(index, _)| !matches!(index, 3 | 4 | 8..));
    (fields.len() >= 8).then(|| busy.map(|(_, ticks)| ticks).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 4 0 100 1000 200";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(ticks("42 (a) S 1"), None);
        let status = "Name:\tteal\nVmHWM:\t   20480 kB\nVmRSS:\t   10752 kB\n";
        assert_eq!(mebibytes(status, "VmHWM:"), Some(20.0));
        assert_eq!(mebibytes(status, "VmRSS:"), Some(10.5));
        assert_eq!(mebibytes(status, "VmSwap:"), None);
        assert_eq!(busy("cpu  1 2 4 800 1600 8 16 32 64 128\ncpu0 1 1 1 1 1 1 1 1 1 1\n"), Some(63.0));
        assert_eq!(busy("cpu  1 2"), None);
    }

    #[test]
    fn this_process_has_figures() {
        let (now, most) = memory(std::process::id()).unwrap();
        assert!(now > 0.0 && most >= now);
        assert!(cpu_seconds(std::process::id()).is_some());
        assert!(memory(u32::MAX).is_none());
    }

    #[test]
    fn the_most_memory_is_that_since_it_was_forgotten() {
        let own = std::process::id();
        // Above what the allocator keeps: it is given back when dropped.
        let block = vec![1_u8; 64 << 20];
        let (_, with) = memory(own).unwrap();
        drop(std::hint::black_box(block));
        forget_most(own).unwrap();
        let (_, without) = memory(own).unwrap();
        assert!(without < with - 32.0, "{without} MiB after {with} MiB");
    }
}
