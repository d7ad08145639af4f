//! Makes a failing case smaller, as long as it fails in the same form.

use crate::fuzzing::case::Case;
use crate::fuzzing::compare::Compared;
use crate::fuzzing::differential::{Verdict, check_forms, with_graph};
use crate::fuzzing::draft::{Draft, Slot};
use crate::fuzzing::expected::Difference;
use crate::fuzzing::forms::{FORMS, Form};

/// Most programs compiled to shrink one case.
const TRIES: usize = 400;

/// A smaller case and how it fails.
pub fn shrink(case: &Case, difference: &Difference) -> (Case, Difference) {
    // The form alone may not fail where a program with all forms does.
    let alone = difference
        .form
        .map(|form| vec![form])
        .filter(|forms| matches!(check_forms(case, forms, &mut Compared::default()), Verdict::Differs(_)));
    let forms: Vec<Form> = alone.unwrap_or_else(|| FORMS.to_vec());
    let (mut best, mut found) = (case.clone(), difference.clone());
    let mut tries = TRIES;
    let mut attempt = |best: &mut Case, draft: Draft| -> bool {
        if tries == 0 {
            return false;
        }
        tries -= 1;
        let Ok(drafted) = draft.finish() else { return false };
        let smaller = with_graph(best, drafted);
        match check_forms(&smaller, &forms, &mut Compared::default()) {
            Verdict::Differs(difference) => {
                *best = smaller;
                found = difference;
                true
            }
            _ => false,
        }
    };
    loop {
        let before = size(&best);
        let draft = Draft::of(&best.drafted);
        for i in (0..draft.nodes.len()).rev() {
            let draft = Draft::of(&best.drafted);
            if i < draft.nodes.len() {
                let candidates = [without(&draft, i), cut(&draft, i)];
                candidates.into_iter().flatten().any(|candidate| attempt(&mut best, candidate));
            }
        }
        for i in (0..best.graph().outputs().len()).rev() {
            let mut draft = Draft::of(&best.drafted);
            if draft.outputs.len() > 1 && i < draft.outputs.len() {
                draft.outputs.remove(i);
                attempt(&mut best, draft);
            }
        }
        let draft = Draft::of(&best.drafted);
        for i in (0..draft.values.len()).rev() {
            let draft = Draft::of(&best.drafted);
            if i < draft.values.len() && draft.values[i].node.is_none() && !used(&draft, i) {
                attempt(&mut best, removed(&draft, &[i], None));
            }
        }
        if size(&best) == before {
            return (best, found);
        }
    }
}

fn size(case: &Case) -> (usize, usize, usize) {
    let graph = case.graph();
    let computed = graph.nodes().iter().filter(|n| !n.operands().is_empty()).count();
    (computed, graph.len(), graph.outputs().len())
}

fn used(draft: &Draft, slot: Slot) -> bool {
    draft.outputs.contains(&slot) || draft.nodes.iter().any(|node| node.operands.contains(&slot))
}

/// The draft without a node that nothing uses (outputs move to its operands).
fn without(draft: &Draft, node: usize) -> Option<Draft> {
    let results = &draft.nodes[node].results;
    let mut draft = draft.clone();
    for output in &mut draft.outputs {
        if results.contains(output) {
            *output = output.checked_sub(1)?;
        }
    }
    draft.outputs.retain(|o| !results.contains(o));
    let results = results.clone();
    (!draft.outputs.is_empty() && !results.iter().any(|&r| used(&draft, r)))
        .then(|| removed(&draft, &results, Some(node)))
}

/// The draft with a node's results turned into inputs.
fn cut(draft: &Draft, node: usize) -> Option<Draft> {
    let mut draft = draft.clone();
    if draft.nodes[node].operands.is_empty() {
        return None;
    }
    for r in draft.nodes[node].results.clone() {
        draft.values[r].node = None;
    }
    Some(removed(&draft, &[], Some(node)))
}

/// The draft without some values and a node; ids move up.
fn removed(draft: &Draft, slots: &[Slot], node: Option<usize>) -> Draft {
    let to: Vec<Slot> = (0..draft.values.len())
        .scan(0, |next, v| {
            let at = *next;
            *next += usize::from(!slots.contains(&v));
            Some(at)
        })
        .collect();
    let mut out = Draft::default();
    for (v, value) in draft.values.iter().enumerate().filter(|(v, _)| !slots.contains(v)) {
        let mut value = value.clone();
        value.node = value.node.map(|n| if node.is_some_and(|gone| n > gone) { n - 1 } else { n });
        debug_assert!(to[v] == out.values.len());
        out.values.push(value);
    }
    for (_, each) in draft.nodes.iter().enumerate().filter(|(n, _)| Some(*n) != node) {
        let mut each = each.clone();
        each.operands.iter_mut().chain(&mut each.results).for_each(|v| *v = to[*v]);
        out.nodes.push(each);
    }
    out.outputs = draft.outputs.iter().map(|&v| to[v]).collect();
    out
}
