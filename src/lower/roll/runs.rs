//! Which elements of a class go evenly through their operands, and so become one row.

use crate::graph::ValueId;
use crate::lower::core::Core;
use crate::lower::roll::classes::{Class, Classes, Steps, operands};
use crate::lower::roll::{Chain, Fewest, Found, Place, Row, Run, Space};
use smallvec::SmallVec;
use std::ops::Range;

/// The places of the operands of an expression.
type Places = SmallVec<[Place; 3]>;

/// Finds the rows and chains, classes of operands before those of their users.
pub fn find(core: &Core, classes: Classes, fewest: Fewest) -> Found {
    let Classes { same, places, class, kinds, members } = classes;
    let mut found = Found { same, places, ..Found::default() };
    for kind in &kinds {
        match *kind {
            Class::Row { len, end } if len as usize >= fewest.row => {
                let members = &members[(end - len) as usize..end as usize];
                let places = |v: ValueId| -> Places {
                    let operands = operands(core, &found.same, &class, v);
                    operands.iter().map(|v| found.places[v.index()]).collect()
                };
                let all = members.iter().map(|&v| (places(v), v)).collect();
                found.rows_of(all, fewest.row);
            }
            Class::Chain(ref steps) => found.chain_of(steps, fewest.together),
            Class::Row { .. } | Class::Other => {}
        }
    }
    found
}

impl Found {
    /// Makes rows of the members of a class: as they were made, or sorted by what
    /// their operands have in common, whichever puts more of them into rows.
    fn rows_of(&mut self, mut all: Vec<(Places, ValueId)>, fewest: usize) {
        let covered = |runs: &[Range<usize>]| runs.iter().map(Range::len).sum::<usize>();
        let mut runs = even_runs(&all, fewest);
        if 2 * covered(&runs) < all.len() {
            let mut sorted = all.clone();
            sorted.sort_unstable_by_key(|(places, _)| order(places));
            let others = even_runs(&sorted, fewest);
            if covered(&others) > covered(&runs) {
                (all, runs) = (sorted, others);
            }
        }
        for run in runs {
            self.row(&mut all[run]);
        }
    }

    fn row(&mut self, elements: &mut [(Places, ValueId)]) {
        let [(first, like), (second, _), ..] = &*elements else { return };
        let like = *like;
        let Some(mut steps) = steps(first, second) else { return };
        // Upwards, so that most rows need not be turned round.
        if steps.iter().find(|&&step| step != 0).is_some_and(|&step| step < 0) {
            elements.reverse();
            steps.iter_mut().for_each(|step| *step = -*step);
        }
        let (row, len) = (self.rows.len() as u32, elements.len() as u32);
        let run = |(place, &step): (&Place, &i64)| Run { space: place.space, first: place.at, step, len };
        let operands: SmallVec<[Run; 3]> = elements[0].0.iter().zip(&steps).map(run).collect();
        let work = operands.iter().map(|run| match run.space {
            Space::Row(row) => self.rows[row as usize].work,
            _ => 0,
        });
        let work = work.fold(1, u32::saturating_add);
        for (at, (_, v)) in (0..).zip(&*elements) {
            self.places[v.index()] = Place { space: Space::Row(row), at };
        }
        self.rows.push(Row { like, operands, len, work });
    }

    /// Makes a chain of its steps, if most of what they add stands side by side.
    fn chain_of(&mut self, steps: &Steps, together: usize) {
        let terms = [steps.first].into_iter().chain(steps.steps.iter().map(|&(term, _)| term));
        let runs = group(terms.map(|v| self.place(v)));
        let Some(&(_, like)) = steps.steps.first() else { return };
        if runs.len().saturating_mul(together) > steps.steps.len() {
            return;
        }
        let chain = self.chains.len() as u32;
        for (at, &(_, v)) in (1..).zip(&steps.steps) {
            self.places[v.index()] = Place { space: Space::Chain(chain), at };
        }
        self.chains.push(Chain { f: steps.f, like, terms: runs, len: steps.steps.len() as u32 + 1 });
    }
}

/// What brings together expressions whose operands lie equally far from each other.
fn order(places: &Places) -> (SmallVec<[(Space, i64); 3]>, u32) {
    let first = places.first().map_or(0, |place| place.at);
    let far = |place: &Place| match place.space {
        Space::Alone => i64::from(place.at),
        _ => i64::from(place.at) - i64::from(first),
    };
    (places.iter().map(|place| (place.space, far(place))).collect(), first)
}

/// By operand, the step from one expression to another; `None` where there is none.
fn steps(from: &Places, to: &Places) -> Option<SmallVec<[i64; 3]>> {
    let steps: SmallVec<[i64; 3]> = from.iter().zip(to).map(|(a, b)| a.step_to(*b)).collect::<Option<_>>()?;
    // Expressions of the same operands are the same, and were merged.
    steps.iter().any(|&step| step != 0).then_some(steps)
}

/// The longest runs, first to last, in which all operands move by even steps.
fn even_runs(all: &[(Places, ValueId)], fewest: usize) -> Vec<Range<usize>> {
    let steps = |i: usize| steps(&all.get(i)?.0, &all.get(i + 1)?.0);
    let mut runs = Vec::new();
    let mut start = 0;
    while start < all.len() {
        let mut end = start + 1;
        if let Some(step) = steps(start) {
            while steps(end - 1).as_ref() == Some(&step) {
                end += 1;
            }
        }
        let long = end - start >= fewest;
        if long {
            runs.push(start..end);
        }
        // The last of a short run may be the first of the next.
        start = if long { end } else { (end - 1).max(start + 1) };
    }
    runs
}

/// Elements in a row as runs, in their order.
pub fn group(places: impl Iterator<Item = Place>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for place in places {
        if let Some(run) = runs.last_mut()
            && place.space == run.space
            && place.space != Space::Alone
        {
            let last = i64::from(run.first) + run.step * (i64::from(run.len) - 1);
            let step = i64::from(place.at) - last;
            if step != 0 && (run.len == 1 || step == run.step) {
                (run.step, run.len) = (step, run.len + 1);
                continue;
            }
        }
        runs.push(Run { space: place.space, first: place.at, step: 0, len: 1 });
    }
    runs
}
