//! The tape: an interpreter of graphs that holds every value. It is the oracle
//! of compiled code, and runs where no code can be generated.

mod array;
mod buf;
mod callback;
mod dual;
mod eval;
mod index;
mod map;
mod prims;
mod rational;
mod replay;
mod rounded;
mod scalar;
mod scalar_rules;
mod strided;
mod tensor;

use crate::check::{NonFinite, finite};
use crate::derive;
use crate::derive::sweep::{self, Connection, Level, located};
use crate::graph::{Graph, GraphError, ValueId, ValueType};
use crate::ops::{Emitter, OpError, Value};
use eval::Evaluator;
use std::cell::RefCell;
use std::collections::BTreeMap;
use thiserror::Error;

pub use buf::{Buf, Element, Spare};
pub use dual::{Dual, Duals};
pub use rational::{Exact, GREW, bits, one};
pub(crate) use rounded::{Rounded, Roundings};
pub use scalar::{Native, Numbers, Pairs, Refusal, Scalar};
pub use tensor::{Data, Tensor};

/// Errors of the tape. The texts are those of the system this one follows.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum TapeError {
    #[error("autograd: expected {expected} inputs, got {got}")]
    InputCount { expected: usize, got: usize },
    #[error("autograd: input {index} {name}: expected {expected}, got {got}")]
    Input { index: usize, name: String, expected: ValueType, got: ValueType },
    #[error("autograd: invalid output id {id} (the tape holds {len} values)")]
    InvalidOutput { id: ValueId, len: usize },
    #[error("autograd: seed gradient shape mismatch for output: {id} has {expected}, the seed {got}")]
    SeedShape { id: ValueId, expected: ValueType, got: ValueType },
    #[error("autograd: initial dense gradient array has wrong length: expected {expected}, got {got}")]
    DenseLength { expected: usize, got: usize },
    #[error("autograd: gradient array has wrong shape for node: {id} has {expected}, the seed {got}")]
    DenseShape { id: ValueId, expected: ValueType, got: ValueType },
    #[error("autograd: value {id} of type {ty} carries no gradient")]
    NotFloat { id: ValueId, ty: ValueType },
    #[error("{0}")]
    Graph(#[from] GraphError),
}

impl From<OpError> for TapeError {
    fn from(error: OpError) -> TapeError {
        TapeError::Graph(error.into())
    }
}

/// Every value of a graph, evaluated at given inputs.
pub struct Tape<'g, N: Numbers = Native> {
    graph: &'g Graph,
    // Sweeps push temporaries behind the values and take them away again.
    values: RefCell<Evaluator<N>>,
}

/// Gradients by value id; `None` for values that carry none.
pub type Gradients<N> = Vec<Option<Tensor<N>>>;

/// Seeds, at most one for a value.
type Seeds<N> = Vec<(ValueId, Tensor<N>)>;

