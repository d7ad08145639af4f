//! What an optimiser remembers, as a list of names and tensors.

use crate::optim::error::OptimError;
use crate::optim::optimizer::Optimizer;
use crate::optim::real::Real;
use crate::optim::rule::{Method, State};
use std::collections::BTreeMap;

/// The state of an [`Optimizer`], for storing: with the parameters it is all that is
/// needed to go on to the same bits.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct StateDict<T> {
    /// Steps taken, by group.
    pub steps: Vec<u64>,
    /// Tensors by name: `"<id>.<what>"`, ids ascending.
    pub tensors: Vec<(String, Vec<T>)>,
}

/// The name of the two powers of the betas.
const POWERS: &str = "beta_powers";

impl<T: Real> Optimizer<T> {
    /// A copy of the state.
    pub fn state_dict(&self) -> StateDict<T> {
        let mut tensors = Vec::new();
        for (&id, state) in &self.states {
            let Ok(method) = self.group_of(id).map(|g| self.groups[g].rule.method()) else { continue };
            for (name, slot) in method.slots().iter().zip(&state.slots) {
                tensors.push((format!("{id}.{name}"), slot.clone()));
            }
            if method.has_powers() {
                tensors.push((format!("{id}.{POWERS}"), state.powers.to_vec()));
            }
        }
        StateDict { steps: self.steps.clone(), tensors }
    }

    /// Goes on from a stored state. Parameters without an entry start anew.
    ///
    /// # Errors
    /// Another number of groups, names that do not belong to this optimiser's rules,
    /// tensors of one parameter that differ in length.
    pub fn load_state_dict(&mut self, dict: &StateDict<T>) -> Result<(), OptimError> {
        if dict.steps.len() != self.groups.len() {
            return Err(OptimError::GroupCount { expected: self.groups.len(), got: dict.steps.len() });
        }
        let mut found: BTreeMap<usize, BTreeMap<&str, &Vec<T>>> = BTreeMap::new();
        for (name, tensor) in &dict.tensors {
            let unexpected = || OptimError::UnexpectedState { name: name.clone() };
            let (id, what) = name.split_once('.').ok_or_else(unexpected)?;
            let id: usize = id.parse().map_err(|_| unexpected())?;
            if found.entry(id).or_default().insert(what, tensor).is_some() {
                return Err(unexpected());
            }
        }
        let mut states = BTreeMap::new();
        for (id, entries) in found {
            let method = self.groups[self.group_of(id)?].rule.method();
            states.insert(id, assemble(id, method, entries)?);
        }
        self.states = states;
        self.steps.clone_from(&dict.steps);
        Ok(())
    }
}

fn assemble<T: Real>(
    id: usize,
    method: Method,
    mut entries: BTreeMap<&str, &Vec<T>>,
) -> Result<State<T>, OptimError> {
    let mut take = |name: &str| {
        entries.remove(name).ok_or_else(|| OptimError::MissingState { name: format!("{id}.{name}") })
    };
    let slots: Vec<Vec<T>> =
        method.slots().iter().map(|name| Ok(take(name)?.clone())).collect::<Result<_, OptimError>>()?;
    let mut powers = [T::ONE; 2];
    if method.has_powers() {
        let stored = take(POWERS)?;
        powers = stored.as_slice().try_into().map_err(|_| OptimError::StateShape {
            id,
            expected: powers.len(),
            got: stored.len(),
        })?;
    }
    if let Some(name) = entries.keys().next() {
        return Err(OptimError::UnexpectedState { name: format!("{id}.{name}") });
    }
    let expected = slots.first().map_or(0, Vec::len);
    match slots.iter().find(|slot| slot.len() != expected) {
        Some(slot) => Err(OptimError::StateShape { id, expected, got: slot.len() }),
        None => Ok(State { slots, powers }),
    }
}
