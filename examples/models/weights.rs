//! Parameters of a model while its graph is written: inputs with initial values.

use crate::Failure;
use cotangent::optim::Init;
use cotangent::{Builder, Conv, DType, Var};

/// Collects parameters in the order in which they become inputs of the graph.
pub struct Weights<'b> {
    builder: &'b Builder,
    dtype: DType,
    values: Vec<Vec<f64>>,
}

/// An affine map.
#[derive(Clone, Copy)]
pub struct Linear<'b> {
    w: Var<'b>,
    b: Var<'b>,
}

/// Scale and shift of a normalisation.
#[derive(Clone, Copy)]
pub struct Norm<'b> {
    scale: Var<'b>,
    shift: Var<'b>,
}

/// Kernels of a convolution in two dimensions, with a bias.
#[derive(Clone, Copy)]
pub struct Kernel<'b> {
    w: Var<'b>,
    b: Var<'b>,
}

impl<'b> Weights<'b> {
    pub fn new(builder: &'b Builder, dtype: DType) -> Weights<'b> {
        Weights { builder, dtype, values: Vec::new() }
    }

    /// A parameter; each draws from its own stream.
    pub fn add(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Var<'b>, Failure> {
        self.values.push(init.values(shape, 1 + self.values.len() as u64)?);
        Ok(self.builder.input(name, self.dtype, shape))
    }

    pub fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<Linear<'b>, Failure> {
        let w = self.add(&format!("{name}.w"), &[outputs, inputs], Init::XavierUniform)?;
        let b = self.add(&format!("{name}.b"), &[outputs], Init::Zeros)?;
        Ok(Linear { w, b })
    }

    /// Square kernels (out, in, size, size).
    pub fn kernel(&mut self, name: &str, [out, from, size]: [usize; 3]) -> Result<Kernel<'b>, Failure> {
        let w = self.add(&format!("{name}.w"), &[out, from, size, size], Init::KaimingUniform)?;
        let b = self.add(&format!("{name}.b"), &[out], Init::Zeros)?;
        Ok(Kernel { w, b })
    }

    pub fn norm(&mut self, name: &str, width: usize) -> Result<Norm<'b>, Failure> {
        let scale = self.add(&format!("{name}.scale"), &[width], Init::Ones)?;
        let shift = self.add(&format!("{name}.shift"), &[width], Init::Zeros)?;
        Ok(Norm { scale, shift })
    }

    /// The initial values, in the order of the inputs.
    pub fn values(self) -> Vec<Vec<f64>> {
        self.values
    }
}

impl<'b> Linear<'b> {
    #[track_caller]
    pub fn of(self, x: Var<'b>) -> Var<'b> {
        x.linear(self.w, Some(self.b))
    }
}

impl<'b> Kernel<'b> {
    #[track_caller]
    pub fn of(self, x: Var<'b>, conv: &Conv) -> Var<'b> {
        x.conv(self.w, Some(self.b), conv)
    }
}

impl<'b> Norm<'b> {
    /// Over the batch and all axes but the second.
    #[track_caller]
    pub fn batch(self, x: Var<'b>) -> Var<'b> {
        x.batch_norm_train(self.scale, self.shift, 1e-5)
    }

    /// Over the last axis.
    #[track_caller]
    pub fn layer(self, x: Var<'b>) -> Var<'b> {
        x.layer_norm(self.scale, self.shift, 1e-5)
    }
}
