//! How long a call takes on a machine that others use too.

use std::time::Instant;

/// Microseconds per call.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Median processor time, never below the best wall time.
    pub us: f64,
    pub best_wall: f64,
    pub med_wall: f64,
    pub calls: u64,
}

/// Seconds to spend on one workload.
const BUDGET: f64 = 0.6;
/// Seconds that one sample of many calls should last.
const SAMPLE: f64 = 100e-6;

/// Times a call: as many per sample as make the clock's own cost vanish, as
/// many samples as the budget allows.
pub fn measure<E>(mut call: impl FnMut() -> Result<(), E>) -> Result<Timing, E> {
    let start = Instant::now();
    let mut once = f64::INFINITY;
    for i in 0..5 {
        if i > 0 && start.elapsed().as_secs_f64() > BUDGET {
            break;
        }
        let begun = processor_seconds();
        call()?;
        once = once.min(processor_seconds() - begun);
    }
    let repeat = ((SAMPLE / once.max(2e-9)) as u64).max(1);
    let (mut wall, mut processor) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while (wall.len() < 7 || start.elapsed().as_secs_f64() < BUDGET) && wall.len() < 20_000 {
        if wall.len() >= 3 && start.elapsed().as_secs_f64() > 10.0 * BUDGET {
            break;
        }
        let (begun, used) = (Instant::now(), processor_seconds());
        for _ in 0..repeat {
            call()?;
        }
        processor.push((processor_seconds() - used) / repeat as f64);
        wall.push(begun.elapsed().as_secs_f64() / repeat as f64);
    }
    wall.sort_by(f64::total_cmp);
    processor.sort_by(f64::total_cmp);
    let (best, median) = (wall[0], wall[wall.len() / 2]);
    Ok(Timing {
        us: processor[processor.len() / 2].max(best) * 1e6,
        best_wall: best * 1e6,
        med_wall: median * 1e6,
        calls: repeat * wall.len() as u64,
    })
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn processor_seconds() -> f64 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const PROCESS_CPUTIME: i32 = 2;
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the layout is the platform's on 64-bit Linux, the pointer is valid.
    unsafe { clock_gettime(PROCESS_CPUTIME, &raw mut time) };
    time.seconds as f64 + time.nanoseconds as f64 * 1e-9
}

/// Elsewhere the wall clock stands in.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn processor_seconds() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Peak memory of the process in MB; 0 where the system does not tell.
pub fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}
