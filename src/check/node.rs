//! The tests of one node at one point.

use crate::check::difference::{self, Compared};
use crate::check::law::{self, Adjointness, grew, op_error, sweep};
use crate::check::point::{as_duals, as_floats, as_rationals, as_wide, has_nan};
use crate::check::report::Fault;
use crate::check::rounding::{self, BOUND, Law};
use crate::check::single::Single;
use crate::check::source::Rng;
use crate::graph::ValueId;
use crate::ops::OpError;
use crate::tape::{Duals, Exact, Gradients, Native, Scalar, Tape, TapeError, Tensor};

/// A JVP is linear: along a direction stretched by these it is stretched too, up
/// to roundings, which this brings to light.
const STRETCHES: [f64; 3] = [3.0, 1.4, 0.7];

/// What one point says of a node.
pub enum Found {
    /// Rules are transposes, and the JVP is the derivative, exactly. So many
    /// elements were at kinks.
    Exact { kinks: usize },
    /// The same within rounding.
    Tested { adjoint: f64, compared: Compared },
    /// The point says nothing, for this reason.
    Nothing(String),
    /// A rule is wrong.
    Wrong(Fault),
}

/// What an error says: rules that are missing and functions that an arithmetic
/// refuses prove nothing, all else is the fault of a rule.
fn failed(error: &TapeError) -> Found {
    match op_error(error) {
        Some(OpError::MissingRule { rule, .. }) => Found::Nothing(format!("no {rule} rule")),
        Some(OpError::Refused { why, .. }) => Found::Nothing(why.clone()),
        Some(OpError::RuntimeIndex { .. }) => Found::Nothing("an index is out of range".into()),
        _ => Found::Wrong(Fault::Fails(error.to_string())),
    }
}

/// Exactly, over the rationals near `x`.
pub fn exactly(single: &Single, x: &[Tensor], rng: &mut Rng) -> Found {
    let inputs: Result<Vec<Tensor<Exact>>, _> = x.iter().map(as_rationals).collect();
    let inputs = match inputs {
        Ok(inputs) => inputs,
        Err(why) => return Found::Nothing(why.into()),
    };
    match law::try_adjoint(&single.graph, inputs.clone(), rng) {
        Ok(Adjointness::Holds) => {}
        Ok(Adjointness::Broken(jvp, vjp)) => return Found::Wrong(Fault::NotAdjoint { jvp, vjp }),
        Ok(_) => return Found::Nothing("numbers grew too large".into()),
        Err(error) if grew(&error) => return Found::Nothing("numbers grew too large".into()),
        Err(error) => return failed(&error),
    }
    match derivative(single, inputs, rng) {
        Ok(found) => found,
        Err(error) => failed(&error),
    }
}

/// The tangents by rule against those of dual numbers, which follow from the
/// value alone. At ties both may be right: then differences decide.
fn derivative(single: &Single, inputs: Vec<Tensor<Exact>>, rng: &mut Rng) -> Result<Found, TapeError> {
    let graph = &single.graph;
    let dx: Vec<_> = graph.input_values().map(|v| law::direction(rng, graph.ty(v))).collect();
    let duals: Option<Vec<_>> = inputs.iter().zip(&dx).map(|(x, dx)| as_duals(x, dx)).collect();
    let moved = Tape::<Exact>::compile(graph, inputs.clone())?.jvp(dx)?;
    let Some(duals) = duals else { return Ok(Found::Nothing("no dual numbers".into())) };
    let tape = Tape::<Duals<Exact>>::compile(graph, duals)?;
    let differs = |&v: &ValueId| {
        let by_rule = moved[v.index()].as_ref().map(law::rationals);
        let same = tape.with_value(v, |t| {
            let pairs = t.as_f64().or_else(|| t.as_f32()).unwrap_or(&[]);
            pairs.iter().enumerate().all(|(i, pair)| match by_rule {
                Some(tangents) => tangents.get(i) == Some(&pair.tangent),
                None => pair.tangent == Scalar::zero(),
            })
        });
        same != Some(true)
    };
    if !graph.outputs().iter().any(differs) {
        return Ok(Found::Exact { kinks: 0 });
    }
    let near: Option<Vec<Tensor>> = inputs.iter().map(as_floats).collect();
    let Some(near) = near else { return Ok(Found::Nothing("no floats".into())) };
    match in_floats(single, &near, rng) {
        Found::Tested { compared, .. } if compared.kinks > 0 => Ok(Found::Exact { kinks: compared.kinks }),
        other => Ok(other),
    }
}

