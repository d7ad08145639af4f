//! Our graphs as files: what is exported means the same when it is read again, and what
//! cannot be exported is named.

use crate::support::{Rng as Reals, tensor_bits};
use cotangent::fuzzing::{Rng, Source, ir_graph};
use cotangent::ir::{ImportOptions, IrGraph, Kind, Payload, exec_graph_of_ir, export};
use cotangent::ops::make;
use cotangent::tape::Tensor;
use cotangent::{Builder, DType, Graph, KeepDims, LossReduction, Tape, Var, dtype};

/// The output of an exported graph after it went through the text.
fn reread(graph: &Graph, payload: impl FnOnce(&mut Payload), x: &[f64]) -> Tensor {
    let (ir, mut given) = export(graph).unwrap_or_else(|e| panic!("{e}\n{graph}"));
    let ir = IrGraph::parse(&ir.to_string()).unwrap();
    payload(&mut given);
    let given = Payload::from_safetensors(&given.to_safetensors().unwrap()).unwrap();
    let exec = exec_graph_of_ir(&ir, &given).unwrap();
    exec.eval(x).unwrap().swap_remove(ir.output_id())
}

#[test]
fn imported_graphs_export_to_the_same_meaning() {
    let mut met = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut rng = Rng::new(5000 + seed);
        let nodes = 2 + rng.below(25);
        let graph = ir_graph(&mut rng, nodes).unwrap();
        let mut reals = Reals(seed);
        let mut payload = Payload::new();
        for p in graph.parameters() {
            let values: Vec<f64> = (0..p.shape.numel()).map(|_| reals.real()).collect();
            payload.insert(p.node, p.name, values);
        }
        let x: Vec<f64> = (0..graph.nodes()[0].shape.numel()).map(|_| reals.real()).collect();
        let exec = graph.import(&payload, &ImportOptions::default()).unwrap();
        let tape: Tape<'_> = Tape::compile(exec.graph(), exec.inputs(&x).unwrap()).unwrap();
        let expected = tape.outputs().swap_remove(0);
        let got = reread(exec.graph(), |_| (), &x);
        assert_eq!(got.ty().shape, expected.ty().shape);
        assert_eq!(tensor_bits(&got), tensor_bits(&expected), "seed {seed}\n{graph}\n{}", exec.graph());
        met.extend(graph.nodes().iter().map(|n| n.kind.tag()));
    }
    assert_eq!(met.len(), Kind::TAGS.len());
}

#[test]
fn broadcasts_and_ops_without_a_kind_are_written_out() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2, 1, 3]);
    let w = g.input("w", dtype::f64, [4, 1]);
    let v = g.constant([1.0, -2.0, 0.5]);
    let y = (x * w + v).square() - x.scale(0.25);
    let z = y.sum_over(&[1], KeepDims::Yes).matmul(g.constant_of([2, 3, 2], vec![0.5; 12]));
    let loss =
        z.mse(-z.relu(), LossReduction::Mean) + y.mean() + v.sum() + w.mean_over(&[-1], KeepDims::No).sum();
    let graph = g.finish(&[loss]).unwrap();
    let (px, pw) = ([0.5, -1.0, 2.0, 3.0, -0.25, 1.0], [1.0, -1.0, 2.0, 0.5]);
    let tape: Tape<'_> =
        Tape::compile(&graph, vec![Tensor::f64([2, 1, 3], &px).unwrap(), Tensor::f64([4, 1], &pw).unwrap()])
            .unwrap();
    // The second input is node 1, a parameter.
    let got = reread(&graph, |p| p.insert(1, "values", pw), &px).to_f64()[0];
    assert_eq!(got, tape.outputs()[0].to_f64()[0]);
}

/// The error of exporting a function of x of this shape.
fn error(shape: &[usize], f: impl for<'b> Fn(&'b Builder, Var<'b>) -> Var<'b>) -> String {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, shape);
    let graph = g.finish(&[f(&g, x)]).unwrap();
    export(&graph).unwrap_err().to_string()
}

#[test]
fn what_has_no_kind_is_named() {
    assert_eq!(error(&[2], |_, x| x / x), "no IR kind for div: the form has no kind for it");
    // TorchLean's square root is another one.
    assert_eq!(error(&[2], |_, x| x.sqrt()), "no IR kind for sqrt: the form has no kind for it");
    assert!(
        error(&[2, 2, 2], |_, x| x.sum_over(&[0, 1], KeepDims::No))
            .starts_with("no IR kind for sum: only one axis")
    );
    assert!(error(&[2, 2], |_, x| x.mse(x, LossReduction::Sum)).starts_with("no IR kind for mse"));
    assert!(error(&[2, 2], |_, x| x.linear(x, None)).ends_with("its weights must be constants"));
    assert!(error(&[2, 2, 2], |_, x| x.at(0)).starts_with("no IR kind for slice"));
    assert!(
        error(&[1, 2, 2], |g, x| g.constant_of([2, 2, 2], [1.0]).matmul(x)).contains("two stacks of as many")
    );
    let conv = |dilation: usize, stride: [usize; 2]| {
        error(&[1, 5, 5], move |g, x| {
            let w = g.constant_of([1, 1, 2, 2], [1.0]);
            g.apply(make::conv(&stride, &[0, 0], &[dilation; 2], 1), &[x, w])
        })
    };
    assert!(conv(2, [1, 1]).contains("dilation and groups have no place"));
    assert!(conv(1, [1, 2]).contains("stride [1, 2] is not one number for two axes"));
    let pool = error(&[1, 5, 5], |g, x| g.apply(make::avg_pool(&[2, 2], &[1, 1], &[1, 1], false), &[x]));
    assert!(pool.contains("padding is always counted"), "{pool}");

    let of = |dtype: DType, outputs: usize| {
        let g = Builder::new();
        let x = g.input("x", dtype, [2]);
        export(&g.finish(&vec![x; outputs]).unwrap()).unwrap_err().to_string()
    };
    assert_eq!(
        of(dtype::i64, 1),
        "no IR kind for an input of type i64[2]: every value of a file is a float tensor"
    );
    assert_eq!(of(dtype::f64, 2), "no IR kind for 2 outputs: a file has one");
    let g = Builder::new();
    let graph = g.finish(&[g.scalar(1.0).exp()]).unwrap();
    assert_eq!(
        export(&graph).unwrap_err().to_string(),
        "no IR kind for a graph without inputs: a file has one input"
    );
}
