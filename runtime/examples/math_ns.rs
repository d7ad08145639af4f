//! Prints nanoseconds per call of the scalar functions, called as compiled code does.

use cotangent_runtime::symbols;
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let xs: Vec<f64> = (0..1024).map(|i| 0.01 + 5.0 * ((i * 619) % 1024) as f64 / 1024.0).collect();
    for (name, p) in symbols::all() {
        let unary = !["atan2", "pow", "hypot", "maximum", "minimum", "fma"].iter().any(|s| name.contains(s));
        if !name.ends_with("_f64") || !unary || name.contains("matmul") || name.contains("gather") {
            continue;
        }
        if name.contains("along") || name.contains("scatter") {
            continue;
        }
        // SAFETY: what is left are functions of one f64.
        let f: extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(p) };
        let f = black_box(f);
        let mut best = f64::INFINITY;
        for _ in 0..20 {
            let start = Instant::now();
            // An integer stays in a register across calls; a float would go through memory.
            let mut sum = 0;
            for _ in 0..20 {
                for &x in &xs {
                    sum ^= f(x).to_bits();
                }
            }
            black_box(sum);
            best = best.min(start.elapsed().as_nanos() as f64 / 20.0 / xs.len() as f64);
        }
        println!("{name:>16} {best:6.1}");
    }
}
