//! A 2-h-h-1 tanh network and half its squared error on one sample, in f64 and f32.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, DType, Graph, dtype};

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants_some("w5_tiny") || !bench.data.has("w5t") {
        return Ok(());
    }
    let mut data = bench.data.f64s("w5t")?;
    let width = width(data.len()).ok_or("w5t: not the parameters of a 2-h-h-1 network and a sample")?;
    let target = data.split_off(data.len() - 1);
    let sample = data.split_off(data.len() - 2);
    if bench.wants("w5_tiny") {
        let inputs = [(&data).into(), (&sample).into(), (&target).into()];
        bench.gradient::<1, _>("w5_tiny", inputs, || network(width, dtype::f64))?;
    }
    if bench.wants("w5_tiny_f32") {
        let [data, sample, target] = [data, sample, target].map(|v| v.iter().map(|&x| x as f32).collect());
        let (data, sample, target): (Vec<f32>, Vec<f32>, Vec<f32>) = (data, sample, target);
        let inputs = [(&data).into(), (&sample).into(), (&target).into()];
        bench.gradient::<1, _>("w5_tiny_f32", inputs, || network(width, dtype::f32))?;
    }
    Ok(())
}

/// h^2 + 5 h + 1 parameters, two inputs, one target.
fn width(len: usize) -> Option<usize> {
    (1..len).find(|h| h * h + 5 * h + 4 == len)
}

/// Parameters stand in one vector: weights (in, out) and biases by layer.
fn network(h: usize, dtype: DType) -> Result<Graph, Failure> {
    let g = Builder::new();
    let p = g.input("p", dtype, [h * h + 5 * h + 1]);
    let x = g.input("x", dtype, [2]);
    let y = g.input("y", dtype, [1]);
    let part = |from: usize, len: usize| p.narrow(0, from, from + len);
    let (w1, b1) = (part(0, 2 * h).reshape([2, h]), part(2 * h, h));
    let (w2, b2) = (part(3 * h, h * h).reshape([h, h]), part(3 * h + h * h, h));
    let (w3, b3) = (part(4 * h + h * h, h), p.at(5 * h + h * h));
    let h1 = (x.matmul(w1) + b1).tanh();
    let h2 = (h1.matmul(w2) + b2).tanh();
    let error = h2.dot(w3) + b3 - y.at(0);
    Ok(g.finish(&[error.square() * 0.5])?)
}
