//! Graphs that a long run failed on, made small.

use cotangent::{Checks, Forms, Graph, OptLevel, Options, Program, RunError, Tape};

/// Compiles with the plan checked, in every form that fits any graph.
fn compiles(text: &str) {
    let graph: Graph = text.parse().expect("a graph");
    for opt in [OptLevel::None, OptLevel::Full] {
        let mut forms = Forms::FORWARD | Forms::VJP | Forms::REVERSE | Forms::DENSE | Forms::JVP;
        if matches!(graph.outputs(), [one] if graph.ty(*one).shape.is_scalar()) {
            forms = forms | Forms::VALUE_AND_GRAD;
        }
        let options = Options::default().forms(forms).opt(opt).block(32).checks(Checks::On);
        if let Err(error) = Program::compile(&graph, &options) {
            panic!("{opt:?}: {error}");
        }
    }
}

#[test]
fn an_empty_buffer_inside_the_life_of_another() {
    compiles(
        r#"cotangent graph v1
input %0 "x0": f32[31]
input %1 "x1": f64[3,31]
input %2 "x2": i64[0]
input %3 "x3": f32[0,3]
input %4 "x4": f32[1]
input %5 "x5": f32[31]
%6 = cos %5: f32[31]
%7 = gather %6 %2 {axis=0, zero=true}: f32[0]
%8 = scatter_add %4 %2 %7 {axis=0, zero=false}: f32[1]
%9 = atan %8: f32[1]
output %9
"#,
    );
}

/// A loop over one element reads it as a scalar: that element stays in memory.
#[test]
fn a_result_in_registers_that_a_scalar_reads() {
    compiles(
        r#"cotangent graph v1
input %0 "x0": f64[31]
%1 = safe_log %0 {eps=1.1780460923431981}: f64[31]
%2 = sub %1 %0: f64[31]
%3 = sqrt %2: f64[31]
%4 = const {data=[1]}: f64[1]
%5 = minimum %4 %3: f64[31]
%6 = sub %0 %5: f64[31]
%7 = prod %6 {axes=[0], keepdims=false}: f64[]
output %7
"#,
    );
}

/// An element that nobody reads of a long array that only passes over it read.
#[test]
fn an_element_that_a_loop_has_no_use_for() {
    let text = r#"cotangent graph v1
body @0
input %0 "x0": f64[2]
input %1 "x1": f64[]
%2 = const {data=[1, 2]}: f64[2]
output %2
end
input %0 "x0": f64[98]
%1 = add %0 %0: f64[98]
%2 = gelu_tanh %1: f64[98]
%3 = log %2: f64[98]
%4 = slice %3 {start=[82], stop=[83], step=[1]}: f64[1]
%5 = reshape %4 {shape=[]}: f64[]
%6 = reshape %3 {shape=[49,2]}: f64[49,2]
%7 = scan %6 %5 {body=@0, steps=49, carries=0, slices=1, backwards=false, guard=-1}: f64[49,2]
output %7
"#;
    compiles(text);
}

/// A pass that reads an array and one element of it as a number comes after all of the array.
#[test]
fn an_element_read_beside_its_array() {
    let graph: Graph = r#"cotangent graph v1
input %0 "x0": f64[64]
%1 = cbrt %0: f64[64]
%2 = slice %1 {start=[6], stop=[7], step=[1]}: f64[1]
%3 = mul %2 %1: f64[64]
output %2
"#
    .parse()
    .expect("a graph");
    let x: Vec<f64> = (1..=64).map(f64::from).collect();
    let options = Options::default().forms(Forms::DENSE).unroll(0).block(32).checks(Checks::On);
    let program = Program::compile(&graph, &options).expect("a program");
    let mut workspace = program.workspace();
    program.forward_dense(&mut workspace, &[(&x).into()]).expect("a call");
    let input = cotangent::tape::Tensor::f64([64], &x).expect("64 numbers");
    let tape = Tape::<cotangent::tape::Native>::compile(&graph, vec![input]).expect("a tape");
    for v in graph.values() {
        let Ok(cotangent::program::Elements::F64(code)) = program.value(&workspace, v) else {
            panic!("{v} is of another type")
        };
        assert_eq!(tape.value(v).expect("a value").to_f64(), code, "{v}");
    }
}

/// An index that is constant only once it has been computed is no error of
/// authoring; both say so when it is used.
#[test]
fn a_computed_index_out_of_range() {
    let graph: Graph = r#"cotangent graph v1
%0 = const {data=[10, 20, 30]}: f64[3]
%1 = const {data=[2.9, 3.1]}: f64[2]
%2 = cast %1 {dtype=i64}: i64[2]
%3 = gather %0 %2 {axis=0, zero=false}: f64[2]
output %3
"#
    .parse()
    .expect("a graph");
    let Err(tape) = Tape::<cotangent::tape::Native>::compile(&graph, Vec::new()) else {
        panic!("the tape read past the end")
    };
    assert!(tape.to_string().contains("index 3 at position 1"), "{tape}");
    for opt in [OptLevel::None, OptLevel::Full] {
        let options = Options::default().opt(opt).checks(Checks::On);
        let program = Program::compile(&graph, &options).expect("a program");
        let mut out = [0.0; 2];
        let got = program.forward(&mut program.workspace(), &[], &mut [(&mut out).into()]);
        assert!(
            matches!(got, Err(RunError::Index { index: 3, position: 1, len: 3, .. })),
            "{opt:?}: {got:?}"
        );
    }
}
