//! Every model in f64 and f32: the same bits as the tape at every step, and a loss
//! that goes down as far as its recipe says.

use crate::{Failure, Job, MODELS, arguments, digits, ssm, trained};
use cotangent::tape::Tensor;
use cotangent::{Builder, DType, Tape, dtype};

#[test]
fn models_train_to_the_same_bits_as_the_tape() -> Result<(), Failure> {
    for (name, author) in MODELS {
        for dtype in [DType::F64, DType::F32] {
            let report =
                trained(author, dtype, None).map_err(|error| format!("{name} in {dtype}: {error}"))?;
            assert!(report.first.is_finite() && report.steps > 50, "{name} in {dtype}: {report:?}");
            assert!(report.last < report.goal, "{name} in {dtype}: {report:?}");
        }
    }
    Ok(())
}

/// A scan whose values and gradients are known.
#[test]
fn scan_by_known_numbers() -> Result<(), Failure> {
    let g = Builder::new();
    let [a, b, h] = std::array::from_fn(|_| g.input("", dtype::f64, [2]));
    let x = g.input("x", dtype::f64, [3, 2]);
    let states = ssm::states(&g, a, b, h, x);
    let graph = g.finish(&[states.sum(), states])?;
    let vector = |v: &[f64]| Tensor::f64([2], v).ok_or("length");
    let inputs = vec![
        vector(&[0.5, 0.25])?,
        vector(&[1.0, 2.0])?,
        vector(&[1.0, -1.0])?,
        Tensor::f64([3, 2], &[2.0, 1.0, 4.0, -2.0, 0.0, 3.0]).ok_or("length")?,
    ];
    let tape = Tape::compile(&graph, inputs)?;
    assert_eq!(tape.outputs()[1].to_f64(), [2.5, 1.75, 5.25, -3.5625, 2.625, 5.109375]);
    let gradients = tape.backward_scalar(graph.outputs()[0])?;
    let expected: [&[f64]; 4] =
        [&[10.75, -2.6875], &[9.5, 1.8125], &[0.875, 0.328125], &[1.75, 2.625, 1.5, 2.5, 1.0, 2.0]];
    for (v, expected) in graph.input_values().zip(expected) {
        assert_eq!(gradients[&v].to_f64(), expected);
    }
    Ok(())
}

#[test]
fn arguments_are_checked() {
    let parse = |text: &str| arguments(text.split_whitespace().map(str::to_owned));
    assert_eq!(parse("lstm grid --steps 3"), Ok(Job::Models(vec![5, 0], Some(3))));
    assert_eq!(parse(""), Ok(Job::Models((0..MODELS.len()).collect(), None)));
    let shipped = Job::Digits(digits::SHIPPED.into(), "out/digits.svg".into(), digits::EPOCHS);
    assert_eq!(parse("digits"), Ok(shipped));
    assert_eq!(parse("digits --epochs 2 a --svg b"), Ok(Job::Digits("a".into(), "b".into(), 2)));
    let models = ["nothing", "grid --steps", "--steps 0", "--steps x", "--svg", "grid digits"];
    let digits = ["digits --svg", "digits a b", "digits --epochs 0", "digits --what"];
    for bad in models.into_iter().chain(digits) {
        assert!(parse(bad).unwrap_err().starts_with("usage"), "{bad}");
    }
}
