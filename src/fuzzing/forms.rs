//! Each compiled form against the tape.

use crate::fuzzing::case::{Case, SETS, Use};
use crate::fuzzing::compare::{Buffer, Compared, Element, first_difference};
use crate::fuzzing::expected::{Expected, code_index, tape_index};
use crate::fuzzing::source::{Rng, Source};
use crate::graph::{Graph, ValueId, ValueType};
use crate::ops::make;
use crate::program::{Arg, ArgMut, Elements, Forms, Program, Workspace};
use crate::tape::{Native, Tape, Tensor, fold};
use std::fmt;

/// The forms, each with a number for its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Every value, every gradient.
    Dense,
    /// Outputs, then vector-Jacobian products.
    Reverse,
    /// Outputs and vector-Jacobian product, fused.
    Vjp,
    /// Outputs and Jacobian-vector product.
    Jvp,
    /// Value and gradient of one number.
    ValueAndGrad,
    /// Outputs and vector-Jacobian product at many points.
    Points,
}

/// The forms that are calls of a program.
pub const CALLS: [Form; 5] = [Form::Dense, Form::Reverse, Form::Vjp, Form::Jvp, Form::ValueAndGrad];
/// All forms.
pub const FORMS: [Form; 6] =
    [Form::Dense, Form::Reverse, Form::Vjp, Form::Jvp, Form::ValueAndGrad, Form::Points];

type Check = Result<(), String>;

/// One compiled program, called with every set of inputs.
pub struct Run<'a> {
    /// The case.
    pub case: &'a Case,
    /// The graph that was compiled: the case's, maybe with another output.
    pub graph: &'a Graph,
    /// The program.
    pub program: &'a Program,
    /// What the streams of wanted inputs, seeds and tangents are keyed by.
    pub form: Form,
    /// Whether the program has all forms, so that one can run between the calls of another.
    pub together: bool,
    /// Counts elements.
    pub compared: &'a mut Compared,
}

fn args(buffers: &[Buffer]) -> Vec<Arg<'_>> {
    buffers.iter().map(Buffer::arg).collect()
}

fn args_mut(buffers: &mut [Buffer]) -> Vec<ArgMut<'_>> {
    buffers.iter_mut().map(Buffer::arg_mut).collect()
}

fn of_element(what: &str, element: Option<Element>) -> Check {
    element.map_or(Ok(()), |e| Err(format!("{what}, {e}")))
}

fn fail(error: impl fmt::Display) -> String {
    format!("the call failed: {error}")
}