impl<'g, N: Numbers> Tape<'g, N> {
    /// Evaluates `graph` at `inputs` and keeps every value.
    ///
    /// # Errors
    /// Inputs of other number, shape or type; a run-time index out of range; a
    /// function that the arithmetic refuses.
    pub fn compile(graph: &'g Graph, inputs: Vec<Tensor<N>>) -> Result<Tape<'g, N>, TapeError> {
        if inputs.len() != graph.inputs().len() {
            return Err(TapeError::InputCount { expected: graph.inputs().len(), got: inputs.len() });
        }
        for (index, (v, tensor)) in graph.input_values().zip(&inputs).enumerate() {
            if tensor.ty() != graph.ty(v) {
                let name = graph.inputs()[index].name.to_string();
                let (expected, got) = (graph.ty(v).clone(), tensor.ty().clone());
                return Err(TapeError::Input { index, name, expected, got });
            }
        }
        // A sweep needs as many slots again.
        let mut e = Evaluator::new(inputs, 2 * graph.len());
        for (id, node) in graph.nodes_with_ids() {
            if let Value::Map(f) = node.op.row().value
                && e.push_scalar(f, node.operands()).is_some()
            {
                continue;
            }
            let mark = e.mark();
            let results =
                e.evaluate(&node.op, node.operands()).map_err(|err| located(err.into(), graph, id))?;
            e.settle(mark, &results);
        }
        Ok(Tape { graph, values: RefCell::new(e) })
    }

    /// The graph this tape was made from.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// A value; `None` for an id out of range.
    pub fn value(&self, id: ValueId) -> Option<Tensor<N>> {
        self.graph.contains(id).then(|| self.values.borrow().at(id).into_owned())
    }

    /// Looks at a value without copying it.
    pub fn with_value<R>(&self, id: ValueId, f: impl FnOnce(&Tensor<N>) -> R) -> Option<R> {
        self.graph.contains(id).then(|| f(&self.values.borrow().at(id)))
    }

    /// The outputs of the graph, in order.
    pub fn outputs(&self) -> Vec<Tensor<N>> {
        let values = self.values.borrow();
        self.graph.outputs().iter().map(|&v| values.at(v).into_owned()).collect()
    }

    /// The last value (the seed's `out_id`).
    pub fn out_id(&self) -> ValueId {
        self.graph.out_id()
    }

    /// The last value, or an error where the graph has no node.
    pub fn checked_out_id(&self) -> Result<ValueId, TapeError> {
        Ok(self.graph.checked_out_id()?)
    }

    /// The most general reverse: a seed for every value (`None` for integers and
    /// masks), the gradient of every value. Every float value counts as seeded,
    /// zero seeds too.
    pub fn backward_dense_from(&self, seeds: Vec<Option<Tensor<N>>>) -> Result<Gradients<N>, TapeError> {
        if seeds.len() != self.graph.len() {
            return Err(TapeError::DenseLength { expected: self.graph.len(), got: seeds.len() });
        }
        for (v, seed) in self.graph.values().zip(&seeds) {
            let ty = self.graph.ty(v);
            match seed {
                Some(_) if !ty.dtype.is_float() => return Err(TapeError::NotFloat { id: v, ty: ty.clone() }),
                Some(t) if t.ty() != ty => {
                    return Err(TapeError::DenseShape { id: v, expected: ty.clone(), got: t.ty().clone() });
                }
                _ => {}
            }
        }
        let seeds = self.graph.values().zip(seeds).filter_map(|(v, seed)| Some((v, seed?))).collect();
        self.sweep(seeds, None, None, all)
    }

    /// A seed at one value; gradients of all values, zeros where nothing flows.
    pub fn backward_dense_all(&self, output: ValueId, seed: Tensor<N>) -> Result<Gradients<N>, TapeError> {
        let mut grads = self.sweep(self.seed_at(output, seed)?, None, None, all)?;
        for (v, grad) in self.graph.values().zip(&mut grads) {
            let ty = self.graph.ty(v);
            if grad.is_none() && ty.dtype.is_float() {
                let zero = Tensor::filled(ty.clone(), 0.0);
                *grad = Some(zero.map_err(|why| OpError::Refused { op: "backward", why: why.into() })?);
            }
        }
        Ok(grads)
    }

    /// A seed at one value; gradients of the values it reaches.
    pub fn backward(
        &self,
        output: ValueId,
        seed: Tensor<N>,
    ) -> Result<BTreeMap<ValueId, Tensor<N>>, TapeError> {
        let grads = self.sweep(self.seed_at(output, seed)?, None, None, all)?;
        Ok(self.graph.values().zip(grads).filter_map(|(v, g)| Some((v, g?))).collect())
    }

    /// Sparse backward from a scalar seeded with 1.
    pub fn backward_scalar(&self, output: ValueId) -> Result<BTreeMap<ValueId, Tensor<N>>, TapeError> {
        if !self.graph.contains(output) {
            return Err(TapeError::InvalidOutput { id: output, len: self.graph.len() });
        }
        let ty = ValueType::new(self.graph.ty(output).dtype, ());
        let one =
            Tensor::filled(ty, 1.0).map_err(|why| OpError::Refused { op: "backward", why: why.into() })?;
        self.backward(output, one)
    }

    /// Seeds at the outputs of the graph (those that are floats, in order);
    /// gradients of `wrt`, with how each hangs together with the seeds.
    pub fn vjp(
        &self,
        seeds: Vec<Tensor<N>>,
        wrt: &[ValueId],
    ) -> Result<Vec<(Tensor<N>, Connection)>, TapeError> {
        let floats = self.check_vjp(&seeds, wrt)?;
        let mut initial: BTreeMap<ValueId, Tensor<N>> = BTreeMap::new();
        for (&output, seed) in floats.iter().zip(seeds) {
            let seed = match initial.remove(&output) {
                None => seed,
                Some(existing) => add(existing, seed)?,
            };
            initial.insert(output, seed);
        }
        self.sweep(initial.into_iter().collect(), Some(wrt), Some(wrt), |swept, e| {
            wrt.iter()
                .map(|&v| {
                    let grad = match swept.cotangent(v) {
                        Some(handle) => e.at(handle).into_owned(),
                        None => Tensor::filled(self.graph.ty(v).clone(), 0.0)
                            .map_err(|why| OpError::Refused { op: "backward", why: why.into() })?,
                    };
                    Ok((grad, swept.connection(v)))
                })
                .collect::<Result<_, TapeError>>()
        })?
    }

    /// Tangents of all values from tangents of the inputs (`None`: does not
    /// move); `None` where the tangent is known to be zero.
    pub fn jvp(&self, tangents: Vec<Option<Tensor<N>>>) -> Result<Gradients<N>, TapeError> {
        let inputs = self.graph.inputs().len();
        if tangents.len() != inputs {
            return Err(TapeError::InputCount { expected: inputs, got: tangents.len() });
        }
        for (v, tangent) in self.graph.input_values().zip(&tangents) {
            if let Some(t) = tangent {
                self.check_seed(v, t)?;
            }
        }
        let mut e = self.values.borrow_mut();
        let e = &mut *e;
        let mut seeds = vec![None; self.graph.len()];
        for (slot, tangent) in seeds.iter_mut().zip(tangents) {
            *slot = tangent.map(|t| e.push(t));
        }
        let handles: Vec<ValueId> = self.graph.values().collect();
        let out = sweep::forward(self.graph, e, &handles, seeds, Level::Graph)
            .map(|t| t.iter().map(|h| h.map(|h| e.at(h).into_owned())).collect());
        e.truncate(self.graph.len());
        Ok(out?)
    }

    /// Seeds at the float outputs, which it gives, and what is differentiated by.
    fn check_vjp(&self, seeds: &[Tensor<N>], wrt: &[ValueId]) -> Result<Vec<ValueId>, TapeError> {
        let floats: Vec<ValueId> =
            self.graph.outputs().iter().copied().filter(|&o| self.graph.ty(o).dtype.is_float()).collect();
        if seeds.len() != floats.len() {
            return Err(TapeError::DenseLength { expected: floats.len(), got: seeds.len() });
        }
        for &v in wrt {
            if !self.graph.contains(v) {
                return Err(TapeError::InvalidOutput { id: v, len: self.graph.len() });
            }
            if !self.graph.ty(v).dtype.is_float() {
                return Err(TapeError::NotFloat { id: v, ty: self.graph.ty(v).clone() });
            }
        }
        floats.iter().zip(seeds).try_for_each(|(&output, seed)| self.check_seed(output, seed))?;
        Ok(floats)
    }

    fn check_seed(&self, id: ValueId, seed: &Tensor<N>) -> Result<(), TapeError> {
        let ty = self.graph.ty(id);
        if !ty.dtype.is_float() {
            return Err(TapeError::NotFloat { id, ty: ty.clone() });
        }
        if seed.ty() != ty {
            return Err(TapeError::SeedShape { id, expected: ty.clone(), got: seed.ty().clone() });
        }
        Ok(())
    }

    fn seed_at(&self, output: ValueId, seed: Tensor<N>) -> Result<Seeds<N>, TapeError> {
        if !self.graph.contains(output) {
            return Err(TapeError::InvalidOutput { id: output, len: self.graph.len() });
        }
        self.check_seed(output, &seed)?;
        Ok(vec![(output, seed)])
    }

    fn sweep<R>(
        &self,
        seeds: Seeds<N>,
        wrt: Option<&[ValueId]>,
        kept: Option<&[ValueId]>,
        pick: impl FnOnce(&sweep::Reverse, &Evaluator<N>) -> R,
    ) -> Result<R, TapeError> {
        let mut e = self.values.borrow_mut();
        let e = &mut *e;
        e.begin_sweep();
        let mut initial = vec![None; self.graph.len()];
        for (v, seed) in seeds {
            initial[v.index()] = Some(e.push(seed));
        }
        let handles: Vec<ValueId> = self.graph.values().collect();
        let active = wrt.map(|wrt| sweep::active(self.graph, wrt));
        let swept = sweep::reverse(self.graph, e, &handles, initial, active.as_deref(), kept, Level::Graph);
        let out = swept.map(|swept| pick(&swept, e));
        e.truncate(self.graph.len());
        Ok(out?)
    }
}

/// The gradients of all values.
fn all<N: Numbers>(swept: &sweep::Reverse, e: &Evaluator<N>) -> Gradients<N> {
    e.values().map(|v| swept.cotangent(v).map(|h| e.at(h).into_owned())).collect()
}

impl Tape<'_, Native> {
    /// The first value that is NaN or infinite, with the op that made it so: see
    /// [`NonFinite`] for what counts.
    pub fn first_nonfinite(&self) -> Option<NonFinite> {
        let excused = finite::excused(self.graph);
        self.graph.values().find_map(|v| {
            if self.graph.literal(v).is_some() {
                return None;
            }
            let found = self.first_in(v, excused[v.index()])?;
            Some(finite::report(self.graph, v, found, &|v, i| self.element(v, i)))
        })
    }

