//! A transformer block, normalised before attention and before its network, in
//! f32; the loss is the inner product with given numbers.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, dtype};

const HEADS: usize = 4;
/// Width of the network in widths of the model.
const WIDENING: usize = 4;
const EPS: f64 = 1e-5;

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants("w8_tf") || !bench.data.has("w8_par") {
        return Ok(());
    }
    let [parameters, x, target] = ["w8_par", "w8_x", "w8_t"].map(|name| bench.data.f32s(name));
    let (parameters, x, target) = (parameters?, x?, target?);
    let parts = |d: &usize| parts(*d).iter().sum::<usize>();
    let d = (1..=x.len()).take_while(|d| parts(d) <= parameters.len()).last().unwrap_or(0);
    if d == 0 || parts(&d) != parameters.len() || !x.len().is_multiple_of(d) {
        return Err("w8: not the parameters of a transformer block and its tokens".into());
    }
    let inputs = [(&parameters).into(), (&x).into(), (&target).into()];
    bench.gradient("w8_tf", inputs, || block(d, x.len() / d))
}

/// Lengths of the parameters: normalisation, queries, keys, values, output; normalisation, network.
fn parts(d: usize) -> [usize; 12] {
    let wide = WIDENING * d;
    [d, d, d * d, d * d, d * d, d * d, d, d, d * wide, wide, wide * d, d]
}

fn block(d: usize, tokens: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let p = g.input("p", dtype::f32, [parts(d).iter().sum()]);
    let x = g.input("x", dtype::f32, [tokens, d]);
    let target = g.input("target", dtype::f32, [tokens, d]);
    let all = p.split(0, &parts(d));
    let [g1, b1, w_q, w_k, w_v, w_o, g2, b2, w1, c1, w2, c2] = all[..] else {
        return Err("twelve parts".into());
    };
    let attention = [w_q, w_k, w_v, w_o].map(|w| w.reshape([d, d]));
    let y = x + x.layer_norm(g1, b1, EPS).multi_head_attention(attention, HEADS, None);
    let wide = y.layer_norm(g2, b2, EPS).matmul(w1.reshape([d, WIDENING * d])) + c1;
    let out = y + wide.gelu_tanh().matmul(w2.reshape([WIDENING * d, d])) + c2;
    Ok(g.finish(&[(out * target).sum()])?)
}
