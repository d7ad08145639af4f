//! Bad files are faults with a line, never a panic.

use crate::fault::Trouble;
use crate::fit::fit;
use crate::model::Model;
use crate::problem::Problem;

fn shipped(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}.dat", crate::SHIPPED)).unwrap()
}

fn problem(name: &str) -> Result<Problem, Trouble> {
    Problem::read(name, &shipped(name))
}

fn fault(text: &str) -> Trouble {
    Problem::read("test", text).unwrap_err()
}

#[test]
fn a_file_is_read_as_its_header_says() {
    let problem = problem("Nelson").unwrap();
    assert_eq!((problem.name.as_str(), problem.observations.len()), ("Nelson", 128));
    assert_eq!(problem.predictors, ["x1", "x2"]);
    assert_eq!(problem.start(1), [2.5, 5e-9, -0.05]);
    assert_eq!(problem.observations[0].x, [1.0, 180.0]);
    assert!((problem.observations[0].y - 15f64.ln()).abs() < 1e-15);
    assert_eq!(problem.certified_rss, Some(3.7976833176));
    let certified: Vec<f64> = problem.parameters.iter().map(|p| p.certified).collect();
    assert_eq!(problem.digits(&certified), 11.0);
    assert_eq!(problem.digits(&[f64::NAN; 3]), 0.0);
}

#[test]
fn windows_line_ends_and_another_order_of_columns() {
    let text = shipped("DanWood").replace('\n', "\r\n");
    assert_eq!(Problem::read("test", &text).unwrap().observations.len(), 6);
    let swapped = shipped("DanWood").replace("Data:  y              x", "Data:  x              y");
    let problem = Problem::read("test", &swapped).unwrap();
    assert_eq!((problem.observations[0].y, problem.observations[0].x[0]), (1.309, 2.138));
}

#[test]
fn faults_say_where() {
    let text = shipped("DanWood");
    let cases = [
        ("1.309", "1.3o9", Some(61)),
        ("2.138E0", "nan", Some(61)),
        ("lines 61 to 66", "lines 61 to 99", Some(7)),
        ("lines 61 to 66", "lines 66 to 61", Some(7)),
        ("lines 61 to 66", "lines 61 to 65", Some(47)),
        ("lines 41 to 42", "lines 41 to 43", Some(43)),
        ("b1*x**b2", "b1*x**", Some(34)),
        ("b1*x**b2", "b1*x**b3", Some(34)),
        ("Starting Values   (lines 41 to 42)", "", None),
    ];
    for (from, to, line) in cases {
        assert!(text.contains(from), "{from}");
        let trouble = fault(&text.replacen(from, to, 1));
        assert_eq!(trouble.line, line, "{from} -> {to}: {}", trouble.text);
    }
    assert!(fault("").line.is_none());
}

#[test]
fn a_response_that_cannot_be_transformed_names_its_row() {
    let text = shipped("Nelson").replacen("15.00E0", "-5.00E0", 1);
    assert_eq!(fault(&text).line, Some(61));
}

/// Every file cut after each line, and with each of its bytes changed in turn.
#[test]
fn damaged_files_do_not_panic() {
    for name in ["Misra1c", "Roszman1", "Nelson"] {
        let text = shipped(name);
        for (cut, _) in text.match_indices('\n') {
            let _ = Problem::read("test", &text[..cut]);
        }
        for place in 0..text.len().min(2600) {
            for byte in [b' ', b'9', b'(', b'=', b'*', b'\n', 0xe4] {
                let mut bytes = text.clone().into_bytes();
                bytes[place] = byte;
                let _ = Problem::read("test", &String::from_utf8_lossy(&bytes));
            }
        }
    }
}

#[test]
fn native_code_and_tape_give_the_same_bits() {
    for name in ["ENSO", "Hahn1", "Misra1c", "Nelson", "Roszman1"] {
        let problem = problem(name).unwrap();
        let mut model = Model::compile(&problem).unwrap();
        for start in 0..2 {
            let b = problem.start(start);
            for o in &problem.observations {
                let bits = |v: f64, db: &[f64]| -> Vec<u64> {
                    [&[v], db].concat().iter().map(|x| x.to_bits()).collect()
                };
                let mut db = vec![0.0; b.len()];
                let native = model.value_and_grad(&b, &o.x, &mut db).unwrap();
                let native = bits(native, &db);
                let tape = model.value_and_grad_by_tape(&b, &o.x, &mut db).unwrap();
                assert_eq!(native, bits(tape, &db), "{name} at {:?}", o.x);
            }
        }
    }
}

#[test]
fn hard_problems_reach_the_certified_values_from_both_starts() {
    for name in ["Lanczos3", "MGH17", "Nelson"] {
        let problem = problem(name).unwrap();
        let mut model = Model::compile(&problem).unwrap();
        for start in 0..2 {
            let fit = fit(&problem, &mut model, &problem.start(start)).unwrap();
            assert!(problem.digits(&fit.b) > 9.0, "{name} from start {}: {fit:?}", start + 1);
        }
    }
}
