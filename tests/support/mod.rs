//! Owned arguments of any element type, and every form of a program run beside
//! the tape. Each test file uses the part it needs.
#![allow(dead_code)]

#[cfg(feature = "jit")]
mod compiled;
#[cfg(feature = "jit")]
#[allow(unused_imports)]
pub use compiled::*;
#[cfg(feature = "jit")]
pub mod points;
pub mod training;

use cotangent::tape::{Data, Gradients, Native, TapeError, Tensor};
use cotangent::{DType, Graph, Tape, ValueId, ValueType};

/// Steele, Lea and Flood's SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between -2 and 2.
    pub fn real(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 51) as f64 - 2.0
    }
}

/// Elements of one argument.
#[derive(Clone, Debug)]
pub enum Column {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

impl Column {
    pub fn zeros(ty: &ValueType) -> Column {
        Column::from_fn(ty, || 0)
    }

    /// Random numbers; indices are below 2.
    pub fn random(ty: &ValueType, rng: &mut Rng) -> Column {
        match ty.dtype {
            DType::F64 => Column::F64((0..ty.numel()).map(|_| rng.real()).collect()),
            DType::F32 => Column::F32((0..ty.numel()).map(|_| rng.real() as f32).collect()),
            _ => Column::from_fn(ty, || rng.next() % 2),
        }
    }

    fn from_fn(ty: &ValueType, mut f: impl FnMut() -> u64) -> Column {
        let n = ty.numel();
        match ty.dtype {
            DType::F64 => Column::F64((0..n).map(|_| f() as f64).collect()),
            DType::F32 => Column::F32((0..n).map(|_| f() as f32).collect()),
            DType::I64 => Column::I64((0..n).map(|_| f() as i64).collect()),
            DType::Bool => Column::Bool((0..n).map(|_| f() != 0).collect()),
        }
    }

    pub fn tensor(&self, ty: &ValueType) -> Tensor {
        let shape = ty.shape.clone();
        match self {
            Column::F64(v) => Tensor::f64(shape, v),
            Column::F32(v) => Tensor::f32(shape, v),
            Column::I64(v) => Tensor::i64(shape, v),
            Column::Bool(v) => Tensor::bool(shape, v),
        }
        .expect("as many elements as the shape has")
    }

    /// Bits, NaNs as a class.
    pub fn bits(&self) -> Vec<u64> {
        match self {
            Column::F64(v) => v.iter().map(|&x| bits64(x)).collect(),
            Column::F32(v) => v.iter().map(|&x| bits32(x)).collect(),
            Column::I64(v) => v.iter().map(|&x| x as u64).collect(),
            Column::Bool(v) => v.iter().map(|&x| u64::from(x)).collect(),
        }
    }
}

fn bits64(x: f64) -> u64 {
    if x.is_nan() { u64::MAX } else { x.to_bits() }
}

fn bits32(x: f32) -> u64 {
    if x.is_nan() { u64::MAX } else { u64::from(x.to_bits()) }
}

/// Bits of a tensor of the tape, NaNs as a class.
pub fn tensor_bits(tensor: &Tensor) -> Vec<u64> {
    match tensor.data() {
        Data::F64(v) => v.iter().map(|&x| bits64(x)).collect(),
        Data::F32(v) => v.iter().map(|&x| bits32(x)).collect(),
        Data::I64(v) => v.iter().map(|&x| x as u64).collect(),
        Data::Bool(v) => v.iter().map(|&x| u64::from(x)).collect(),
    }
}

fn bits(columns: &[Column]) -> Vec<Vec<u64>> {
    columns.iter().map(Column::bits).collect()
}

/// Types of these values.
pub fn types(graph: &Graph, values: impl IntoIterator<Item = ValueId>) -> Vec<ValueType> {
    values.into_iter().map(|v| graph.ty(v).clone()).collect()
}

pub fn floats(graph: &Graph, values: impl IntoIterator<Item = ValueId>) -> Vec<ValueId> {
    values.into_iter().filter(|&v| graph.ty(v).dtype.is_float()).collect()
}

pub fn random(types: &[ValueType], rng: &mut Rng) -> Vec<Column> {
    types.iter().map(|ty| Column::random(ty, rng)).collect()
}

pub fn zeros(types: &[ValueType]) -> Vec<Column> {
    types.iter().map(Column::zeros).collect()
}

/// What the calls of a program are given.
pub struct Case {
    pub inputs: Vec<Column>,
    /// One per float output.
    pub seeds: Vec<Column>,
    /// One per float input.
    pub tangents: Vec<Column>,
    /// One per value; unused for integers and masks.
    pub dense: Vec<Column>,
}

impl Case {
    pub fn random(graph: &Graph, seed: u64) -> Case {
        let rng = &mut Rng(seed);
        let outputs = floats(graph, graph.outputs().iter().copied());
        Case {
            inputs: random(&types(graph, graph.input_values()), rng),
            seeds: random(&types(graph, outputs), rng),
            tangents: random(&types(graph, floats(graph, graph.input_values())), rng),
            dense: random(&types(graph, graph.values()), rng),
        }
    }
}

/// Bits of all that the forms without a scalar output return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    pub outputs: Vec<Vec<u64>>,
    pub gradients: Vec<Vec<u64>>,
    pub tangents: Vec<Vec<u64>>,
    pub values: Vec<Vec<u64>>,
    pub dense: Vec<Vec<u64>>,
}

fn zero_bits(ty: &ValueType) -> Vec<u64> {
    vec![0; ty.numel()]
}

/// The same by the tape.
pub fn run_tape(graph: &Graph, case: &Case) -> Result<Bits, TapeError> {
    let tensor = |column: &Column, v: ValueId| column.tensor(graph.ty(v));
    let inputs = case.inputs.iter().zip(graph.input_values()).map(|(c, v)| tensor(c, v)).collect();
    let tape: Tape<'_> = Tape::compile(graph, inputs)?;
    let outputs = tape.outputs().iter().map(tensor_bits).collect();
    let values = graph.values().map(|v| tape.with_value(v, tensor_bits).unwrap()).collect();

    let wrt = floats(graph, graph.input_values());
    let seeded = floats(graph, graph.outputs().iter().copied());
    let seeds = case.seeds.iter().zip(&seeded).map(|(c, &v)| tensor(c, v)).collect();
    let gradients = tape.vjp(seeds, &wrt)?.iter().map(|(t, _)| tensor_bits(t)).collect();

    let mut given = case.tangents.iter();
    let dx = graph
        .input_values()
        .map(|v| graph.ty(v).dtype.is_float().then(|| tensor(given.next().unwrap(), v)))
        .collect();
    let moved = tape.jvp(dx)?;
    let or_zero = |grads: &Gradients<Native>, v: ValueId| match &grads[v.index()] {
        Some(t) => tensor_bits(t),
        None => zero_bits(graph.ty(v)),
    };
    let tangents = seeded.iter().map(|&v| or_zero(&moved, v)).collect();

    let dense_seeds = graph
        .values()
        .map(|v| graph.ty(v).dtype.is_float().then(|| tensor(&case.dense[v.index()], v)))
        .collect();
    let grads = tape.backward_dense_from(dense_seeds)?;
    let dense = floats(graph, graph.values()).into_iter().map(|v| or_zero(&grads, v)).collect();
    Ok(Bits { outputs, gradients, tangents, values, dense })
}
