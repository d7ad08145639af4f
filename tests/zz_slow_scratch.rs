use cotangent::*;
use cotangent::tape::Tensor;
#[test]
fn slow() {
    for n in [1000usize, 100_000, 2_000_000] {
        let g = Builder::new();
        let a = g.input("a", dtype::f64, [n, 1, 3, 1, 3, 2, 2]);
        let b = g.input("b", dtype::f64, [1, 3, 1, 3, 1, 2, 2]);
        let y = a.matmul(b);
        let graph = g.finish(&[y]).unwrap();
        let t = std::time::Instant::now();
        let r = Program::compile(&graph, &Options::default().forms(Forms::FORWARD)).unwrap();
        println!("{n} {:?} {:?}", t.elapsed(), r.report().items);
        if n == 1000 {
            let av: Vec<f64> = (0..n*36).map(|i| (i as f64 * 0.37).sin()).collect();
            let bv: Vec<f64> = (0..36).map(|i| (i as f64 * 0.77).cos()).collect();
            let tape = Tape::compile(&graph, vec![Tensor::f64([n, 1, 3, 1, 3, 2, 2], &av).unwrap(), Tensor::f64([1, 3, 1, 3, 1, 2, 2], &bv).unwrap()]).unwrap();
            let mut out = vec![0.0; n * 81 * 4];
            let mut ws = r.workspace();
            r.forward(&mut ws, &[(&av).into(), (&bv).into()], &mut [(&mut out).into()]).unwrap();
            assert_eq!(tape.outputs()[0].as_f64().unwrap(), &out[..]);
        }
    }
}
