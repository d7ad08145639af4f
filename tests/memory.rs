//! Code pages, constants and workspaces are given back: thousands of cycles of
//! compile, call and drop leave the resident set where it was.
//!
//! `COTANGENT_CYCLES` sets the number of cycles.
#![cfg(target_os = "linux")]

use cotangent::{Arg, Builder, Forms, Graph, OptLevel, Options, Program, Tier, dtype};
use std::sync::Mutex;
use std::time::Instant;

/// The resident set is the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Growth that is no leak: a leak of one page a cycle is far more.
const SLACK: usize = 3 << 20;

fn cycles() -> usize {
    let given = std::env::var("COTANGENT_CYCLES").ok().and_then(|v| v.parse().ok());
    given.unwrap_or(if cfg!(debug_assertions) { 500 } else { 20_000 })
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Runs `cycle` until the allocator has settled, then counts what stays.
fn stays_flat(what: &str, count: usize, mut cycle: impl FnMut(usize)) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    for i in 0..count / 10 + 20 {
        cycle(i);
    }
    let (before, start) = (resident(), Instant::now());
    let mut peak = before;
    for i in 0..count {
        cycle(i);
        if i % 100 == 0 {
            peak = peak.max(resident());
        }
    }
    let (after, seconds) = (resident(), start.elapsed().as_secs_f64());
    println!(
        "{what}: {count} cycles in {seconds:.1} s, resident {:.1} -> {:.1} MiB (peak {:.1})",
        before as f64 / 1048576.0,
        after as f64 / 1048576.0,
        peak as f64 / 1048576.0
    );
    assert!(after <= before + SLACK, "{what}: {} bytes stay after {count} cycles", after - before);
}

fn small() -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    g.finish(&[(x.at(1) - x.at(0).square()).square() * 100.0 + (1.0 - x.at(0)).square()]).unwrap()
}

/// Constants, index tables and products: what the program owns beside its code.
fn heavy() -> Graph {
    let g = Builder::new();
    let (x, i) = (g.input("x", dtype::f64, [40, 40]), g.input("i", dtype::i64, [8]));
    let table = g.constant_of([40, 40], (0..1600).map(f64::from).collect::<Vec<_>>());
    let y = x.matmul(table).index_select(0, i).tanh() * table.narrow(0, 0, 8);
    g.finish(&[y.sum()]).unwrap()
}

fn call(p: &Program, i: usize) {
    let mut ws = p.workspace();
    let n = p.graph().shape(p.wrt()[0]).numel();
    let x = vec![0.1 + i as f64 * 1e-6; n];
    let rows = [0i64, 5, 39, 1, 2, 3, 4, 5];
    let inputs: [Arg<'_>; 2] = [(&x).into(), (&rows).into()];
    let inputs = &inputs[..p.graph().inputs().len()];
    let mut dx = vec![0.0f64; n];
    let y = p.value_and_grad(&mut ws, inputs, &mut [(&mut dx).into()]).unwrap();
    assert!(y.is_finite() && dx.iter().all(|d| d.is_finite()));
}

#[test]
fn compile_call_drop() {
    let graph = small();
    stays_flat("small programs", cycles(), |i| {
        let tier = if i % 2 == 0 { Tier::Fast } else { Tier::Full };
        let p = Program::compile(&graph, &Options::default().tier(tier)).unwrap();
        call(&p, i);
    });
}

#[test]
fn compile_call_drop_of_all_forms() {
    let graph = heavy();
    let forms = Forms::VALUE_AND_GRAD | Forms::VJP | Forms::REVERSE | Forms::DENSE | Forms::JVP;
    stays_flat("all forms", cycles() / 10, |i| {
        let opt = if i % 2 == 0 { OptLevel::Full } else { OptLevel::None };
        let p = Program::compile(&graph, &Options::default().tier(Tier::Fast).opt(opt).forms(forms)).unwrap();
        call(&p, i);
        call(&p.clone(), i);
    });
}

/// An error in the midst of compiling: some functions are code already.
#[test]
fn failed_compilations() {
    let graph = heavy();
    let forms = Forms::FORWARD | Forms::VALUE_AND_GRAD | Forms::DENSE;
    let options = Options::default().tier(Tier::Fast).forms(forms).max_workspace(1000);
    stays_flat("failed compilations", cycles() / 10, |_| {
        Program::compile(&graph, &options).map(drop).unwrap_err();
    });
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [40]);
    let vector = g.finish(&[x.sin() * x.exp()]).unwrap();
    let options = Options::default().tier(Tier::Fast).forms(Forms::FORWARD | Forms::VALUE_AND_GRAD);
    stays_flat("gradients of vectors", cycles() / 10, |_| {
        Program::compile(&vector, &options).map(drop).unwrap_err();
    });
}

/// The measure sees a leak: one page kept per cycle is found.
#[test]
#[should_panic(expected = "bytes stay after")]
fn a_leak_is_seen() {
    stays_flat("a leak of a page a cycle", 2000, |_| {
        std::mem::forget(std::hint::black_box(vec![1u8; 4096]));
    });
}