impl Run<'_> {
    /// Compares one form on one set of inputs.
    pub fn check(&mut self, form: Form, ws: &mut Workspace, expected: &Expected<'_>) -> Check {
        let mut rng = self.case.stream(Use::Lead, &[expected.set, form as u64]);
        let inputs: Vec<Buffer> =
            expected.inputs.iter().map(|t| Buffer::of(t, usize::from(rng.chance(1, 4)))).collect();
        match (&expected.tape, form) {
            (Ok(tape), Form::Dense) => self.dense(ws, &inputs, tape, expected.set, &mut rng),
            (Ok(tape), Form::Reverse) => self.reverse(ws, &inputs, tape, expected.set, &mut rng),
            (Ok(tape), Form::Vjp | Form::Points) => self.vjp(ws, &inputs, tape, expected.set, &mut rng),
            (Ok(tape), Form::Jvp) => self.jvp(ws, &inputs, tape, expected.set, &mut rng),
            (Ok(tape), Form::ValueAndGrad) => self.value_and_grad(ws, &inputs, tape, &mut rng),
            // The dense form computes all that the tape does, so it fails alike.
            (Err(error), Form::Dense) => match self.program.forward_dense(ws, &args(&inputs)) {
                Err(code) if code_index(&code) == tape_index(error) => Ok(()),
                other => Err(format!("the tape reports {error}, the code {other:?}")),
            },
            (Err(_), _) => Ok(()),
        }
    }

    fn tensor(&mut self, what: &str, tape: &Tensor<Native>, code: &Buffer) -> Check {
        of_element(what, first_difference(tape, |i| code.bits(i), self.compared))
    }

    fn tensors(&mut self, what: &str, tape: &[Tensor<Native>], code: &[Buffer]) -> Check {
        tape.iter()
            .zip(code)
            .enumerate()
            .try_for_each(|(i, (t, c))| self.tensor(&format!("{what} {i}"), t, c))
    }

    fn dense(
        &mut self,
        ws: &mut Workspace,
        inputs: &[Buffer],
        tape: &Tape<'_>,
        set: u64,
        rng: &mut Rng,
    ) -> Check {
        self.program.forward_dense(ws, &args(inputs)).map_err(fail)?;
        self.between(ws, inputs, tape, set, rng)?;
        for v in self.graph.values() {
            let held = self.program.value(ws, v).map_err(fail)?;
            let value = tape.value(v).ok_or("a value is missing")?;
            let found = first_difference(&value, |i| bits(&held, i), self.compared);
            of_element(&format!("value {v}"), found)?;
        }
        let mut seeds = Vec::with_capacity(self.graph.len());
        for v in self.graph.values() {
            let ty = self.graph.ty(v);
            let seed = match ty.dtype.is_float() {
                true => self.case.direction(Use::Seed, ty, &[set, v.index() as u64]),
                false => None,
            };
            if let Some(seed) = &seed {
                self.program.set_seed(ws, v, Buffer::of(seed, 0).arg()).map_err(fail)?;
            }
            seeds.push(seed);
        }
        self.program.reverse_dense(ws).map_err(fail)?;
        let gradients = tape.backward_dense_from(seeds).map_err(fail)?;
        for (v, gradient) in self.graph.values().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            let held = self.program.gradient(ws, v).map_err(fail)?;
            let found = first_difference(&gradient, |i| bits(&held, i), self.compared);
            of_element(&format!("gradient of {v}"), found)?;
        }
        Ok(())
    }

    fn wrt(&self) -> &[ValueId] {
        self.program.wrt()
    }

    fn room(&self, of: &[ValueId], rng: &mut Rng) -> Vec<Buffer> {
        of.iter().map(|&v| Buffer::room(self.graph.ty(v), usize::from(rng.chance(1, 4)))).collect()
    }

    fn float_outputs(&self) -> Vec<ValueId> {
        self.graph.outputs().iter().copied().filter(|&o| self.graph.ty(o).dtype.is_float()).collect()
    }

    fn seeds(&self, set: u64, round: u64) -> Vec<Tensor<Native>> {
        let typed = self.float_outputs().into_iter().map(|o| self.graph.ty(o).clone()).enumerate();
        typed
            .filter_map(|(i, ty)| {
                self.case.direction(Use::Seed, &ty, &[set, self.form as u64, round, i as u64])
            })
            .collect()
    }

    fn expected_vjp(&self, tape: &Tape<'_>, seeds: &[Tensor<Native>]) -> Result<Vec<Tensor<Native>>, String> {
        let swept = tape.vjp(seeds.to_vec(), self.wrt()).map_err(fail)?;
        Ok(swept.into_iter().map(|(gradient, _)| gradient).collect())
    }

    fn reverse(
        &mut self,
        ws: &mut Workspace,
        inputs: &[Buffer],
        tape: &Tape<'_>,
        set: u64,
        rng: &mut Rng,
    ) -> Check {
        let mut outputs = self.room(self.graph.outputs(), rng);
        self.program.forward(ws, &args(inputs), &mut args_mut(&mut outputs)).map_err(fail)?;
        self.tensors("output", &tape.outputs(), &outputs)?;
        // Twice from one forward call: the reverse leaves what it reads alone.
        for round in 0..2 {
            let seeds = self.seeds(set, round);
            let given: Vec<Buffer> =
                seeds.iter().map(|t| Buffer::of(t, usize::from(rng.chance(1, 4)))).collect();
            let mut gradients = self.room(self.wrt(), rng);
            self.program.reverse(ws, &args(&given), &mut args_mut(&mut gradients)).map_err(fail)?;
            let expected = self.expected_vjp(tape, &seeds)?;
            self.tensors(&format!("reverse {round}: gradient by wanted input"), &expected, &gradients)?;
            self.between(ws, inputs, tape, set, rng)?;
        }
        Ok(())
    }

    /// Other forms in the same workspace: they leave alone what was saved.
    fn between(
        &mut self,
        ws: &mut Workspace,
        inputs: &[Buffer],
        tape: &Tape<'_>,
        set: u64,
        rng: &mut Rng,
    ) -> Check {
        if self.together {
            self.vjp(ws, inputs, tape, set, rng)?;
            self.jvp(ws, inputs, tape, set, rng)?;
        }
        Ok(())
    }

    fn vjp(
        &mut self,
        ws: &mut Workspace,
        inputs: &[Buffer],
        tape: &Tape<'_>,
        set: u64,
        rng: &mut Rng,
    ) -> Check {
        let seeds = self.seeds(set, 2);
        let given: Vec<Buffer> = seeds.iter().map(|t| Buffer::of(t, 0)).collect();
        let mut outputs = self.room(self.graph.outputs(), rng);
        let mut gradients = self.room(self.wrt(), rng);
        self.program
            .value_and_vjp(
                ws,
                &args(inputs),
                &args(&given),
                &mut args_mut(&mut outputs),
                &mut args_mut(&mut gradients),
            )
            .map_err(fail)?;
        self.tensors("output", &tape.outputs(), &outputs)?;
        let expected = self.expected_vjp(tape, &seeds)?;
        self.tensors("gradient by wanted input", &expected, &gradients)
    }

    fn jvp(
        &mut self,
        ws: &mut Workspace,
        inputs: &[Buffer],
        tape: &Tape<'_>,
        set: u64,
        rng: &mut Rng,
    ) -> Check {
        let wrt = self.wrt().to_vec();
        let drawn = wrt.iter().map(|v| {
            self.case.direction(Use::Tangent, self.graph.ty(*v), &[set, v.index() as u64]).ok_or("no tangent")
        });
        let tangents: Vec<Tensor<Native>> = drawn.collect::<Result<_, _>>()?;
        let given: Vec<Buffer> = tangents.iter().map(|t| Buffer::of(t, 0)).collect();
        let mut outputs = self.room(self.graph.outputs(), rng);
        let floats = self.float_outputs();
        let mut moved = self.room(&floats, rng);
        self.program
            .jvp(ws, &args(inputs), &args(&given), &mut args_mut(&mut outputs), &mut args_mut(&mut moved))
            .map_err(fail)?;
        self.tensors("output", &tape.outputs(), &outputs)?;
        let mut by_input = vec![None; self.graph.inputs().len()];
        for (v, tangent) in wrt.iter().zip(tangents) {
            // An input named twice moves by both.
            let slot: &mut Option<Tensor<Native>> = &mut by_input[v.index()];
            *slot = Some(match slot.take() {
                Some(first) => fold(&make::add(), vec![first, tangent]).ok_or("tangents do not add up")?,
                None => tangent,
            });
        }
        let all = tape.jvp(by_input).map_err(fail)?;
        for (i, (&v, code)) in floats.iter().zip(&moved).enumerate() {
            let tangent = match &all[v.index()] {
                Some(t) => t.clone(),
                None => zeros(self.graph.ty(v))?,
            };
            self.tensor(&format!("tangent of output {i}"), &tangent, code)?;
        }
        Ok(())
    }

    fn value_and_grad(
        &mut self,
        ws: &mut Workspace,
        inputs: &[Buffer],
        tape: &Tape<'_>,
        rng: &mut Rng,
    ) -> Check {
        let mut gradients = self.room(self.wrt(), rng);
        let got =
            self.program.value_and_grad(ws, &args(inputs), &mut args_mut(&mut gradients)).map_err(fail)?;
        let value = tape.outputs().pop().ok_or("no output")?;
        let narrow = value.as_f32().is_some();
        let bits = if narrow { u64::from((got as f32).to_bits()) } else { got.to_bits() };
        of_element("value", first_difference(&value, |_| Some(bits), self.compared))?;
        let one = Tensor::filled(value.ty().clone(), 1.0).map_err(fail)?;
        let expected = self.expected_vjp(tape, &[one])?;
        self.tensors("gradient by wanted input", &expected, &gradients)
    }
}

