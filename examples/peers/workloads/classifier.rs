//! A ReLU network with one hidden layer and the cross entropy of its classes, in
//! f32, on batches of several sizes.

use super::{Bench, Failure, Meter, parts};
use cotangent::{Builder, Graph, LossReduction, dtype};

/// Widths of input, hidden layer and output.
#[derive(Clone, Copy)]
struct Size {
    inputs: usize,
    hidden: usize,
    classes: usize,
}

impl Size {
    /// Lengths of weights and biases.
    fn parameters(self) -> [usize; 4] {
        [self.inputs * self.hidden, self.hidden, self.hidden * self.classes, self.classes]
    }
}

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants_some("w5_mlp") || !bench.data.has("w5_par") {
        return Ok(());
    }
    let (parameters, x) = (bench.data.f32s("w5_par")?, bench.data.f32s("w5_x")?);
    let y: Vec<i64> = bench.data.i32s("w5_y")?.into_iter().map(i64::from).collect();
    let size =
        size(parameters.len(), x.len(), &y).ok_or("w5: not the parameters of a network and samples")?;
    let mut batches = vec![1, 32, y.len()];
    batches.retain(|&n| n <= y.len());
    batches.dedup();
    for n in batches {
        let name = format!("w5_mlp_b{n}");
        if bench.wants(&name) {
            let [w1, b1, w2, b2] = parts(&parameters, size.parameters());
            let (x, y) = (&x[..n * size.inputs], &y[..n]);
            let inputs = [w1.into(), b1.into(), w2.into(), b2.into(), x.into(), y.into()];
            bench.gradient::<4, _>(&name, inputs, || network(size, n))?;
        }
    }
    Ok(())
}

/// The labels say how many classes there are; the rest follows from the lengths.
fn size(parameters: usize, samples: usize, labels: &[i64]) -> Option<Size> {
    let classes = usize::try_from(*labels.iter().max()?).ok()? + 1;
    let inputs = samples / labels.len();
    let per_unit = inputs + 1 + classes;
    let hidden = parameters.checked_sub(classes)? / per_unit;
    (hidden * per_unit + classes == parameters).then_some(Size { inputs, hidden, classes })
}

/// Weights are (in, out).
fn network(size: Size, batch: usize) -> Result<Graph, Failure> {
    let Size { inputs, hidden, classes } = size;
    let g = Builder::new();
    let w1 = g.input("w1", dtype::f32, [inputs, hidden]);
    let b1 = g.input("b1", dtype::f32, [hidden]);
    let w2 = g.input("w2", dtype::f32, [hidden, classes]);
    let b2 = g.input("b2", dtype::f32, [classes]);
    let x = g.input("x", dtype::f32, [batch, inputs]);
    let y = g.input("y", dtype::i64, [batch]);
    let logits = (x.matmul(w1) + b1).relu().matmul(w2) + b2;
    Ok(g.finish(&[logits.cross_entropy(y, LossReduction::Mean, 0.0)])?)
}
