//! What is said of loops that make no sense.

use cotangent::{Builder, Checkpoints, Graph, GraphError, Var, dtype};

type Step<'b> = (Vec<Var<'b>>, Vec<Var<'b>>);

fn refused(result: Result<Graph, GraphError>, what: &str) {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(what), "{error}");
    assert!(error.location().is_some_and(|at| at.file().ends_with("errors.rs")), "{error} has no place");
}

fn scan_of(
    steps: usize,
    step: impl for<'b> FnOnce(&'b Builder, &[Var<'b>], &[Var<'b>]) -> Step<'b>,
) -> Result<Graph, GraphError> {
    let g = Builder::new();
    let (h, x) = (g.input("h", dtype::f64, [2]), g.input("x", dtype::f64, [3, 2]));
    let (last, _) = g.scan(steps, &[h], &[x], step);
    g.finish(&last)
}

#[test]
fn what_does_not_fit_is_said_with_its_line() {
    refused(
        scan_of(4, |_, h, _| (vec![h[0]], vec![])),
        "must have the 4 steps of the loop along its first axis",
    );
    refused(scan_of(3, |_, _, _| (vec![], vec![])), "takes 1 carries, a step gives 0");
    refused(scan_of(3, |_, h, _| (vec![h[0].sum()], vec![])), "carry 0 is f64[2] and becomes f64[]");
    refused(scan_of(3, |g, h, _| (vec![h[0] + g.constant([1.0, 2.0, 3.0])], vec![])), "add: shapes");
    refused(
        scan_of(3, |g, h, _| (vec![h[0] + g.input("y", dtype::f64, [2])], vec![])),
        "has no inputs of its own",
    );
    refused(
        scan_of(3, |g, h, _| {
            assert!(g.finish(h).is_err());
            (vec![h[0]], vec![])
        }),
        "gives no graph of its own",
    );
    let g = Builder::new();
    g.map(&[], |_, _| vec![]);
    refused(g.finish(&[]), "nothing to map over");
}

#[test]
fn branches_that_do_not_fit_are_refused() {
    let cond = |n: usize| {
        let g = Builder::new();
        let (h, x) = (g.input("h", dtype::f64, [2]), g.input("x", dtype::f64, ()));
        let condition = if n == 0 { h.lt(x) } else { x.lt(x) };
        let out = g.cond(
            condition,
            &[h],
            |_, h| vec![h[0]],
            |_, h| match n {
                1 => vec![h[0], h[0]],
                2 => vec![h[0].sum()],
                _ => vec![h[0]],
            },
        );
        g.finish(&out)
    };
    refused(cond(0), "its condition is bool[2], not one boolean");
    refused(cond(1), "one of its graphs gives 1 values, the other 2");
    refused(cond(2), "value 0 is f64[2] in one of its graphs and f64[] in the other");
    assert!(cond(3).is_ok());
}

#[test]
fn limits_that_cannot_be_kept_are_refused() {
    let kept = |checkpoints| {
        let g = Builder::new();
        let h = g.input("h", dtype::f64, ());
        let (last, _) =
            g.scan_checkpointed(100, checkpoints, &[h], &[], |_, h, _| (vec![h[0] * h[0]], vec![]));
        g.finish(&last)
    };
    refused(kept(Checkpoints::Every(0)), "a checkpoint every 0 steps");
    refused(kept(Checkpoints::Within(20)), "carries of 8 bytes: 100 steps cannot be reversed in 20 bytes");
    assert!(kept(Checkpoints::Within(160)).is_ok());
}

/// Loops within each other: all that is done to graphs recurs over these, but no further.
#[test]
fn loops_within_loops_are_limited() {
    fn nest<'b>(g: &'b Builder, h: Var<'b>, xs: Var<'b>, depth: usize) -> Var<'b> {
        if depth == 0 {
            return h * 0.5 + xs.sum();
        }
        // Seeded by what the steps give, not by the last carry.
        let (_, all) = g.scan(1, &[h], &[], |b, h, _| {
            let next = nest(b, h[0], xs, depth - 1);
            (vec![next], vec![next])
        });
        all[0].sum()
    }
    let of = |depth: usize| {
        let g = Builder::new();
        let (h, xs) = (g.input("h", dtype::f64, ()), g.input("xs", dtype::f64, [2]));
        g.finish(&[nest(&g, h, xs, depth)])
    };
    let deep = of(64).unwrap();
    assert_eq!(Graph::parse(&deep.to_string()).unwrap().to_string(), deep.to_string());
    crate::bits(&of(5).unwrap(), 1);
    let gradient = cotangent::gradient(&deep, &[0, 1]).unwrap().into_graph();
    assert!(gradient.to_string().len() < 500_000);
    refused(of(65), "more than 64 graphs within each other");
}

#[test]
fn variables_stay_where_they_belong() {
    let (g, other) = (Builder::new(), Builder::new());
    let (h, far) = (g.input("h", dtype::f64, ()), other.input("far", dtype::f64, ()));
    let (last, _) = g.scan(2, &[h], &[], |_, h, _| (vec![h[0] * far], vec![]));
    refused(g.finish(&last), "belongs to another graph");

    let g = Builder::new();
    let h = g.input("h", dtype::f64, ());
    let mut leaked = None;
    let (last, _) = g.scan(2, &[h], &[], |_, h, _| {
        leaked = Some(h[0]);
        (vec![h[0]], vec![])
    });
    assert!(g.finish(&[last[0]]).is_ok());
    let sum = last[0] + leaked.unwrap();
    refused(g.finish(&[sum]), "belongs to another graph");
}
