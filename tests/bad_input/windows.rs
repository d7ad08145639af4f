//! Convolutions, pools and windows that make no sense: the error names the op, the
//! shapes and the attribute. Vast attributes neither overflow nor take time.

use crate::support::vector_forms;
use cotangent::{Builder, Conv, Options, PadCells, Pool, Program, Tape, Var, dtype, tape::Tensor};

fn refused(shapes: &[&[usize]], build: impl for<'b> Fn(&[Var<'b>]) -> Var<'b>) -> String {
    let g = Builder::new();
    let input = |(i, &s): (usize, &&[usize])| g.input(&format!("x{i}"), dtype::f64, s);
    let vars: Vec<Var<'_>> = shapes.iter().enumerate().map(input).collect();
    match g.finish(&[build(&vars)]) {
        Err(error) => error.to_string(),
        Ok(graph) => panic!("was authored: {graph}"),
    }
}

#[track_caller]
fn says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error:?}");
    }
}

#[test]
fn of_convolutions() {
    let image: &[usize] = &[2, 4, 5, 5];
    let kernel: &[usize] = &[6, 4, 3, 3];
    let conv = |how: Conv| refused(&[image, kernel], move |v| v[0].conv(v[1], None, &how));
    says(&conv(Conv::new().stride([0])), &["conv: stride", "[2,4,5,5]", "below 1"]);
    says(&conv(Conv::new().dilation([1, 0])), &["conv: dilation", "[2,4,5,5]"]);
    says(&conv(Conv::new().padding([1, 1, 1])), &["conv: padding", "2 axes", "[2,4,5,5]"]);
    says(&conv(Conv::new().groups(0)), &["conv: groups", "[2,4,5,5]", "[6,4,3,3]"]);
    says(&conv(Conv::new().groups(4)), &["conv: groups", "does not divide"]);
    says(&conv(Conv::new().groups(2)), &["conv", "input channels by group", "[6,4,3,3]"]);
    says(&conv(Conv::new().dilation([3])), &["conv", "window does not fit", "axis 2", "[2,4,5,5]"]);
    says(&conv(Conv::new().dilation([usize::MAX])), &["conv", "window does not fit"]);
    says(&conv(Conv::new().padding([usize::MAX])), &["conv", "too large", "padding"]);
    says(&conv(Conv::new().padding([1 << 40])), &["conv", "2^40 bytes"]);
    let shapes: &[&[&[usize]]] =
        &[&[image, &[6, 4, 3, 0]], &[image, &[6, 4]], &[&[4], kernel], &[image, &[6, 4, 3]]];
    for shapes in shapes {
        says(&refused(shapes, |v| v[0].conv(v[1], None, &Conv::new())), &["conv: shapes"]);
    }
    let error = refused(&[image, kernel, &[4]], |v| v[0].conv(v[1], Some(v[2]), &Conv::new()));
    says(&error, &["conv: shapes", "[6,4,3,3]", "[4]", "bias"]);
    let back = |how: Conv| refused(&[image, &[4, 2, 3, 3]], move |v| v[0].conv_transpose(v[1], None, &how));
    says(&back(Conv::new().stride([0])), &["conv_transpose: stride"]);
    says(&back(Conv::new().output_padding([1])), &["conv_transpose: output_padding", "[2,4,5,5]"]);
    says(&back(Conv::new().padding([4])), &["conv_transpose", "nothing is left", "padding 4"]);
    says(&back(Conv::new().stride([usize::MAX])), &["conv_transpose", "too large", "stride"]);
    says(&back(Conv::new().stride([1 << 40])), &["conv_transpose", "2^40 bytes"]);
    let error = refused(&[image, &[3, 2, 3, 3]], |v| v[0].conv_transpose(v[1], None, &Conv::new()));
    says(&error, &["conv_transpose", "input channels", "[3,2,3,3]"]);
}

