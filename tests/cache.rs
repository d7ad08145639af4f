//! A cache gives the program of an equal graph, and of no other.

use cotangent::{
    Builder, Checked, Checks, CompileError, CustomOp, CustomRule, Forms, Graph, Listing, OptLevel, Options,
    Program, ProgramCache, Tier, Var, dtype,
};

fn options() -> Options {
    Options::default().tier(Tier::Fast).checks(Checks::Off)
}

/// The same line authors every graph.
fn author(name: &str, dims: &[usize], factor: f64, body: fn(Var<'_>) -> Var<'_>) -> Graph {
    let g = Builder::new();
    let x = g.input(name, dtype::f64, dims);
    g.finish(&[body(x * factor)]).unwrap()
}

fn plain() -> Graph {
    author("x", &[2], 2.0, |x| x.square().sum())
}

/// Whether two programs are one: a workspace of one serves the other.
fn are_one(a: &Program, b: &Program) -> bool {
    let mut gradient = [0.0; 2];
    b.value_and_grad(&mut a.workspace(), &[(&[1.0, 2.0]).into()], &mut [(&mut gradient).into()]).is_ok()
}

#[test]
fn equal_graphs_share_a_program() {
    let cache = ProgramCache::new(10);
    let first = cache.compile(&plain(), &options()).unwrap();
    let again = cache.compile(&plain(), &options().threads(7)).unwrap();
    assert!(are_one(&first, &again));
    assert!(!are_one(&first, &Program::compile(&plain(), &options()).unwrap()));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.evictions, stats.programs), (1, 1, 0, 1));
    // What reads back from text is equal too, but to what has the lines it was authored at.
    let read = Graph::parse(&plain().to_string()).unwrap();
    assert!(read != plain() && read == Graph::parse(&read.to_string()).unwrap());
}

/// Every part of a graph that can be told apart.
#[test]
fn other_graphs_are_others() {
    let base = || author("x", &[2], 0.0, |x| x.square().sum());
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let elsewhere = g.finish(&[(x * 0.0).square().sum()]).unwrap();
    let f32_graph = Graph::parse(&base().to_string().replace("f64", "f32")).unwrap();
    let operands = |swap: bool| {
        let g = Builder::new();
        let (x, y) = (g.input("x", dtype::f64, [2]), g.input("y", dtype::f64, [2]));
        let [x, y] = if swap { [y, x] } else { [x, y] };
        g.finish(&[(x - y).sum()]).unwrap()
    };
    let outputs = |n: usize| {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, [2]);
        g.finish(&[x.sum(), x.mean()][..n]).unwrap()
    };
    let graphs = [
        base(),
        author("y", &[2], 0.0, |x| x.square().sum()),
        author("x", &[3], 0.0, |x| x.square().sum()),
        author("x", &[2], -0.0, |x| x.square().sum()),
        author("x", &[2], 1.0, |x| x.square().sum()),
        author("x", &[2], 0.0, |x| x.abs().sum()),
        author("x", &[2], 0.0, |x| x.flip(&[0]).square().sum()),
        elsewhere,
        f32_graph,
        operands(false),
        operands(true),
        outputs(1),
        outputs(2),
    ];
    let cache = ProgramCache::new(100);
    for round in 0..2u64 {
        for graph in &graphs {
            assert!(cache.compile(graph, &options()).unwrap().graph() == graph);
        }
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.hits), (graphs.len() as u64, round * graphs.len() as u64));
    }
}

#[test]
fn other_options_are_others() {
    let cache = ProgramCache::new(100);
    let base = options();
    let all = [
        base.clone(),
        base.clone().tier(Tier::Full),
        base.clone().opt(OptLevel::None),
        base.clone().forms(Forms::FORWARD),
        base.clone().forms(Forms::DENSE),
        base.clone().wrt(&[0]),
        base.clone().unroll(7),
        base.clone().max_workspace(1 << 20),
        base.clone().listing(Listing::Code),
        base.clone().checks(Checks::On),
        base.checked(Checked::Finite),
    ];
    for options in all.iter().chain(&all) {
        cache.compile(&plain(), options).unwrap();
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (all.len() as u64, all.len() as u64));
    assert!(!cache.compile(&plain(), &all[8]).unwrap().report().clif.is_empty());
}

/// Custom ops compare by identity, and a cached program keeps its own alive.
#[test]
fn custom_ops_are_told_apart() {
    fn op() -> CustomOp {
        let body = author("x", &[2], 1.0, |x| x.sin());
        CustomOp::from_graphs("mine", body, CustomRule::ByDefinition, CustomRule::ByDefinition).unwrap()
    }
    fn applied(op: &CustomOp) -> Graph {
        let g = Builder::new();
        let x = g.input("x", dtype::f64, [2]);
        g.finish(&[g.apply(op, &[x]).sum()]).unwrap()
    }
    let cache = ProgramCache::new(10);
    let (one, other) = (op(), op());
    for op in [&one, &other, &one.clone()] {
        cache.compile(&applied(op), &options()).unwrap();
    }
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 2));
}

#[test]
fn the_one_used_longest_ago_goes() {
    let cache = ProgramCache::new(2);
    let graph = |n: usize| author("x", &[n], 2.0, |x| x.square().sum());
    let hits = |n: usize| {
        let before = cache.stats().hits;
        cache.compile(&graph(n), &options()).unwrap();
        cache.stats().hits > before
    };
    assert!(!hits(1) && !hits(2) && hits(1));
    assert!(!hits(3), "2 goes, 1 was used since");
    assert!(hits(1) && hits(3) && !hits(2));
    let stats = cache.stats();
    assert_eq!((stats.programs, stats.evictions), (2, 2));
    cache.clear();
    assert!(cache.stats().programs == 0 && !hits(2));

    // A cache of none compiles all the same.
    let none = ProgramCache::new(0);
    for _ in 0..2 {
        none.compile(&graph(1), &options()).unwrap();
    }
    assert_eq!((none.stats().misses, none.stats().programs), (2, 0));
}

#[test]
fn errors_are_given_and_not_kept() {
    let cache = ProgramCache::new(2);
    for _ in 0..2 {
        let error = cache.compile(&plain(), &options().wrt(&[5])).map(drop).unwrap_err();
        assert!(matches!(error, CompileError::NoSuchInput { index: 5, inputs: 1 }), "{error}");
    }
    assert_eq!((cache.stats().misses, cache.stats().programs), (2, 0));
}

#[test]
fn threads_share_a_cache() {
    const THREADS: usize = 8;
    let cache = ProgramCache::new(3);
    std::thread::scope(|scope| {
        for first in 0..THREADS {
            let cache = &cache;
            scope.spawn(move || {
                for k in 0..30 {
                    // Four graphs in a cache of three: what others use goes meanwhile.
                    let n = 1 + (first + k) % 4;
                    let graph = author("x", &[n], 2.0, |x| x.square().sum());
                    let program = cache.compile(&graph, &options()).unwrap();
                    let (x, mut gradient) = (vec![1.5; n], vec![0.0; n]);
                    let mut ws = program.workspace();
                    let value =
                        program.value_and_grad(&mut ws, &[(&x).into()], &mut [(&mut gradient).into()]);
                    assert_eq!((value.unwrap(), gradient), (9.0 * n as f64, vec![12.0; n]));
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.hits + stats.misses, 30 * THREADS as u64);
    assert!(stats.programs <= 3 && stats.misses >= 4, "{stats:?}");
}
