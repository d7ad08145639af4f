//! One program, many threads, one workspace each: the bits are those of one thread.

mod support;

use cotangent::{Builder, Forms, Graph, Listing, Options, Program, Tier, Workspace, dtype};
use support::{Bits, Case, levels, run, vector_forms};

fn shared<T: Send + Sync>() {}
fn sent<T: Send>() {}

#[test]
fn programs_are_shared_and_workspaces_are_sent() {
    shared::<Program>();
    shared::<Graph>();
    shared::<Options>();
    sent::<Workspace>();
}

/// Loops, a matrix product large enough for the blocked kernel, a gather, a
/// transcendental function, scalars.
fn graph() -> Graph {
    let g = Builder::new();
    let (a, b) = (g.input("a", dtype::f64, [70, 90]), g.input("b", dtype::f64, [90, 65]));
    let (i, x) = (g.input("i", dtype::i64, [40]), g.input("x", dtype::f32, [33]));
    let product = a.matmul(b).tanh();
    let loss = product.index_select(0, i).softmax(1).log().sum();
    g.finish(&[loss, product, x.sin().sum() * x.at(3).exp()]).unwrap()
}

const THREADS: u64 = 8;

#[test]
fn eight_threads_give_the_bits_of_one() {
    let graph = graph();
    let cases: Vec<Case> = (0..THREADS).map(|i| Case::random(&graph, 100 + i)).collect();
    for options in levels() {
        let program = Program::compile(&graph, &options.forms(vector_forms())).unwrap();
        let want: Vec<Bits> = cases.iter().map(|case| run(&program, case).unwrap()).collect();
        assert!(want[0] != want[1], "the cases differ");
        std::thread::scope(|scope| {
            for first in 0..cases.len() {
                let (program, cases, want) = (&program, &cases, &want);
                scope.spawn(move || {
                    // Every thread runs every case, each starting elsewhere.
                    for k in 0..2 * cases.len() {
                        let i = (first + k) % cases.len();
                        assert!(run(program, &cases[i]).unwrap() == want[i], "thread {first}, case {i}");
                    }
                });
            }
        });
    }
}

/// Clones share the code; the last one to go, on whatever thread, frees it.
#[test]
fn clones_are_dropped_across_threads() {
    let graph = graph();
    let case = Case::random(&graph, 5);
    let program = Program::compile(&graph, &Options::default().forms(vector_forms())).unwrap();
    let want = run(&program, &case).unwrap();
    for _ in 0..20 {
        let clones: Vec<Program> = (0..THREADS).map(|_| program.clone()).collect();
        std::thread::scope(|scope| {
            for clone in clones {
                scope.spawn(|| {
                    let clone = clone;
                    assert!(run(&clone, &case).unwrap() == want);
                });
            }
        });
    }
    let owner = program.clone();
    drop(program);
    std::thread::spawn(move || {
        assert!(run(&owner, &case).unwrap() == want);
        drop(owner);
    })
    .join()
    .unwrap();
}

/// A workspace may move from thread to thread between calls, with what it holds.
#[test]
fn workspaces_move_between_threads() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [50]);
    let graph = g.finish(&[x.sin().square()]).unwrap();
    let program = Program::compile(&graph, &Options::default().forms(vector_forms())).unwrap();
    let mut ws = program.workspace();
    let xs: Vec<f64> = (0..50).map(|i| f64::from(i) * 0.1).collect();
    let mut y = vec![0.0; 50];
    program.forward(&mut ws, &[(&xs).into()], &mut [(&mut y).into()]).unwrap();
    let dx = std::thread::spawn(move || {
        let (seed, mut dx) = (vec![1.0; 50], vec![0.0; 50]);
        program.reverse(&mut ws, &[(&seed).into()], &mut [(&mut dx).into()]).unwrap();
        dx
    })
    .join()
    .unwrap();
    for (x, dx) in xs.iter().zip(dx) {
        assert!((dx - (2.0 * x).sin()).abs() < 1e-14);
    }
}

/// Compiling on many threads at once.
#[test]
fn threads_compile_at_the_same_time() {
    let graph = graph();
    let case = Case::random(&graph, 6);
    let want = run(&Program::compile(&graph, &Options::default().forms(vector_forms())).unwrap(), &case);
    let want = want.unwrap();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let options = Options::default().forms(vector_forms());
                assert!(run(&Program::compile(&graph, &options).unwrap(), &case).unwrap() == want);
            });
        }
    });
}

/// Scalars enough for many chunks and for functions side by side.
fn scalars() -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let (a, b) = (x.at(0), x.at(1));
    let last = (0..4000).fold(a, |v, i| if i % 3 == 0 { v * b } else { v.sin() + a });
    g.finish(&[last]).unwrap()
}

/// `Options::threads` changes nothing but time.
#[test]
fn any_number_of_threads_gives_the_same_code() {
    let graph = scalars();
    for tier in [Tier::Fast, Tier::Full] {
        let options = Options::default().tier(tier).forms(Forms::VJP | Forms::DENSE | Forms::JVP);
        let reports = [1, 2, 5, 0].map(|threads| {
            let options = options.clone().threads(threads).listing(Listing::Code);
            Program::compile(&graph, &options).unwrap().report()
        });
        assert!(reports[0].functions > 20, "{}", reports[0].functions);
        for report in &reports[1..] {
            assert_eq!((report.code_bytes, report.functions), (reports[0].code_bytes, reports[0].functions));
            assert!(report.clif == reports[0].clif && report.assembly == reports[0].assembly);
        }
    }
}

/// What runs is the same too, with constants and calls.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for graph in [graph(), scalars()] {
        let case = Case::random(&graph, 7);
        let [one, many] = [1, 4].map(|threads| {
            let options = Options::default().forms(vector_forms()).threads(threads);
            run(&Program::compile(&graph, &options).unwrap(), &case).unwrap()
        });
        assert!(one == many);
    }
}