#[test]
fn of_pools_and_windows() {
    let image: &[usize] = &[2, 4, 5, 5];
    type Make = for<'b> fn(Var<'b>, &Pool) -> Var<'b>;
    let pools: [(&str, Make); 3] = [
        ("max_pool", |x, p| x.max_pool(p)),
        ("avg_pool", |x, p| x.avg_pool(p, PadCells::Counted)),
        ("smooth_max_pool", |x, p| x.smooth_max_pool(p, 1.0)),
    ];
    for (name, make) in pools {
        let pool = |p: Pool| refused(&[image], move |v| make(v[0], &p));
        says(&pool(Pool::new([2, 2]).stride([0, 1])), &[name, "stride", "[2,4,5,5]", "below 1"]);
        says(&pool(Pool::new([0, 2]).stride([1, 1])), &[name, "kernel", "below 1"]);
        says(&pool(Pool::new([2, 6])), &[name, "window does not fit", "axis 3", "kernel 6"]);
        says(&pool(Pool::new([2, 2]).padding([1])), &[name, "padding", "2 axes"]);
        says(&pool(Pool::new([2])), &[name, "1 spatial axes", "[2,4,5,5]"]);
        says(&pool(Pool::new([])), &[name, "kernel", "one to 3"]);
        says(&pool(Pool::new([2, 2]).padding([usize::MAX, 0])), &[name, "padding", "too large"]);
        says(&pool(Pool::new([2, 2]).padding([1 << 39, 0])), &[name, "2^40 bytes"]);
    }
    for beta in [0.0, f64::NAN, f64::INFINITY] {
        let error = refused(&[image], move |v| v[0].smooth_max_pool(&Pool::new([2, 2]), beta));
        says(&error, &["smooth_max_pool: beta", "[2,4,5,5]"]);
    }
    says(&refused(&[image], |v| v[0].unfold(&[6], &[1], &[1])), &["unfold", "does not fit axis 3", "size 6"]);
    says(&refused(&[image], |v| v[0].unfold(&[0], &[1], &[1])), &["unfold: size", "below 1"]);
    says(&refused(&[image], |v| v[0].unfold(&[2], &[1], &[usize::MAX])), &["unfold", "does not fit"]);
    says(&refused(&[image], |v| v[0].fold(&[8], &[1], &[1])), &["fold", "axis 2", "extent of 8"]);
    says(&refused(&[image], |v| v[0].fold(&[9, 9], &[0, 1], &[1, 1])), &["fold: stride", "below 1"]);
    says(&refused(&[&[5]], |v| v[0].fold(&[5], &[1], &[1])), &["fold", "twice as many"]);
    says(&refused(&[&[]], |v| v[0].embedding(v[0])), &["embedding"]);
}

/// A stride past the end leaves one window, however far; a large kernel is one kernel.
#[test]
fn vast_steps_and_large_kernels() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [1, 4000]);
    let w = g.input("w", dtype::f64, [1, 1, 2000]);
    let far = x.max_pool(&Pool::new([3]).stride([usize::MAX >> 1]));
    let graph = g.finish(&[x.conv(w, None, &Conv::new()).sum() + far.sum()]).unwrap();
    let ramp = |n: usize| (0..n).map(|i| (i % 7) as f64).collect::<Vec<f64>>();
    let point = || {
        vec![Tensor::f64([1, 4000], &ramp(4000)).unwrap(), Tensor::f64([1, 1, 2000], &ramp(2000)).unwrap()]
    };
    let tape = Tape::compile(&graph, point()).unwrap();
    let gradients = tape.backward_scalar(graph.outputs()[0]).unwrap();
    let start = std::time::Instant::now();
    let program = Program::compile(&graph, &Options::default().forms(vector_forms())).unwrap();
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert!(program.report().code_bytes < 100_000, "{}", program.report().code_bytes);
    let mut ids = graph.input_values();
    let (x, w) = (ids.next().unwrap(), ids.next().unwrap());
    // x_0 is in one window of the convolution, at w_0, and in one of the pool, where x_2 wins.
    let dx = gradients[&x].to_f64();
    assert_eq!(dx[..3], [0.0, 1.0, 4.0]);
    assert_eq!(gradients[&w].to_f64()[0], ramp(4000)[..2001].iter().sum::<f64>());
}
