//! `run` and `grad`.

use crate::{bad, good, path, run_with};

const POINT: [&str; 6] = ["-i", "w=0,0.5", "-i", "x=1,2,3,4,5,6", "-i", "y=1,2,6"];

#[test]
fn value_and_gradient() {
    let file = path("regression.ct");
    for engine in ["jit", "tape"] {
        let arguments = [&["grad", &file, "--engine", engine][..], &POINT].concat();
        let expected = "value: f64[] = 3\ngrad.w: f64[2] = [-10, -12]\n\
                        grad.x: f64[3,2] = [[-0, 0],\n [0, 0],\n [-0, -1]]\ngrad.y: f64[3] = [-0, -0, 2]\n";
        let out = good(&arguments);
        assert!(out.starts_with("value: f64[] = 3\ngrad.w: f64[2] = [-10, -12]\n"), "{out}\n{expected}");
        let chosen = good(&[&arguments[..], &["--wrt", "w"]].concat());
        assert_eq!(chosen, "value: f64[] = 3\ngrad.w: f64[2] = [-10, -12]\n");
        let by_id = good(&[&arguments[..], &["--wrt", "%0"]].concat());
        assert_eq!(chosen, by_id);
    }
}

#[test]
fn outputs_of_all_types() {
    let file = path("lookup.ct");
    for engine in ["jit", "tape"] {
        let out = good(&[
            "run",
            &file,
            "--engine",
            engine,
            "-i",
            "table=0.1,2,3,4,5,6",
            "-i",
            "rows=2,0",
            "-i",
            "keep=true,false,false,true",
        ]);
        assert_eq!(
            out,
            "output0: f32[2,2] = [[5, 6],\n [0.1, 2]]\noutput1: f32[2] = [11, 2.1]\n\
             output2: i64[2] = [2, 0]\noutput3: bool[2,2] = [[true, false],\n [false, true]]\n"
        );
    }
}

#[test]
fn standard_input_and_random_points() {
    let text = std::fs::read_to_string(path("regression.ct")).expect("a file");
    let by_pipe = run_with(&["grad", "-", "--random", "7"], &text);
    assert_eq!(by_pipe.code, 0, "{}", by_pipe.err);
    assert_eq!(by_pipe.out, good(&["grad", &path("regression.ct"), "--random", "7"]));
    assert_eq!(by_pipe.out, good(&["grad", &path("regression.ct"), "--random", "7", "--engine", "tape"]));
    assert_ne!(by_pipe.out, good(&["grad", &path("regression.ct"), "--random", "8"]));
}

#[test]
fn one_number_fills_an_input() {
    let out = good(&["run", &path("regression.ct"), "-i", "w=0", "-i", "x=1", "-i", "y=-2"]);
    assert_eq!(out, "output0: f64[] = 4\n");
}

#[test]
fn calls_that_fail_point_into_the_file() {
    let file = path("lookup.ct");
    let err = bad(1, &["run", &file, "-i", "table=1", "-i", "rows=0,7", "-i", "keep=true"]);
    assert!(
        err.starts_with(
            "error: node n0: index_select: index 7 at position 1 is out of range for an axis of 3\n"
        ),
        "{err}"
    );
    assert!(err.contains(&format!(" --> {file}:5:6\n")), "{err}");
    assert!(err.contains("5 | %3 = index_select"), "{err}");
}

#[test]
fn checked_runs_name_the_first_value_that_is_not_finite() {
    let file = path("entropy.ct");
    for engine in ["jit", "tape"] {
        let arguments = ["run", &file, "--engine", engine, "-i", "p=0.5,0.5,-1,1"];
        assert_eq!(good(&arguments), "output0: f64[] = NaN\n");
        let err = bad(1, &[&arguments[..], &["--checked"]].concat());
        assert_eq!(
            err,
            format!(
                "error: node n0: log: element [1, 0] of %1: f64[2,2] is NaN: log of a value <= 0; use safe_log for \
                 protection by an epsilon (operands %0 \"p\": f64[2,2] with -1 there)\n --> {file}:3:6\n  |\n\
                 3 | %1 = log %0: f64[2,2]\n  |      ^\n"
            )
        );
    }
    assert_eq!(good(&["run", &file, "-i", "p=1", "--checked"]), "output0: f64[] = -0\n");
}

#[test]
fn checked_gradients_name_the_rule_that_gave_the_first_one_that_is_not_finite() {
    let text = "cotangent graph v1\ninput %0 \"x\": f64[2]\n%1 = sqrt %0: f64[2]\n\
                %2 = sum %1 {axes=[0], keepdims=false}: f64[]\noutput %2\n";
    for engine in ["jit", "tape"] {
        let arguments = ["grad", "-", "--engine", engine, "-i", "x=4,0"];
        let ran = run_with(&arguments, text);
        assert_eq!((ran.code, ran.out.as_str()), (0, "value: f64[] = 2\ngrad.x: f64[2] = [0.25, inf]\n"));
        let ran = run_with(&[&arguments[..], &["--checked"]].concat(), text);
        assert_eq!(
            (ran.code, ran.err.as_str()),
            (
                1,
                "error: node n0: sqrt: element [1] of the gradient of %0 \"x\": f64[2] is inf (operands %0 \"x\": \
                 f64[2] with 0 there, gradient of %1: f64[2] with 1 there)\n --> <stdin>:3:6\n  |\n\
                 3 | %1 = sqrt %0: f64[2]\n  |      ^\n"
            )
        );
    }
}

#[test]
fn disconnected_inputs_are_noted() {
    let text =
        "cotangent graph v1\ninput %0 \"x\": f64[]\ninput %1 \"y\": f64[]\n%2 = exp %0: f64[]\noutput %2\n";
    let ran = run_with(&["grad", "-", "-i", "x=0", "-i", "y=0"], text);
    assert_eq!((ran.code, ran.out.as_str()), (0, "value: f64[] = 1\ngrad.x: f64[] = 1\ngrad.y: f64[] = 0\n"));
    assert_eq!(ran.err, "note: input y: the output does not depend on it\n");
}
