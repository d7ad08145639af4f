//! The report says what the stages of compiling made: counts that agree with each other and with
//! the graph. Times are only required to fit in the whole.

use cotangent::{Builder, Forms, Graph, OptLevel, Options, Program, Report, Tier, dtype};
use std::time::Duration;

/// A loop with a reduction, a matrix product, a function of many numbers.
fn tensors() -> Graph {
    let g = Builder::new();
    let (a, b) = (g.input("a", dtype::f64, [70, 90]), g.input("b", dtype::f64, [90, 65]));
    g.finish(&[(a.matmul(b).tanh() * 0.5).square().sum()]).unwrap()
}

fn scalars(terms: usize) -> Graph {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let (a, b) = (x.at(0), x.at(1));
    g.finish(&[(0..terms).fold(a, |v, i| if i % 2 == 0 { v * b } else { v + a })]).unwrap()
}

fn report(graph: &Graph, options: &Options) -> Report {
    Program::compile(graph, options).unwrap().report()
}

fn every() -> Vec<Options> {
    let mut every = Vec::new();
    for tier in [Tier::Fast, Tier::Full] {
        for opt in [OptLevel::None, OptLevel::Full] {
            every.push(Options::default().tier(tier).opt(opt));
        }
    }
    every
}

#[test]
fn counts_agree_with_each_other() {
    for graph in [tensors(), scalars(10), scalars(3000)] {
        for options in every() {
            let report = report(&graph, &options);
            let stages = report.stages;
            assert_eq!(stages.schedule.made, report.items);
            assert_eq!(stages.generate.made, report.code_bytes);
            assert_eq!(stages.link.made, report.functions);
            assert!(report.kernels + report.calls <= report.items);
            // Every step is an instruction or more, and every function ends.
            assert!(stages.emit.made >= report.items + report.functions);
            assert!(stages.list().iter().all(|(_, stage, _)| stage.made > 0), "{stages:?}");
        }
    }
}

#[test]
fn counts_agree_with_the_graph() {
    let forward = Options::default().forms(Forms::FORWARD);
    for graph in [tensors(), scalars(10)] {
        let nodes = graph.nodes().len();
        assert_eq!(report(&graph, &forward).stages.derive.made, nodes);
        let both = report(&graph, &forward.clone().forms(Forms::FORWARD | Forms::VALUE_AND_GRAD));
        // The gradient's graph begins with a copy.
        assert!(both.stages.derive.made > 2 * nodes);
    }
    // a b, + a, ..: a step each, two more for the result.
    let report_of = |terms| report(&scalars(terms), &forward);
    let (ten, twenty) = (report_of(10), report_of(20));
    assert_eq!(twenty.items - ten.items, 10);
    assert_eq!(twenty.stages.simplify.made - ten.stages.simplify.made, 10);
    assert_eq!((ten.kernels, ten.calls), (0, 0));
    let report = report(&tensors(), &forward);
    assert!(report.kernels >= 1 && report.calls >= 2, "{report:?}");
}

/// The value and the gradient of a sum over neighbours are one pass and its two ends, without memory
/// of their own where arrays are long; short ones keep what would be computed twice.
#[test]
fn passes_become_one() {
    let kernels = |n: usize| {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, [n]);
        let (this, next) = (x.narrow(0, 0, n - 1), x.narrow(0, 1, n));
        let terms = (next - this.square()).square() * 100.0 + (1.0 - this).square();
        let graph = g.finish(&[terms.sum()]).unwrap();
        let report = report(&graph, &Options::default().forms(Forms::VALUE_AND_GRAD));
        (report.items, report.kernels, report.workspace_bytes)
    };
    assert_eq!(kernels(100_000), (3, 3, 0));
    let (items, kernels, bytes) = kernels(1000);
    assert_eq!((items, kernels), (4, 4));
    assert!((8 * 999..9000).contains(&bytes), "{bytes}");
}

/// A program's counts are the sums of those of its functions.
#[test]
fn functions_add_up() {
    for graph in [tensors(), scalars(2000)] {
        let [forward, jvp, both] = [Forms::FORWARD, Forms::JVP, Forms::FORWARD | Forms::JVP]
            .map(|forms| report(&graph, &Options::default().forms(forms)));
        let counts = |report: &Report| {
            let made = report.stages.list().map(|(_, stage, _)| stage.made);
            made.into_iter().chain([report.kernels, report.calls]).collect::<Vec<usize>>()
        };
        let sum: Vec<usize> = counts(&forward).iter().zip(counts(&jvp)).map(|(a, b)| a + b).collect();
        assert_eq!(counts(&both), sum);
    }
}

#[test]
fn stages_of_one_thread_fit_in_the_whole() {
    for options in every() {
        let report = report(&scalars(3000), &options.threads(1));
        let all: Duration = report.stages.list().iter().map(|(_, stage, _)| stage.time).sum();
        assert!(Duration::ZERO < all && all <= report.time, "{all:?} of {:?}", report.time);
    }
}