/// A random direction for each of these tensors.
pub fn directions(x: &[Tensor], rng: &mut Rng) -> Vec<Option<Tensor>> {
    x.iter().map(|x| difference::direction(x, rng)).collect()
}

/// In f64, also where the node computes in f32: adjointness within [`BOUND`],
/// and the JVP against differences of the value.
pub fn in_floats(single: &Single, x: &[Tensor], rng: &mut Rng) -> Found {
    match try_in_floats(single, x, rng) {
        Ok(found) => found,
        Err(error) => failed(&error),
    }
}

fn try_in_floats(single: &Single, x: &[Tensor], rng: &mut Rng) -> Result<Found, TapeError> {
    let graph = &single.wide;
    let inputs: Vec<Tensor> = x.iter().map(as_wide).collect();
    let tape = Tape::<Native>::compile(graph, inputs)?;
    let outputs = tape.outputs();
    if outputs.iter().any(|t| t.to_f64().iter().any(|x| x.is_nan())) || x.iter().any(has_nan) {
        return Ok(Found::Nothing("the value is NaN".into()));
    }
    let dx = directions(x, rng);
    // Seeds are of the size of 1: what a gradient is of is not known.
    let mut seeds: Vec<Option<Tensor>> = vec![None; graph.len()];
    for &v in graph.outputs() {
        let ones = Tensor::<Native>::filled(graph.ty(v).clone(), 1.0).ok();
        seeds[v.index()] = ones.and_then(|ones| difference::direction(&ones, rng));
    }
    let swept = sweep(&tape, dx.clone(), seeds.clone())?;
    let adjoint = match rounding::law(&tape, &dx, &seeds, &swept, BOUND) {
        Law::Holds(part) => part,
        Law::NotFinite => return Ok(Found::Nothing("tangents or gradients are not finite".into())),
        Law::Broken { jvp, vjp } => return Ok(Found::Wrong(Fault::NotAdjoint { jvp, vjp })),
    };
    let of_outputs = |moved: &Gradients<Native>| -> Vec<Vec<f64>> {
        let zeros = |v: ValueId| vec![0.0; graph.ty(v).numel()];
        graph
            .outputs()
            .iter()
            .map(|&v| moved[v.index()].as_ref().map_or_else(|| zeros(v), Tensor::to_f64))
            .collect()
    };
    let by_rule = of_outputs(&swept.moved);
    let mut noise: Vec<Vec<f64>> = by_rule.iter().map(|t| vec![0.0; t.len()]).collect();
    for factor in STRETCHES {
        let stretched =
            of_outputs(&tape.jvp(dx.iter().map(|dx| difference::scaled(dx.as_ref()?, factor)).collect())?);
        let pairs = by_rule.iter().flatten().zip(stretched.iter().flatten());
        for (noise, (t, s)) in noise.iter_mut().flatten().zip(pairs) {
            *noise = noise.max((t - s / factor).abs());
        }
    }
    let Some(compared) = difference::compare(single, x, &dx, &by_rule, &noise) else {
        return Ok(Found::Nothing("the value cannot be computed again".into()));
    };
    Ok(match compared.differs {
        Some((result, element, by_rule, by_differences)) => {
            Found::Wrong(Fault::NotDerivative { result, element, by_rule, by_differences })
        }
        None if compared.agree == 0 && compared.kinks == 0 => {
            Found::Nothing("differences of the value do not settle".into())
        }
        None => Found::Tested { adjoint, compared },
    })
}
