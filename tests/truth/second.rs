//! Value, gradient and Hessian of a scalar function of one vector, the Hessian
//! in two ways; the tape and compiled code must agree to the bit.

use crate::Failure;
use cotangent::derive::{self, Seeds};
use cotangent::tape::{Tape, Tensor};
use cotangent::{Forms, Graph, Options, Program, ValueId};

pub struct Second {
    value: Program,
    gradient: Graph,
    forward: Program,
    reverse: Program,
}

/// Numbers at one point; Hessians row-major.
pub struct At {
    pub value: f64,
    pub gradient: Vec<f64>,
    /// Columns by Jacobian-vector products of the gradient.
    pub forward: Vec<f64>,
    /// Rows by vector-Jacobian products of the gradient.
    pub reverse: Vec<f64>,
}

impl Second {
    pub fn compile(graph: &Graph) -> Result<Second, Failure> {
        let (both, _) = derive::value_and_grad(graph, &[ValueId::new(0)], Seeds::One)?;
        let gradient = both.with_outputs(&both.outputs()[1..])?;
        let of = |graph: &Graph, forms| Program::compile(graph, &Options::default().forms(forms));
        Ok(Second {
            value: of(graph, Forms::VALUE_AND_GRAD)?,
            forward: of(&gradient, Forms::JVP)?,
            reverse: of(&gradient, Forms::VJP)?,
            gradient,
        })
    }

    pub fn at(&self, b: &[f64]) -> Result<At, Failure> {
        let n = b.len();
        let vector = |v: &[f64]| Tensor::f64([n], v).ok_or("a vector");
        let tape = Tape::compile(self.value.graph(), vec![vector(b)?])?;
        let slope = Tape::compile(&self.gradient, vec![vector(b)?])?;
        let out = slope.graph().outputs()[0];

        let mut ws = self.value.workspace();
        let mut gradient = vec![0.0; n];
        let value = self.value.value_and_grad(&mut ws, &[b.into()], &mut [(&mut gradient).into()])?;
        same("value", &[value], &tape.outputs()[0].to_f64())?;
        same("gradient", &gradient, &slope.outputs()[0].to_f64())?;

        let (mut ws, mut back) = (self.forward.workspace(), self.reverse.workspace());
        let (mut forward, mut reverse) = (vec![0.0; n * n], vec![0.0; n * n]);
        for i in 0..n {
            let mut unit = vec![0.0; n];
            unit[i] = 1.0;
            let (mut again, mut column) = (vec![0.0; n], vec![0.0; n]);
            let tangents = [(&unit).into()];
            self.forward.jvp(
                &mut ws,
                &[b.into()],
                &tangents,
                &mut [(&mut again).into()],
                &mut [(&mut column).into()],
            )?;
            let moved = slope.jvp(vec![Some(vector(&unit)?)])?;
            same("forward over reverse", &column, &moved[out.index()].as_ref().ok_or("constant")?.to_f64())?;

            let row = &mut reverse[i * n..(i + 1) * n];
            let seeds = [(&unit).into()];
            self.reverse.value_and_vjp(
                &mut back,
                &[b.into()],
                &seeds,
                &mut [(&mut again).into()],
                &mut [row.into()],
            )?;
            let pulled = slope.vjp(vec![vector(&unit)?], &[ValueId::new(0)])?;
            same("reverse over reverse", &reverse[i * n..(i + 1) * n], &pulled[0].0.to_f64())?;
            column.iter().enumerate().for_each(|(j, &h)| forward[j * n + i] = h);
        }
        Ok(At { value, gradient, forward, reverse })
    }
}

fn same(what: &str, jit: &[f64], tape: &[f64]) -> Result<(), Failure> {
    let equal = jit.iter().zip(tape).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
    if equal && jit.len() == tape.len() {
        return Ok(());
    }
    Err(format!("{what}: compiled {jit:?}, tape {tape:?}").into())
}

/// Norm-wise relative distance.
pub fn distance(got: &[f64], want: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    norm(&mut got.iter().zip(want).map(|(g, w)| g - w)) / norm(&mut want.iter().copied())
}
