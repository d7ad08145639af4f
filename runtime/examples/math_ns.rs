//! Prints nanoseconds per call of the scalar functions, called as compiled code does, apart and each
//! waiting for the one before, and per number of the functions of many.

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
        // An integer stays in a register across calls; a float would go through memory.
        let apart = best(xs.len(), || xs.iter().fold(0, |sum, &x| sum ^ f(x).to_bits()));
        // Each argument waits for the value before, of which nothing is left.
        let none = black_box(0);
        let chained =
            best(xs.len(), || xs.iter().fold(0, |y, &x| f(f64::from_bits(x.to_bits() ^ y & none)).to_bits()));
        println!("{name:>16} {apart:6.1}, in a chain {chained:6.1}");
    }
    let narrow: Vec<f32> = xs.iter().map(|&x| x as f32).collect();
    for f in math::all_many() {
        let wide = of_many(f.wide, &scaled(f.name, &xs));
        let narrow = of_many(f.narrow, &scaled(f.name, &narrow));
        println!("{:>16} {wide:6.2}, f32 {narrow:6.2}, of many", f.name);
    }
}

/// Nanoseconds per number of a function that is called for so many.
fn best(count: usize, f: impl Fn() -> u64) -> f64 {
    let nanoseconds = (0..200).map(|_| {
        let start = Instant::now();
        black_box(f());
        start.elapsed().as_nanos() as f64
    });
    nanoseconds.fold(f64::INFINITY, f64::min) / count as f64
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
    let out = out.as_mut_ptr();
    best(xs.len(), || {
        // SAFETY: both have as many elements and do not overlap.
        unsafe { f(xs.len(), black_box(xs).as_ptr(), black_box(out)) };
        0
    })
}
