//! The optimiser: parameters in groups, each with a rule and a schedule.

use crate::optim::error::OptimError;
use crate::optim::real::Real;
use crate::optim::rule::{Rule, State, update};
use crate::optim::schedule::Schedule;
use std::collections::BTreeMap;

/// Parameters that share a rule and a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub(super) rule: Rule,
    schedule: Schedule,
    /// `None`: those that no other group lists.
    ids: Option<Vec<usize>>,
}

impl Group {
    /// The parameters with these ids.
    pub fn of(ids: impl Into<Vec<usize>>, rule: Rule, schedule: Schedule) -> Group {
        Group { rule, schedule, ids: Some(ids.into()) }
    }

    /// The parameters that no other group lists.
    pub fn rest(rule: Rule, schedule: Schedule) -> Group {
        Group { rule, schedule, ids: None }
    }
}

/// Changes parameters by their gradients, and remembers what its rules need.
#[derive(Clone, Debug)]
pub struct Optimizer<T> {
    pub(super) groups: Vec<Group>,
    group_of: BTreeMap<usize, usize>,
    rest: Option<usize>,
    /// Steps taken, by group.
    pub(super) steps: Vec<u64>,
    pub(super) states: BTreeMap<usize, State<T>>,
}

impl<T: Real> Optimizer<T> {
    /// One rule and one schedule for all parameters.
    ///
    /// # Errors
    /// A number out of its range.
    pub fn new(rule: Rule, schedule: Schedule) -> Result<Optimizer<T>, OptimError> {
        Optimizer::with_groups([Group::rest(rule, schedule)])
    }

    /// A rule and a schedule for each group.
    ///
    /// # Errors
    /// A parameter in two groups, a number out of its range.
    pub fn with_groups(groups: impl Into<Vec<Group>>) -> Result<Optimizer<T>, OptimError> {
        let groups = groups.into();
        let (mut group_of, mut rest) = (BTreeMap::new(), None);
        for (index, group) in groups.iter().enumerate() {
            group.rule.check()?;
            group.schedule.check()?;
            match &group.ids {
                None => {
                    if let Some(first) = rest.replace(index) {
                        return Err(OptimError::DuplicateRest { first, second: index });
                    }
                }
                Some(ids) => {
                    for &id in ids {
                        if group_of.insert(id, index).is_some() {
                            return Err(OptimError::DuplicateId { id });
                        }
                    }
                }
            }
        }
        let steps = vec![0; groups.len()];
        Ok(Optimizer { groups, group_of, rest, steps, states: BTreeMap::new() })
    }

    /// Takes one step: one gradient for each parameter, of the same length.
    ///
    /// # Errors
    /// Gradients or state that do not fit; then nothing is changed.
    pub fn step<P, G>(&mut self, params: &mut [P], grads: &[G]) -> Result<(), OptimError>
    where
        P: AsRef<[T]> + AsMut<[T]>,
        G: AsRef<[T]>,
    {
        let grads: Vec<Option<&G>> = grads.iter().map(Some).collect();
        self.step_some(params, &grads)
    }

    /// [`Optimizer::step`] where some parameters have no gradient: they and their state
    /// stay as they are.
    ///
    /// # Errors
    /// Gradients or state that do not fit; then nothing is changed.
    pub fn step_some<P, G>(&mut self, params: &mut [P], grads: &[Option<G>]) -> Result<(), OptimError>
    where
        P: AsRef<[T]> + AsMut<[T]>,
        G: AsRef<[T]>,
    {
        if params.len() != grads.len() {
            return Err(OptimError::GradientCount { params: params.len(), grads: grads.len() });
        }
        for (id, (p, g)) in params.iter().zip(grads).enumerate() {
            self.group_of(id)?;
            let expected = p.as_ref().len();
            if let Some(got) = g.as_ref().map(|g| g.as_ref().len())
                && got != expected
            {
                return Err(OptimError::GradientShape { id, expected, got });
            }
            let state = self.states.get(&id).and_then(|s| s.slots.first());
            if let Some(got) = state.map(Vec::len)
                && got != expected
            {
                return Err(OptimError::StateShape { id, expected, got });
            }
        }
        for (id, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let (Some(g), Ok(group)) = (g, self.group_of(id)) else { continue };
            let Group { rule, schedule, .. } = &self.groups[group];
            let (p, g) = (p.as_mut(), g.as_ref());
            let state = self.states.entry(id).or_insert_with(|| State::new(rule.method(), p.len()));
            update(rule, schedule.rate(self.steps[group]), state, p, g);
        }
        for steps in &mut self.steps {
            *steps = steps.saturating_add(1);
        }
        Ok(())
    }

    /// The learning rate of a group's next step.
    pub fn rate(&self, group: usize) -> Option<f64> {
        Some(self.groups.get(group)?.schedule.rate(*self.steps.get(group)?))
    }

    pub(super) fn group_of(&self, id: usize) -> Result<usize, OptimError> {
        self.group_of.get(&id).copied().or(self.rest).ok_or(OptimError::NoGroup { id })
    }
}
