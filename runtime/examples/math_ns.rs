//! Prints nanoseconds per call of the scalar functions, called as compiled code does, and per
//! number of the functions of many.

use cotangent_runtime::{math, symbols};
use std::hint::black_box;
use std::time::Instant;

/// Functions of one number.
const UNARY: [&str; 32] = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "cbrt",
    "erf",
    "erfc",
    "lgamma",
    "sigmoid",
    "softplus",
    "rsqrt",
    "floor",
    "ceil",
    "round_even",
    "normal_cdf",
    "silu",
    "gelu_erf",
    "gelu_tanh",
];

fn main() {
    let xs: Vec<f64> = (0..1024).map(|i| 0.01 + 5.0 * ((i * 619) % 1024) as f64 / 1024.0).collect();
    for name in UNARY {
        let xs = scaled(name, &xs);
        let Some(p) = symbols::lookup(&format!("ct_{name}_f64")) else { continue };
        // SAFETY: these are functions of one f64.
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
    let narrow: Vec<f32> = xs.iter().map(|&x| x as f32).collect();
    for f in math::all_many() {
        let wide = of_many(f.wide, &scaled(f.name, &xs));
        let narrow = of_many(f.narrow, &scaled(f.name, &narrow));
        println!("{:>16} {wide:6.2}, f32 {narrow:6.2}, of many", f.name);
    }
}

/// Numbers between 0 and 5, moved to where the function has values.
fn scaled<T: Copy + From<f32> + std::ops::Mul<Output = T> + std::ops::Add<Output = T>>(
    name: &str,
    xs: &[T],
) -> Vec<T> {
    let (factor, more) = match name {
        "asin" | "acos" | "atanh" => (0.19, 0.0),
        "acosh" => (1.0, 1.0),
        _ => (1.0, 0.0),
    };
    xs.iter().map(|&x| x * T::from(factor) + T::from(more)).collect()
}

fn of_many<T: Copy + Default>(f: math::Entry<T>, xs: &[T]) -> f64 {
    let mut out = vec![T::default(); xs.len()];
    let mut best = f64::INFINITY;
    for _ in 0..200 {
        let start = Instant::now();
        // SAFETY: both have as many elements and do not overlap.
        unsafe { f(xs.len(), black_box(xs).as_ptr(), out.as_mut_ptr()) };
        black_box(&mut out);
        best = best.min(start.elapsed().as_nanos() as f64 / xs.len() as f64);
    }
    best
}