    /// The first gradient that is NaN or infinite in the reverse sweep with these
    /// seeds at the float outputs for these values, with the op whose rule made it
    /// so: see [`NonFinite`]. The sweep is recorded as a
    /// graph and evaluated with all that it computes, so this takes more time
    /// and memory than [`Tape::vjp`].
    ///
    /// # Errors
    /// As [`Tape::vjp`].
    ///
    /// # Example
    /// ```
    /// use cotangent::tape::Tensor;
    /// use cotangent::{Builder, Tape, dtype};
    ///
    /// let g = Builder::new();
    /// let x = g.input("x", dtype::f64, [2]);
    /// let graph = g.finish(&[x.sqrt().sum()])?;
    /// let tape = Tape::compile(&graph, vec![Tensor::f64([2], &[4.0, 0.0]).ok_or("length")?])?;
    /// let (seed, wrt) = (Tensor::f64([], &[1.0]).ok_or("length")?, graph.input_values().collect::<Vec<_>>());
    /// let found = tape.first_nonfinite_gradient(vec![seed], &wrt)?.ok_or("finite")?;
    /// assert_eq!((found.node.map(|(_, op)| op), found.index(), found.number), (Some("sqrt"), vec![1], f64::INFINITY));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_nonfinite_gradient(
        &self,
        seeds: Vec<Tensor>,
        wrt: &[ValueId],
    ) -> Result<Option<NonFinite>, TapeError> {
        self.check_vjp(&seeds, wrt)?;
        let graph = self.graph;
        let reverse = derive::reverse(graph, wrt)?;
        let values = graph.values().filter_map(|v| self.value(v));
        let swept = Tape::compile(&reverse.graph, values.chain(seeds).collect())?;
        // A rule sees the gradients of results after all of their parts.
        let mut whole: Vec<Option<ValueId>> = vec![None; graph.len()];
        for (step, excused) in finite::steps(graph, &reverse.trace) {
            whole[step.value.index()] = Some(step.gradient);
            if let Some(found) = swept.first_in(step.gradient, excused) {
                let gradient = |v: ValueId, i: usize| swept.element(whole[v.index()]?, i);
                let read = |v: ValueId, i: usize| self.element(v, i);
                return Ok(Some(finite::report_gradient(graph, step, found, &read, &gradient)));
            }
        }
        Ok(None)
    }

    fn first_in(&self, v: ValueId, excused: bool) -> Option<(usize, f64)> {
        self.with_value(v, |t| match t.data() {
            Data::F64(x) => finite::first_in(x, excused),
            Data::F32(x) => finite::first_in(x, excused),
            Data::I64(_) | Data::Bool(_) => None,
        })?
    }

    fn element(&self, v: ValueId, i: usize) -> Option<f64> {
        self.with_value(v, |t| t.to_f64().get(i).copied()).flatten()
    }
}

