//! Attributes, constants, names and types at their edges.

use crate::{assert_same, round_trip};
use cotangent::ops::{Elements, Literal, make};
use cotangent::{Builder, Graph, KeepDims, Shape, dtype};

/// Bit patterns that decimal text gets wrong first.
const F64_BITS: &[u64] = &[
    0,
    1 << 63,
    1,
    0x8000_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x4340_0000_0000_0000,
    0x4340_0000_0000_0001,
    0x4341_c379_37e0_8000,
    0x3fb9_9999_9999_999a,
    0x44b5_2d02_c7e1_4af6,
];

/// A stream of well-mixed bits (splitmix64).
pub fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn floats_keep_their_bits() {
    let mut seed = 7;
    let random: Vec<u64> = (0..20_000).map(|_| mix(&mut seed)).collect();
    let wide: Vec<f64> = F64_BITS.iter().chain(&random).map(|&b| f64::from_bits(b)).collect();
    let narrow: Vec<f32> =
        F64_BITS.iter().chain(&random).map(|&b| f32::from_bits((b >> 32) as u32)).collect();
    let g = Builder::new();
    let graph = g.finish(&[g.constant(&wide), g.constant(&narrow)]).unwrap();
    // Ops compare constants by bits.
    let text = round_trip(&graph);
    assert!(text.contains("[0, -0, 5e-324, -5e-324, "), "{}", &text[..200]);
    assert!(text.contains(", inf, -inf, nan, nan:0xfff8000000000000, nan:0x7ff0000000000001, "));
    assert!(text.contains(", 9007199254740992, 9007199254740994, 1e16, 0.1, 1e23, "));
}

#[test]
fn constants_of_every_type() {
    let g = Builder::new();
    let outputs = [
        g.constant([i64::MIN, -1, 0, i64::MAX]),
        g.constant([true, false]),
        g.constant_of([2, 2], [1.5f32, -0.0, f32::MAX, f32::from_bits(1)]),
        g.constant(Vec::<f64>::new()),
        g.constant_of([0, 3], Vec::<bool>::new()),
        g.constant_of([3, 0], [7.0f64]),
        g.full(dtype::f32, [1000, 1000, 1000], 0.25),
        g.scalar(-0.0),
    ];
    let text = round_trip(&g.finish(&outputs).unwrap());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "%0 = const {data=[-9223372036854775808, -1, 0, 9223372036854775807]}: i64[4]");
    assert_eq!(lines[2], "%1 = const {data=[true, false]}: bool[2]");
    assert_eq!(lines[3], "%2 = const {data=[1.5, -0, 3.4028235e38, 1e-45]}: f32[2,2]");
    assert_eq!(lines[4], "%3 = const {data=[]}: f64[0]");
    assert_eq!(lines[6], "%5 = const {data=[7]}: f64[3,0]");
    assert_eq!(lines[7], "%6 = const {data=[0.25]}: f32[1000,1000,1000]");
    assert_eq!(lines[8], "%7 = const {data=[-0]}: f64[]");
}

