//! Custom ops: by a random graph or a callback, with rules of every kind.
//!
//! Their rules are no derivatives of anything, unless they follow from the
//! definition: tape and code share them, whatever they say.

use crate::fuzzing::draft::{Draft, DraftValue, Slot};
use crate::fuzzing::generate::{CustomOps, Generator, Profile};
use crate::graph::{Graph, ValueType};
use crate::ops::{Arg, ArgMut, CustomOp, CustomRule, make};
use std::convert::Infallible;

/// Most nodes of a graph of a custom op, outputs of a rule aside.
const MAX_NODES: usize = 6;

fn floats(types: &[ValueType]) -> impl Iterator<Item = &ValueType> {
    types.iter().filter(|ty| ty.dtype.is_float())
}

/// Values as inputs of a graph of their own.
pub(super) fn as_input(ty: &ValueType, bound: Option<usize>) -> DraftValue {
    DraftValue { ty: ty.clone(), node: None, bound }
}

impl Generator<'_> {
    /// Tries to append a node of a custom op.
    pub(super) fn custom(&mut self) -> Option<bool> {
        let mut operands: Vec<Slot> = Vec::new();
        for _ in 0..1 + self.source.below(3) {
            operands.push(self.pick(|_| true)?);
        }
        let op = if self.source.chance(1, 2) { self.graphs(&operands)? } else { self.callback(&operands)? };
        Some(self.append(op.op(), operands))
    }

    /// An op by a graph, which may have custom ops in turn.
    fn graphs(&mut self, operands: &[Slot]) -> Option<CustomOp> {
        let given = operands.iter().map(|&v| &self.draft.values[v]);
        let inputs: Vec<DraftValue> = given.map(|value| as_input(&value.ty, value.bound)).collect();
        let levels = self.levels - 1;
        let forward = self.inner(&inputs, levels, self.loops.min(1), |g| g.draw_outputs())?;
        let types: Vec<ValueType> = forward.input_values().map(|v| forward.ty(v).clone()).collect();
        let results: Vec<ValueType> = forward.outputs().iter().map(|&v| forward.ty(v).clone()).collect();
        let [vjp, jvp] = [true, false].map(|vjp| match self.source.chance(1, 3) {
            true => Some(CustomRule::ByDefinition),
            false => self.rule(&types, &results, vjp),
        });
        CustomOp::from_graphs("drawn", forward, vjp?, jvp?).ok()
    }

    /// An op by a callback.
    fn callback(&mut self, operands: &[Slot]) -> Option<CustomOp> {
        let types: Vec<ValueType> = operands.iter().map(|&v| self.ty(v).clone()).collect();
        let mut results = Vec::new();
        for _ in 0..1 + self.source.below(2) {
            let like = self.pick(|_| true)?;
            results.push(match self.source.chance(1, 2) {
                true => self.ty(like).clone(),
                false => ValueType::new(self.float_type(), self.shape()),
            });
        }
        let mut op = CustomOp::from_fn("native", &types, &results, native(self.source.below(64))).ok()?;
        for vjp in [true, false] {
            let f = native(self.source.below(64));
            let ruled = match (self.first_order(), vjp) {
                (true, true) => op.with_vjp_fn(f),
                (true, false) => op.with_jvp_fn(f),
                (false, true) => op.with_vjp(self.rule(&types, &results, vjp)?),
                (false, false) => op.with_jvp(self.rule(&types, &results, vjp)?),
            };
            op = ruled.ok()?;
        }
        Some(op)
    }

    /// Whether to take a rule without rules of its own.
    fn first_order(&mut self) -> bool {
        self.profile.custom == CustomOps::FirstOrder && self.source.chance(1, 2)
    }

    /// A rule for these operands and results: a graph, or an op by that graph.
    fn rule(&mut self, operands: &[ValueType], results: &[ValueType], vjp: bool) -> Option<CustomRule> {
        let (given, wanted) = if vjp { (results, operands) } else { (operands, results) };
        let types = operands.iter().chain(results).chain(floats(given));
        let inputs: Vec<DraftValue> = types.map(|ty| as_input(ty, None)).collect();
        let graph = self.inner(&inputs, 0, 0, |g| {
            for ty in floats(wanted) {
                g.output(ty);
            }
        })?;
        Some(match self.source.chance(1, 3) {
            true => {
                let by = || CustomRule::ByDefinition;
                CustomOp::from_graphs("drawn_rule", graph, by(), by()).ok()?.into()
            }
            false => graph.into(),
        })
    }

    /// An output of a type that an input has: two values of it together.
    pub(super) fn output(&mut self, ty: &ValueType) {
        let found = [self.pick(|t| t == ty), self.pick(|t| t == ty)];
        let [Some(a), Some(b)] = found else { return };
        let op = if self.source.chance(1, 2) { make::mul() } else { make::add() };
        let both = self.append(op, vec![a, b]);
        self.draft.outputs.push(if both { self.draft.values.len() - 1 } else { a });
    }

    /// A small graph of these inputs.
    pub(super) fn inner(
        &mut self,
        inputs: &[DraftValue],
        levels: usize,
        loops: usize,
        end: impl FnOnce(&mut Generator<'_>),
    ) -> Option<Graph> {
        // As many inputs as there are: more would be operands that nobody gives.
        let room = inputs.len() * 2 + MAX_NODES;
        let profile = Profile { max_nodes: room, max_inputs: inputs.len(), ..self.profile.clone() };
        let mut g = Generator {
            source: &mut *self.source,
            draft: Draft::default(),
            profile: &profile,
            extents: self.extents.clone(),
            limit: self.limit,
            main: self.main,
            mixed: self.mixed,
            // The code may leave out what fails where nothing uses it.
            stray: false,
            levels,
            loops,
            admit: &mut |_, _, _| true,
        };
        for input in inputs {
            g.draft.input(input.ty.clone(), input.bound);
        }
        let wanted = 1 + g.source.below(MAX_NODES);
        g.fill(wanted);
        end(&mut g);
        Some(g.draft.finish().ok()?.graph)
    }
}

/// A function of any arguments: each element of a result is a weighted sum of
/// elements of the arguments. Some leave elements at the zeros they start with.
fn native(salt: usize) -> impl Fn(&[Arg<'_>], &mut [ArgMut<'_>]) -> Result<(), Infallible> + Send + Sync {
    move |inputs, outputs| {
        for (o, output) in outputs.iter_mut().enumerate() {
            for j in (0..output.len()).filter(|j| salt % 4 < 3 || j % 3 > 0) {
                let mut sum = 0.25;
                for (k, input) in inputs.iter().enumerate().filter(|(_, input)| !input.is_empty()) {
                    let weight = [0.5, -1.0, 1.5, 2.0][(salt + o + k) % 4];
                    sum += weight * number(input, (j + k + salt) % input.len());
                }
                match output {
                    ArgMut::F64(v) => v[j] = sum,
                    ArgMut::F32(v) => v[j] = sum as f32,
                    ArgMut::I64(v) => v[j] = sum as i64,
                    ArgMut::Bool(v) => v[j] = sum > 0.5,
                }
            }
        }
        Ok(())
    }
}

fn number(arg: &Arg<'_>, i: usize) -> f64 {
    match arg {
        Arg::F64(v) => v[i],
        Arg::F32(v) => f64::from(v[i]),
        Arg::I64(v) => v[i] as f64,
        Arg::Bool(v) => f64::from(u8::from(v[i])),
    }
}