fn add<N: Numbers>(a: Tensor<N>, b: Tensor<N>) -> Result<Tensor<N>, OpError> {
    let mut e = Evaluator::new(vec![a, b], 3);
    let sum = {
        let e: &mut dyn Emitter = &mut e;
        e.add(ValueId::new(0), ValueId::new(1))?
    };
    Ok(e.at(sum).into_owned())
}

/// One op on constants, by the tape's own definition; `None` where it fails.
#[cfg(feature = "jit")]
pub(crate) fn fold(op: &crate::ops::Op, operands: Vec<Tensor<Native>>) -> Option<Tensor<Native>> {
    let ids: Vec<ValueId> = (0..operands.len() as u32).map(ValueId::new).collect();
    let mut e = Evaluator::new(operands, 0);
    let results = e.evaluate(op, &ids).ok()?;
    match results.as_slice() {
        [id] => Some(e.at(*id).into_owned()),
        _ => None,
    }
}

/// One scalar function of f64 constants; `None` where it is not such a function.
#[cfg(feature = "jit")]
pub(crate) fn fold_f64(f: crate::ops::MapFn, args: &[f64]) -> Option<f64> {
    match *args {
        [x] => f64::unary(f, &x).ok(),
        [x, y] => f64::binary(f, &x, &y).ok(),
        [x, y, z] if f == crate::ops::MapFn::Fma => Some(f64::fma(&x, &y, &z)),
        _ => None,
    }
}
