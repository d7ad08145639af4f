//! What is said of loops that make no sense.

use cotangent::{Builder, Graph, GraphError, Var, dtype};

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
