//! What loops cost: code of one step, whatever the number of steps.

use crate::cell;
use cotangent::{Forms, Options, Program};

#[test]
fn code_does_not_grow_with_the_steps() {
    let bytes = |steps: usize| {
        let [graph, _] = cell(false, steps);
        let options = Options::default().forms(Forms::VJP | Forms::JVP);
        let program = Program::compile(&graph, &options).unwrap();
        program.report().code_bytes
    };
    assert_eq!(bytes(64), bytes(62));
}
