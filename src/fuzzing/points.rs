//! Many points in one call: each has the bits that the tape gives for it alone.

use crate::fuzzing::case::{Case, Use};
use crate::fuzzing::compare::{Compared, bits, first_difference};
use crate::fuzzing::expected::{Difference, Expected};
use crate::fuzzing::forms::Form;
use crate::fuzzing::source::{Rng, Source};
use crate::graph::{DType, Graph, ValueId, ValueType};
use crate::ops::Elements;
use crate::program::{Arg, ArgMut, Forms, Points, PointsMut, Program};
use crate::tape::{Native, Tensor};
use std::fmt::Display;

/// Most points of a call.
const MOST: usize = 40;
/// Most elements of all values of a graph: code for points is straight-line code.
const SMALL: usize = 4000;

/// One argument at all points.
struct Argument {
    ty: ValueType,
    point: usize,
    element: usize,
    elements: Elements,
}

impl Argument {
    /// Room for `n` points, in a layout that is drawn.
    fn room(ty: &ValueType, n: usize, rng: &mut Rng) -> Argument {
        let m = ty.numel();
        let gap = rng.below(3);
        let (point, element) = match rng.below(3) {
            0 => (m, 1),
            1 => (1, n),
            _ if rng.chance(1, 2) => (m * (gap + 1) + gap, gap + 1),
            _ => (gap + 1, n * (gap + 1) + gap),
        };
        let len = if m == 0 { 0 } else { (n - 1) * point + (m - 1) * element + 1 };
        let elements = match ty.dtype {
            DType::F64 => Elements::F64(vec![0.5; len]),
            DType::F32 => Elements::F32(vec![0.5; len]),
            DType::I64 => Elements::I64(vec![7; len]),
            DType::Bool => Elements::Bool(vec![false; len]),
        };
        Argument { ty: ty.clone(), point, element, elements }
    }

    /// What each point is given.
    fn of<'t>(
        ty: &ValueType,
        points: impl ExactSizeIterator<Item = &'t Tensor<Native>>,
        rng: &mut Rng,
    ) -> Argument {
        let mut made = Argument::room(ty, points.len(), rng);
        for (p, tensor) in points.enumerate() {
            for i in 0..ty.numel() {
                let (at, bits) = (p * made.point + i * made.element, bits(tensor.data(), i));
                match &mut made.elements {
                    Elements::F64(v) => v[at] = f64::from_bits(bits),
                    Elements::F32(v) => v[at] = f32::from_bits(bits as u32),
                    Elements::I64(v) => v[at] = bits as i64,
                    Elements::Bool(v) => v[at] = bits != 0,
                }
            }
        }
        made
    }

    fn points(&self) -> Points<'_> {
        let data: Arg<'_> = match &self.elements {
            Elements::F64(v) => v.into(),
            Elements::F32(v) => v.into(),
            Elements::I64(v) => v.into(),
            Elements::Bool(v) => v.into(),
        };
        Points::strided(data, self.point, self.element)
    }

    fn points_mut(&mut self) -> PointsMut<'_> {
        let data: ArgMut<'_> = match &mut self.elements {
            Elements::F64(v) => v.into(),
            Elements::F32(v) => v.into(),
            Elements::I64(v) => v.into(),
            Elements::Bool(v) => v.into(),
        };
        PointsMut::strided(data, self.point, self.element)
    }
}

/// What the tape gives for one set of inputs.
struct Of<'e> {
    inputs: &'e [Tensor<Native>],
    seeds: Vec<Tensor<Native>>,
    outputs: Vec<Tensor<Native>>,
    gradients: Vec<Tensor<Native>>,
}

/// Outputs and vector-Jacobian products of a case at points drawn from its sets of inputs.
pub fn check(
    case: &Case,
    graph: &Graph,
    expected: &[Expected<'_>],
    compared: &mut Compared,
) -> Result<(), Difference> {
    let elements: usize = graph.values().map(|v| graph.ty(v).numel()).fold(0, usize::saturating_add);
    if elements > SMALL {
        return Ok(());
    }
    let form = Form::Points as u64;
    let config = case.config(form);
    let wrt = case.wrt(form);
    let found = |what: String| Difference { form: Some(Form::Points), config: Some(config), set: 0, what };
    let fail = |error: &dyn Display| found(format!("the call failed: {error}"));
    let floats: Vec<ValueId> =
        graph.outputs().iter().copied().filter(|&o| graph.ty(o).dtype.is_float()).collect();
    let mut sets = Vec::new();
    for of in expected {
        let Ok(tape) = &of.tape else { continue };
        let seed =
            |(i, &o): (usize, &ValueId)| case.direction(Use::Seed, graph.ty(o), &[of.set, form, 0, i as u64]);
        let seeds: Vec<_> = floats.iter().enumerate().filter_map(seed).collect();
        let swept = tape.vjp(seeds.clone(), &wrt).map_err(|error| fail(&error))?;
        let gradients = swept.into_iter().map(|(gradient, _)| gradient).collect();
        sets.push(Of { inputs: &of.inputs, seeds, outputs: tape.outputs(), gradients });
    }
    if sets.is_empty() {
        return Ok(());
    }
    let rng = &mut case.stream(Use::Lead, &[form]);
    let points: Vec<&Of<'_>> = (0..1 + rng.below(MOST)).map(|_| &sets[rng.below(sets.len())]).collect();
    let n = points.len();
    let positions: Vec<usize> = wrt.iter().map(|v| v.index()).collect();
    let options = config.options().forms(Forms::VJP).wrt(&positions);
    let batched = Program::batched(graph, &options);
    let batched = batched.map_err(|error| found(format!("does not compile: {error}")))?;
    let inputs: Vec<Argument> = graph
        .input_values()
        .enumerate()
        .map(|(i, v)| Argument::of(graph.ty(v), points.iter().map(|p| &p.inputs[i]), rng))
        .collect();
    let seeds: Vec<Argument> = floats
        .iter()
        .enumerate()
        .map(|(i, &o)| Argument::of(graph.ty(o), points.iter().map(|p| &p.seeds[i]), rng))
        .collect();
    let mut room =
        |of: &[ValueId]| of.iter().map(|&v| Argument::room(graph.ty(v), n, rng)).collect::<Vec<_>>();
    let (mut outputs, mut gradients) = (room(graph.outputs()), room(&wrt));
    let mut ws = batched.workspace();
    let called = batched.value_and_vjp(
        &mut ws,
        n,
        &inputs.iter().map(Argument::points).collect::<Vec<_>>(),
        &seeds.iter().map(Argument::points).collect::<Vec<_>>(),
        &mut outputs.iter_mut().map(Argument::points_mut).collect::<Vec<_>>(),
        &mut gradients.iter_mut().map(Argument::points_mut).collect::<Vec<_>>(),
    );
    called.map_err(|error| fail(&error))?;
    let mut same = |what: &str, at: usize, wanted: &[Tensor<Native>], got: &[Argument]| {
        for (i, (tape, code)) in wanted.iter().zip(got).enumerate() {
            debug_assert_eq!(tape.ty(), &code.ty);
            let place = |e: usize| code.elements.bits(at * code.point + e * code.element);
            if let Some(element) = first_difference(tape, place, compared) {
                return Err(found(format!("{what} {i} of point {at} of {n}, {element}")));
            }
        }
        Ok(())
    };
    for (at, point) in points.iter().enumerate() {
        same("output", at, &point.outputs, &outputs)?;
        same("gradient by wanted input", at, &point.gradients, &gradients)?;
    }
    Ok(())
}