fn zeros(ty: &ValueType) -> Result<Tensor<Native>, String> {
    Tensor::filled(ty.clone(), 0.0).map_err(fail)
}

fn bits(held: &Elements<'_>, i: usize) -> Option<u64> {
    Some(match held {
        Elements::F64(v) => v.get(i)?.to_bits(),
        Elements::F32(v) => u64::from(v.get(i)?.to_bits()),
        Elements::I64(v) => *v.get(i)? as u64,
        Elements::Bool(v) => u64::from(*v.get(i)?),
    })
}

impl Form {
    /// The form's flag.
    pub fn flag(self) -> Forms {
        match self {
            Form::Dense => Forms::DENSE,
            Form::Reverse => Forms::REVERSE,
            Form::Vjp | Form::Points => Forms::VJP,
            Form::Jvp => Forms::JVP,
            Form::ValueAndGrad => Forms::VALUE_AND_GRAD,
        }
    }
}

/// Calls a program with all sets, each form in turn, the forward one's saved
/// values read after other forms ran in the same workspace.
pub fn check_sets(
    run: &mut Run<'_>,
    forms: &[Form],
    expected: &[Expected<'_>],
) -> Result<(), (u64, Form, String)> {
    let mut ws = run.program.workspace();
    debug_assert!(expected.len() as u64 <= SETS);
    for set in expected {
        for &form in forms {
            run.check(form, &mut ws, set).map_err(|what| (set.set, form, what))?;
        }
    }
    Ok(())
}
