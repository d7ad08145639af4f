//! A transformer block, normalised before attention and before its network, in
//! f32; the loss is the inner product with given numbers.

use super::{Bench, Failure, Meter, parts};
use cotangent::{Arg, Builder, Graph, Shape, dtype};

const HEADS: usize = 4;
/// Width of the network in widths of the model.
const WIDENING: usize = 4;
const EPS: f64 = 1e-5;
/// Arrays of parameters.
const PARAMETERS: usize = 12;

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants("w8_tf") || !bench.data.has("w8_par") {
        return Ok(());
    }
    let [parameters, x, target] = ["w8_par", "w8_x", "w8_t"].map(|name| bench.data.f32s(name));
    let (parameters, x, target) = (parameters?, x?, target?);
    let total = |d: usize| shapes(d).iter().map(Shape::numel).sum::<usize>();
    let d = (1..=x.len()).take_while(|&d| total(d) <= parameters.len()).last().unwrap_or(0);
    if d == 0 || total(d) != parameters.len() || !x.len().is_multiple_of(d) {
        return Err("w8: not the parameters of a transformer block and its tokens".into());
    }
    let own = parts(&parameters, shapes(d).map(|shape| shape.numel()));
    let mut arrays = own.into_iter().chain([&x[..], &target[..]]);
    let inputs: [Arg<'_>; PARAMETERS + 2] = std::array::from_fn(|_| arrays.next().unwrap_or_default().into());
    bench.gradient::<PARAMETERS, _>("w8_tf", inputs, || block(d, x.len() / d))
}

/// Of the parameters: normalisation, queries, keys, values, output; normalisation, network.
fn shapes(d: usize) -> [Shape; PARAMETERS] {
    let (v, m) = (|n: usize| Shape::from([n]), |n: usize, k: usize| Shape::from([n, k]));
    let wide = WIDENING * d;
    [v(d), v(d), m(d, d), m(d, d), m(d, d), m(d, d), v(d), v(d), m(d, wide), v(wide), m(wide, d), v(d)]
}

fn block(d: usize, tokens: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let names = ["g1", "b1", "w_q", "w_k", "w_v", "w_o", "g2", "b2", "w1", "c1", "w2", "c2"];
    let mut shapes = shapes(d).into_iter();
    let [g1, b1, w_q, w_k, w_v, w_o, g2, b2, w1, c1, w2, c2] =
        names.map(|name| g.input(name, dtype::f32, shapes.next().unwrap_or_default()));
    let x = g.input("x", dtype::f32, [tokens, d]);
    let target = g.input("target", dtype::f32, [tokens, d]);
    let y = x + x.layer_norm(g1, b1, EPS).multi_head_attention([w_q, w_k, w_v, w_o], HEADS, None);
    let wide = y.layer_norm(g2, b2, EPS).matmul(w1) + c1;
    let out = y + wide.gelu_tanh().matmul(w2) + c2;
    Ok(g.finish(&[(out * target).sum()])?)
}