#[test]
fn attributes_at_their_edges() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2, 3]);
    let s = g.input("s", dtype::f64, ());
    let payload = f64::from_bits(0x7ff8_dead_beef_0001);
    let mut outputs: Vec<_> =
        [f64::NAN, -f64::NAN, payload, -0.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MAX]
            .map(|v| x.scale(v))
            .to_vec();
    outputs.push(s.sum_over(&[], KeepDims::Yes));
    outputs.push(s.reshape(()));
    outputs.push(s.permute(&[]));
    outputs.push(s.pad(&[], f64::NAN));
    outputs.push(x.powi(i32::MIN));
    outputs.push(x.clamp(f64::NEG_INFINITY, -0.0));
    outputs.push(x.cast(dtype::bool));
    outputs.extend(x.split(-1, &[0, 1, 2]));
    let text = round_trip(&g.finish(&outputs).unwrap());
    for part in [
        "{factor=nan}",
        "{factor=nan:0xfff8000000000000}",
        "{factor=nan:0x7ff8deadbeef0001}",
        "{factor=-0}",
        "{factor=-inf}",
        "{factor=5e-324}",
        "{factor=1.7976931348623157e308}",
        "{axes=[], keepdims=true}",
        "{shape=[]}",
        "{lo=[], hi=[], interior=[], value=nan}",
        "{exponent=-2147483648}",
        "{min=-inf, max=-0}",
        "{dtype=bool}",
        "%17 %18 %19 = split %0 {axis=1, sizes=[0,1,2]}: f64[2,0] f64[2,1] f64[2,2]",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn names_of_any_characters() {
    let all: String =
        (0..0x300).chain([0x2028, 0xfeff, 0x1f600, 0x10ffff]).filter_map(char::from_u32).collect();
    let names = [
        "w",
        "a \"quoted\" name",
        "two\nlines\r\n",
        "back\\slash\\",
        "# no comment",
        "",
        "",
        "%0 = neg",
        &all,
    ];
    let g = Builder::new();
    let inputs: Vec<_> = names.iter().map(|name| g.input(name, dtype::f32, [1])).collect();
    let text = round_trip(&g.finish(&inputs).unwrap());
    assert_eq!(text.lines().count(), 2 + names.len(), "one line per statement");
    assert!(text.contains(r#"input %1 "a \"quoted\" name": f32[1]"#));
    assert!(text.contains(r#"input %2 "two\nlines\r\n": f32[1]"#));
    assert!(text.contains(r"\u{0}\u{1}"));
}

#[test]
fn outputs_of_any_kind() {
    let g = Builder::new();
    let x = g.input("x", dtype::f64, [2]);
    let y = -x;
    assert!(round_trip(&g.finish(&[]).unwrap()).ends_with("\noutput\n"));
    assert!(round_trip(&g.finish(&[y, x, y]).unwrap()).ends_with("\noutput %1 %0 %1\n"));
    assert_eq!(round_trip(&Builder::new().finish(&[]).unwrap()), "cotangent graph v1\noutput\n");
}

#[test]
fn shapes_as_large_as_authoring_allows() {
    let g = Builder::new();
    let x = g.input("x", dtype::bool, [1 << 20, 1 << 20]);
    let y = g.input("y", dtype::f64, [1_000_000_000]);
    let z = g.input("z", dtype::f64, Shape::new(&[1; 64]));
    round_trip(&g.finish(&[x, y, y.sum(), z.sum()]).unwrap());
}

#[test]
fn layout_is_free() {
    let plain = "cotangent graph v1\ninput %0 \"w # w\": f64[2,1]\n%1 = const {data=[1, -2.5]}: f64[2,1]\n\
                 %2 %3 = split %0 {axis=0, sizes=[1,1]}: f64[1,1] f64[1,1]\n%4 = sum %1 {axes=[0], keepdims=true}: \
                 f64[1,1]\noutput %4 %2\n";
    let loose = "# a graph\r\n\r\n  cotangent\tgraph v1 # v1\n\ninput%0\"w # w\":f64[ 2 , 1 ]\r\n\
                 %1=const{data=[1.0,-25e-1]}:f64[2,1]# two\n\t%2 %3 = split %0 { sizes = [ 1 , 1 ] , axis = 0 } : \
                 f64 [1,1] f64[1,1]\n%4=sum%1{keepdims=true,axes=[0]}:f64[1,1]\noutput %4\noutput %2\n # the end";
    let (a, b): (Graph, Graph) = (plain.parse().unwrap(), loose.parse().unwrap());
    assert_same(&a, &b);
    assert_eq!(b.to_string(), plain);
}

#[test]
fn elements_with_a_type_of_their_own() {
    let text = "cotangent graph v1\n%0 = const {data=i64[2] [1, 2]}: i64[2]\noutput %0\n";
    let graph = Graph::parse(text).unwrap();
    assert_eq!(graph.to_string(), text.replace("i64[2] [", "["));
    // A literal of one element stands for a filled tensor, also when it is read.
    let filled = Literal::new([3], Elements::I64(vec![4])).unwrap();
    let g = Builder::new();
    let c = g.apply(make::constant(filled), &[]);
    assert!(round_trip(&g.finish(&[c]).unwrap()).contains("const {data=[4]}: i64[3]"));
}
