//! Measures the largest error of every function at random points, in units in the last place:
//! `cargo run --release -p cotangent-runtime --example accuracy [points] [function ...]`.

#[path = "../tests/accuracy/dd.rs"]
mod dd;
#[path = "../tests/accuracy/gamma.rs"]
mod gamma;
#[path = "../tests/accuracy/measure.rs"]
mod measure;
#[path = "../tests/accuracy/reference.rs"]
mod reference;

use indicatif::{ProgressBar, ProgressStyle};
use measure::{Draws, FUNCTIONS, Function, Worst};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Points between two steps of the progress bar.
const CHUNK: usize = 20_000;

fn measure_all(functions: &[&Function], points: usize) -> Vec<[Worst; 2]> {
    let chunks = points.div_ceil(CHUNK).max(1);
    let bar = ProgressBar::new((functions.len() * chunks) as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    let mut worst = vec![[Worst::default(); 2]; functions.len()];
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    let Some(f) = functions.get(job / chunks) else { break };
                    let found = f.worst(points.div_ceil(chunks), &mut Draws((job as u64) << 32));
                    if sender.send((job / chunks, found)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (i, found) in receiver {
            worst[i].iter_mut().zip(&found).for_each(|(all, one)| all.join(one));
            bar.set_message(functions[i].name);
            bar.inc(1);
        }
    });
    bar.finish_and_clear();
    worst
}

fn main() {
    let mut args = std::env::args().skip(1);
    let points = args.next().map_or(Ok(100_000), |n| n.parse::<f64>().map(|n| n as usize));
    let Ok(points) = points else {
        eprintln!("usage: accuracy [points] [function ...]");
        std::process::exit(2);
    };
    let names: Vec<String> = args.collect();
    let wanted = |f: &&Function| names.is_empty() || names.iter().any(|n| n == f.name);
    let functions: Vec<&Function> = FUNCTIONS.iter().filter(wanted).collect();
    let worst = measure_all(&functions, points);
    println!("| function | f64 | at | f32 | at | points each |");
    println!("|---|---|---|---|---|---|");
    for (f, [wide, narrow]) in functions.iter().zip(&worst) {
        let place = |w: &Worst| match f.arity() {
            1 => format!("{:e}", w.at[0]),
            _ => format!("{:e}, {:e}", w.at[0], w.at[1]),
        };
        println!(
            "| `{}` | {:.4} | {} | {:.6} | {} | {points} |",
            f.name,
            wide.error,
            place(wide),
            narrow.error,
            place(narrow)
        );
    }
}
