"""sympy: expressions count by their parts, not by cached assumptions."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import sympy as sp
from sympy.physics.units import meter, second

from funes import hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

#: This code also runs in other processes.
EXPRESSIONS = """
import sympy as sp
from sympy.physics.units import meter, second
x, y = sp.symbols("x y")
f = sp.Function("f")
values = [
    x, y, sp.Symbol("x", positive=True), sp.Symbol("x", commutative=False), sp.Wild("x"),
    x + y, x * y, x - y, x / y, x ** y, y ** x, x + 1, x + 2, 2 * x, -x, x**2 + 2*x*y + 1,
    sp.Integer(3), sp.Integer(-3), sp.Rational(1, 3), sp.Float("0.1"), sp.Float("0.1", 30),
    sp.S.Zero, sp.S.One, sp.S.Half, sp.pi, sp.E, sp.I, sp.oo, -sp.oo, sp.zoo, sp.nan, sp.true, sp.false,
    sp.sin(x), sp.cos(x), sp.sin(y), sp.exp(x), sp.log(x), sp.Abs(x), sp.sqrt(x),
    f, f(x), f(y), f(x, y), sp.Function("g")(x), sp.Function("f", positive=True)(x), sp.sin,
    f(x).diff(x), f(x).diff(x, 2), sp.Integral(f(x), x), sp.Integral(f(x), (x, 0, 1)), sp.Sum(x, (x, 1, y)),
    sp.Eq(x, y), sp.Ne(x, y), x < y, x <= y, sp.And(x > 1, y > 2), sp.Or(x > 1, y > 2),
    sp.Lambda(x, x**2), sp.Lambda(y, x**2), sp.Piecewise((x, x > 0), (y, True)),
    sp.Poly(x**2 + 1, x), sp.Poly(x**2 + 1, x, modulus=5), sp.Poly(x**2 + 1, x, domain="QQ"), sp.Poly(x, x, y),
    sp.Matrix([[1, x], [y, 2]]), sp.Matrix([[1, x, y, 2]]), sp.ImmutableMatrix([[1, x], [y, 2]]),
    sp.SparseMatrix(2, 2, {(0, 1): x}), sp.zeros(2, 3), sp.zeros(3, 2), sp.Array([[1, 2], [3, x]]),
    sp.MatrixSymbol("M", 2, 2), sp.MatrixSymbol("M", 2, 3), sp.IndexedBase("A")[sp.Idx("i")],
    sp.FiniteSet(x, y, 1, 2), sp.Interval(0, 1), sp.Interval.open(0, 1), sp.S.Reals, sp.EmptySet,
    sp.Tuple(x, y), sp.Dict({x: 1, y: 2}), sp.Point(1, 2), sp.combinatorics.Permutation([1, 0, 2]),
    sp.combinatorics.Permutation([1, 2, 0]), meter, second, 3 * meter, sp.Order(x), sp.rootof(x**5 - x + 1, 0),
    sp.ZZ, sp.QQ,
]
"""


@pytest.fixture
def values() -> list[object]:
    made: dict[str, list[object]] = {}
    exec(EXPRESSIONS, made)
    return made["values"]


def test_expressions_differ(values: list[object]) -> None:
    assert_all_differ([*values, 3, 0.1, "x", True])


def test_an_expression_equals_its_pickle(values: list[object]) -> None:
    for value in values:
        if not isinstance(value, sp.Poly):  # copied, a polynomial forgets its domain
            assert_all_equal([value, copy.copy(value), pickle.loads(pickle.dumps(value))])


def test_equal_expressions_have_equal_hashes() -> None:
    x, y = sp.symbols("x y")
    assert_all_equal([x + y, y + x, sp.expand((x + y) ** 2 / (x + y)).simplify(), 2 * x + y - x])
    assert_all_equal([sp.Integer(4), sp.Rational(8, 2), sp.sqrt(16), sp.sympify("4")])
    assert_all_equal([sp.sympify("sin(x)**2 + y"), y + sp.sin(x) ** 2])
    assert_all_equal([sp.Matrix([[1, x]]), sp.Matrix([[0, x]]) + sp.Matrix([[1, 0]])])
    assert_all_equal([sp.Matrix([[1, 2]]), sp.Matrix([[x, 2]]).subs(x, 1), sp.Matrix([2, 4]).T / 2])
    assert_all_equal(
        [sp.Poly(x**2 + 1, x), sp.Poly((x + 1) ** 2 - 2 * x, x), sp.Poly([1, 0, 1], x)]
    )


def test_order_of_commutative_arguments_does_not_count() -> None:
    x, y, z = sp.symbols("x y z")
    pairs = [
        (x + y, y + x),
        (x * y, y * x),
        (x + y + z, z + (y + x)),
        ((x + y) * z, z * (y + x)),
        (sp.FiniteSet(x, y), sp.FiniteSet(y, x)),
        (sp.And(x > 1, y > 1), sp.And(y > 1, x > 1)),
        (
            sp.Union(sp.Interval(0, x), sp.Interval(y, 3)),
            sp.Union(sp.Interval(y, 3), sp.Interval(0, x)),
        ),
        (sp.Max(x, y), sp.Max(y, x)),
        (sp.Dict({x: 1, y: 2}), sp.Dict({y: 2, x: 1})),
        (sp.expand((x + y + z) ** 3), sp.expand((z + y + x) ** 3)),
    ]
    for pair in pairs:
        assert_all_equal(pair)
    a, b = sp.symbols("a b", commutative=False)
    assert_all_equal([a + b, b + a])
    assert_all_differ(
        [a * b, b * a, a + b, sp.Tuple(x, y), sp.Tuple(y, x), x - y, y - x, x / y, y / x]
    )


def test_properties_of_wild_symbols_count() -> None:
    x, y = sp.symbols("x y")
    options: list[dict[str, list[object]]] = [
        {},
        {"exclude": [x]},
        {"exclude": [y]},
        {"properties": [positive]},
        {"properties": [negative]},
    ]
    assert_all_differ(sp.Wild("w", **option) for option in options)
    assert_all_differ(sp.Wild("w", **option) + 1 for option in options)
    assert_all_equal(sp.Wild("w", exclude=[x]) for _ in range(2))
    assert_all_differ([sp.WildFunction("f"), sp.WildFunction("f", nargs=2)])


def positive(value: sp.Expr) -> bool:
    return bool(value.is_positive)


def negative(value: sp.Expr) -> bool:
    return bool(value.is_negative)


def test_rings_count_by_symbols_domain_and_order() -> None:
    x, y = sp.symbols("x y")
    ring, element = sp.ring("x", sp.ZZ)
    power = element**5 * (element + 1)
    assert_all_equal([ring, sp.ring("x", sp.ZZ)[0], power.ring])
    assert_all_equal([element, sp.ring("x", sp.ZZ)[1]])
    assert_all_equal([sp.Poly(x + y, x), sp.Poly(y + x, x)])
    assert_all_differ(
        [
            *[ring, element, power, sp.ring("x", sp.QQ)[0], sp.ring("x,y", sp.ZZ)[0]],
            *[sp.ring("x,y", sp.ZZ, order)[0] for order in ("grlex", "grevlex")],
            *[sp.Poly(x + y, x), sp.Poly(x + y, y), sp.Poly(x + y, x, y), sp.Poly(x + y, y, x)],
            *[sp.ZZ[x], sp.ZZ[y], sp.QQ[x], sp.QQ.frac_field(x), sp.GF(5), sp.GF(7)],
        ]
    )


def test_lazy_attributes_of_fields_do_not_count() -> None:
    field = sp.QQ.algebraic_field(sp.sqrt(2))
    before = hash_value(field)
    field.maximal_order(), field.discriminant(), field.primes_above(2)
    assert hash_value(field) == before != hash_value(sp.QQ.algebraic_field(sp.sqrt(3)))


def test_cached_assumptions_do_not_count(values: list[object]) -> None:
    before = [hash_value(value) for value in values]
    for value in values:
        if type(value).__hash__ is not None:
            hash(value)
        for question in ("is_positive", "is_real", "is_finite", "free_symbols"):
            getattr(value, question, None)
    assert [hash_value(value) for value in values] == before


def test_dummies_differ_from_each_other() -> None:
    one, two = sp.Dummy("d"), sp.Dummy("d")
    assert_all_differ([one, two, sp.Symbol("d")])
    assert_all_equal([one, pickle.loads(pickle.dumps(one))])


def test_a_changed_matrix_has_another_hash() -> None:
    matrix = sp.Matrix([[1, 2], [3, 4]])
    before = hash_value(matrix)
    matrix[1, 0] = 5
    assert hash_value(matrix) != before


class Doubled(sp.Function):
    @classmethod
    def eval(cls, x: object) -> object:
        return 2 * x if x == 1 else None


class Tripled(sp.Function):
    @classmethod
    def eval(cls, x: object) -> object:
        return 3 * x if x == 1 else None


def test_user_defined_functions() -> None:
    x = sp.Symbol("x")
    assert_all_equal([Doubled(x), Doubled(x)])
    assert_all_differ([Doubled(x), Tripled(x), Doubled(2 * x), sp.Function("Doubled")(x)])


def test_large_expression_with_shared_parts_is_fast() -> None:
    value = sp.Symbol("x")
    for _ in range(100):
        value = sp.sin(value, evaluate=False) + sp.cos(value, evaluate=False)
    assert hash_value(value) == hash_value(value + 0)


def test_units() -> None:
    assert_all_equal([3 * meter / second, 3 * meter * second**-1])


@pytest.mark.slow
def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(run_python, EXPRESSIONS)
