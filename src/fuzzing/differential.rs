//! The differential: one graph compiled in every form, each in one of the
//! configurations, called with several inputs, bits compared with the tape's.
//!
//! It claims that tape and compiled code agree on what was drawn (contract C1).
//! It says nothing of the rules, which both sides share: those are checked by
//! exact adjointness and against truth.

use crate::fuzzing::case::{Case, Config, SETS};
use crate::fuzzing::compare::Compared;
use crate::fuzzing::draft::Drafted;
use crate::fuzzing::expected::{Difference, Expected};
use crate::fuzzing::forms::{FORMS, Form, Run, check_sets};
use crate::fuzzing::generate::{CustomOps, Profile, generate};
use crate::fuzzing::points;
use crate::fuzzing::source::Source;
use crate::graph::{Graph, ValueId};
use crate::program::Program;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What became of one case.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// All bits agree.
    Same,
    /// No inputs were drawn that the tape could evaluate.
    Invalid,
    /// Tape and code differ, or one of them panicked.
    Differs(Difference),
}

/// Draws a case.
pub fn draw(source: &mut dyn Source) -> Option<Case> {
    let profile = Profile { custom: CustomOps::FirstOrder, loops: true, traced: true, ..Profile::RUN };
    let drafted = generate(source, &profile).ok()?;
    Some(Case { drafted, seed: source.bits() })
}

/// Checks all forms of a case.
pub fn check(case: &Case, compared: &mut Compared) -> Verdict {
    check_forms(case, &FORMS, compared)
}

/// Checks some forms of a case; a panic is a difference.
pub fn check_forms(case: &Case, forms: &[Form], compared: &mut Compared) -> Verdict {
    caught(|| verdict(case, forms, compared))
}

/// A check, whose panic is a difference.
pub(super) fn caught(check: impl FnOnce() -> Verdict) -> Verdict {
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(verdict) => verdict,
        Err(cause) => {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|s| s.to_string()));
            let what = format!("panic: {}", text.unwrap_or_else(|| "without a message".into()));
            Verdict::Differs(Difference { form: None, config: None, set: 0, what })
        }
    }
}

pub(super) fn verdict(case: &Case, forms: &[Form], compared: &mut Compared) -> Verdict {
    match try_forms(case, forms, compared) {
        Ok(true) => Verdict::Same,
        Ok(false) => Verdict::Invalid,
        Err(difference) => Verdict::Differs(difference),
    }
}

fn try_forms(case: &Case, forms: &[Form], compared: &mut Compared) -> Result<bool, Difference> {
    let graph = case.graph();
    let expected = expectations(case, graph)?;
    // All forms in one program share one workspace, which is a thing to check by itself.
    let together = case.seed.is_multiple_of(5);
    let on_outputs: Vec<Form> =
        forms.iter().copied().filter(|form| !matches!(form, Form::ValueAndGrad | Form::Points)).collect();
    if together && on_outputs.len() > 1 {
        program(case, graph, &on_outputs, &expected, compared)?;
    } else {
        for &form in &on_outputs {
            program(case, graph, &[form], &expected, compared)?;
        }
    }
    if forms.contains(&Form::ValueAndGrad)
        && let Some(number) = case.scalar()
    {
        let graph = with_output(graph, number)?;
        let expected = expectations(case, &graph)?;
        program(case, &graph, &[Form::ValueAndGrad], &expected, compared)?;
    }
    if forms.contains(&Form::Points) {
        points::check(case, graph, &expected, compared)?;
    }
    Ok(expected.iter().any(Expected::is_valid))
}

fn expectations<'g>(case: &Case, graph: &'g Graph) -> Result<Vec<Expected<'g>>, Difference> {
    (0..SETS).map(|set| Expected::new(case, graph, set)).collect()
}

fn with_output(graph: &Graph, output: ValueId) -> Result<Graph, Difference> {
    let made = graph.with_outputs(&[output]);
    made.map_err(|error| Difference { form: None, config: None, set: 0, what: error.to_string() })
}

fn program(
    case: &Case,
    graph: &Graph,
    forms: &[Form],
    expected: &[Expected<'_>],
    compared: &mut Compared,
) -> Result<(), Difference> {
    let Some(&form) = forms.first() else { return Ok(()) };
    let config: Config = case.config(form as u64);
    let differs =
        |form: Form, set: u64, what: String| Difference { form: Some(form), config: Some(config), set, what };
    let wrt: Vec<usize> = case.wrt(form as u64).iter().map(|v| v.index()).collect();
    let flags = forms.iter().skip(1).fold(form.flag(), |all, f| all | f.flag());
    let options = config.options().forms(flags).wrt(&wrt);
    let program = Program::compile(graph, &options)
        .map_err(|error| differs(form, 0, format!("does not compile: {error}")))?;
    let together = forms.len() > 1;
    let mut run = Run { case, graph, program: &program, form, together, compared };
    check_sets(&mut run, forms, expected).map_err(|(set, form, what)| differs(form, set, what))
}

/// The case with another graph.
pub(super) fn with_graph(case: &Case, drafted: Drafted) -> Case {
    Case { drafted, seed: case.seed }
}
