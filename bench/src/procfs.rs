//! What Linux tells about processes and the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The kernel counts processor time in hundredths of a second on every architecture we run on.
const TICK: Duration = Duration::from_millis(10);

/// Processor time, user and system, that a process has used in all its threads; zero if it is gone.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse_cpu_time(&stat).unwrap_or_default()
}

/// Resident memory of a process now, in bytes; 0 if it is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The most resident memory a process ever had, in bytes; 0 if it is gone.
pub fn peak_resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

/// Processor time that the whole machine has spent on anything but idling.
pub fn machine_cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user nice system IDLE IOWAIT irq softirq steal
    let busy = ticks
        .iter()
        .enumerate()
        .filter(|(at, _)| !matches!(at, 3 | 4))
        .map(|(_, t)| t);
    TICK * u32::try_from(busy.sum::<u64>()).unwrap_or(u32::MAX)
}

/// How many processors this process may use.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What a reader of the figures must know of the machine, by name.
pub fn machine() -> BTreeMap<&'static str, String> {
    let read = |path: &str| {
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let info = read("/proc/cpuinfo");
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    let load = read("/proc/loadavg");
    let load_average = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    BTreeMap::from([
        ("processors", processors().to_string()),
        ("processor", model.to_owned()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("load_average", load_average),
    ])
}

/// The type of the file system that holds a folder, such as `ext4` or `tmpfs`.
pub fn file_system(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    mounts
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

fn parse_cpu_time(stat: &str) -> Option<Duration> {
    // The name before the last bracket may itself hold spaces and brackets.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * user.checked_add(system)?)
}

fn status_bytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|n| n.parse().ok());
    kib.unwrap_or(0_u64) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 3 0 100 1 1";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_cpu_time(""), None);
    }

    #[test]
    fn this_process_has_memory_and_a_machine() {
        // Other tests take memory between the two readings, and the kernel counts in batches.
        let resident = resident_bytes(std::process::id());
        assert!(resident > 0);
        assert!(2 * peak_resident_bytes(std::process::id()) > resident);
        assert!(machine_cpu_time() > Duration::ZERO);
        assert_eq!(resident_bytes(u32::MAX), 0);
        assert_ne!(file_system(Path::new("/")), "unknown");
    }
}
