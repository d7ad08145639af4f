//! A tape over dual numbers knows nothing of the JVP rules, and agrees with them.

use crate::support::{Case, tensor_bits};
use cotangent::tape::{Data, Dual, Duals, Native, Tensor};
use cotangent::{Builder, Graph, KeepDims, Tape, Var, dtype};

/// A tensor that moves.
fn dual(x: &Tensor, dx: &Tensor) -> Tensor<Duals<Native>> {
    let pair = |(&value, &tangent): (&f64, &f64)| Dual { value, tangent };
    let data = x.as_f64().unwrap().iter().zip(dx.as_f64().unwrap()).map(pair).collect();
    Tensor::new(x.ty().shape.clone(), Data::F64(data)).unwrap()
}

fn check(name: &str, graph: &Graph) {
    let case = Case::random(graph, 13);
    let tensors = |columns: &[crate::support::Column]| -> Vec<Tensor> {
        columns.iter().zip(graph.input_values()).map(|(c, v)| c.tensor(graph.ty(v))).collect()
    };
    let (x, dx) = (tensors(&case.inputs), tensors(&case.tangents));
    let duals = x.iter().zip(&dx).map(|(x, dx)| dual(x, dx)).collect();
    let dual_tape = Tape::<Duals<Native>>::compile(graph, duals).unwrap();
    let tape: Tape<'_> = Tape::compile(graph, x).unwrap();
    let moved = tape.jvp(dx.into_iter().map(Some).collect()).unwrap();
    for v in graph.values().filter(|&v| graph.ty(v).dtype.is_float()) {
        let pair = dual_tape.value(v).unwrap();
        let pair = pair.as_f64().unwrap();
        let value = tape.with_value(v, tensor_bits).unwrap();
        assert_eq!(pair.iter().map(|d| d.value.to_bits()).collect::<Vec<_>>(), value, "{name}: values");
        for (i, d) in pair.iter().enumerate() {
            let by_rule = moved[v.index()].as_ref().map_or(0.0, |t| t.to_f64()[i]);
            let scale = 1.0 + by_rule.abs().max(d.tangent.abs());
            assert!((by_rule - d.tangent).abs() <= 1e-12 * scale, "{name} {v}[{i}]: {by_rule} {}", d.tangent);
        }
    }
}

#[test]
fn dual_numbers_agree_with_the_rules() {
    type Make = for<'b> fn(Var<'b>, Var<'b>) -> Var<'b>;
    let table: [(&str, Make); 16] = [
        ("arithmetic", |x, y| (x + y) * (x - y) / (x * x + 1.0) - y.scale(0.3)),
        ("unary", |x, y| x.abs().sqrt() - y.square() + (x + 9.0).recip() + x.relu() - y.abs()),
        ("transcendental", |x, y| x.exp() * y.sin() + x.cos() + (y.abs() + 0.5).log() + x.atan()),
        ("activations", |x, y| x.tanh() + y.sigmoid() * x.softplus()),
        ("elementary", |x, y| {
            x.exp2()
                + y.expm1()
                + (x.abs() + 0.5).log2()
                + y.abs().log1p()
                + x.cbrt()
                + (y.abs() + 0.5).rsqrt()
        }),
        ("angles", |x, y| {
            let (u, v) = (x.tanh().scale(0.9), y.tanh().scale(0.9));
            u.asin() + v.acos() + u.tan() + v.atanh() + x.atan2(y) + x.hypot(y) * (y.abs() + 1.5).acosh()
        }),
        ("special", |x, y| {
            let steps = x.floor() + y.ceil() + x.round_even();
            steps + x.erf() + y.erfc() + x.normal_cdf() + y.lgamma() + (x.abs() + 0.5).polygamma(2)
        }),
        ("gates", |x, y| {
            let smooth = x.silu() + y.gelu_erf() + x.gelu_tanh() + y.mish() + x.logsigmoid() + x.logaddexp(y);
            smooth + x.elu(0.7) + y.leaky_relu(0.1) + x.sinh() * y.cosh() + x.asinh()
        }),
        ("powers", |x, y| (x.abs() + 0.5).pow(y) + x.powi(3) + x.powi(-2) + (x.abs() + 1.0).powf(2.5)),
        ("extrema", |x, y| x.maximum(y) * x.minimum(y).clamp(-1.0, 1.0)),
        ("reductions", |x, y| {
            x.sum_over(&[1], KeepDims::Yes) * y.mean() + y.reduce_max_over(&[0], KeepDims::Yes)
        }),
        ("softmax", |x, y| x.softmax(1) * y.log_softmax(0) + x.logsumexp(&[0, 1], KeepDims::Yes)),
        ("movement", |x, y| {
            x.permute(&[1, 0])
                .flip(&[0])
                .pad(&[(1, 0), (0, 2)], 0.5)
                .narrow(1, 1, 5)
                .reshape([4, 4])
                .concat(&[y.matmul(y.transpose())], 0)
        }),
        ("matmul", |x, y| x.matmul(y.transpose()).matmul(x) + x.at(0).dot(y.at(1))),
        ("where", |x, y| x.lt(y).select(x * 2.0, y.sin())),
        ("detached", |x, y| x.sin() * 2.0 + y),
    ];
    for (name, make) in table {
        let g = Builder::new();
        let (x, y) = (g.input("x", dtype::f64, [4, 3]), g.input("y", dtype::f64, [4, 3]));
        check(name, &g.finish(&[make(x, y)]).unwrap());
    }
}
