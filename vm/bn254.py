"""The curve of EIP-196 and EIP-197 on native code, with every point checked before it is built.

The native library aborts with a panic on a point that is not on the curve or not in the subgroup,
so membership is decided here, on Python integers.
"""

from __future__ import annotations

from typing import Any

from zksnake import _algebra

FIELD_MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
GROUP_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617

# Elements of the quadratic extension: (real part, coefficient of i), i*i = -1.
_Fp2 = tuple[int, int]
_G2Point = tuple[_Fp2, _Fp2, _Fp2]  # Jacobian coordinates; z = 0 is the point at infinity

_native: Any = _algebra.ec_bn254
_ZERO: _Fp2 = (0, 0)
_INFINITY: _G2Point = ((1, 0), (1, 0), _ZERO)


class NotOnCurve(ValueError):
    """Coordinates that are no point of the group."""


def g1_point(x: int, y: int) -> Any:
    """Return the native G1 point with these coordinates; (0, 0) is the point at infinity.

    Raises
    ------
    NotOnCurve
    """
    if x >= FIELD_MODULUS or y >= FIELD_MODULUS:
        raise NotOnCurve
    if x == y == 0:
        return _native.PointG1.identity()
    if (y * y - x * x * x - 3) % FIELD_MODULUS:
        raise NotOnCurve
    return _native.PointG1(x, y)


def g1_coordinates(point: Any) -> tuple[int, int]:
    """Return x and y; (0, 0) for the point at infinity."""
    return (0, 0) if point.is_zero() else (int(point.x), int(point.y))


def g2_point(x: _Fp2, y: _Fp2) -> Any | None:
    """Return the native G2 point, or None for the point at infinity.

    Raises
    ------
    NotOnCurve
        Also for a point of the twist outside the subgroup.
    """
    if max(*x, *y) >= FIELD_MODULUS:
        raise NotOnCurve
    if x == y == _ZERO:
        return None
    right = _add(_mul(_mul(x, x), x), _TWIST_B)
    if _mul(y, y) != right or not _in_subgroup((x, y, (1, 0))):
        raise NotOnCurve
    return _native.PointG2(*x, *y)


def pairing_product_is_one(pairs: list[tuple[Any, Any | None]]) -> bool:
    """Return whether the product of the pairings of these points is one."""
    present = [(g1, g2) for g1, g2 in pairs if g2 is not None and not g1.is_zero()]
    if not present:
        return True
    product = _native.multi_pairing([g1 for g1, _ in present], [g2 for _, g2 in present])
    return str(product) == _ONE


def _add(a: _Fp2, b: _Fp2) -> _Fp2:
    return (a[0] + b[0]) % FIELD_MODULUS, (a[1] + b[1]) % FIELD_MODULUS


def _sub(a: _Fp2, b: _Fp2) -> _Fp2:
    return (a[0] - b[0]) % FIELD_MODULUS, (a[1] - b[1]) % FIELD_MODULUS


def _mul(a: _Fp2, b: _Fp2) -> _Fp2:
    real = a[0] * b[0] - a[1] * b[1]
    return real % FIELD_MODULUS, (a[0] * b[1] + a[1] * b[0]) % FIELD_MODULUS


def _scale(a: _Fp2, factor: int) -> _Fp2:
    return a[0] * factor % FIELD_MODULUS, a[1] * factor % FIELD_MODULUS


def _double(point: _G2Point) -> _G2Point:
    x, y, z = point
    yy = _mul(y, y)
    s = _scale(_mul(x, yy), 4)
    m = _scale(_mul(x, x), 3)
    new_x = _sub(_mul(m, m), _scale(s, 2))
    new_y = _sub(_mul(m, _sub(s, new_x)), _scale(_mul(yy, yy), 8))
    return new_x, new_y, _scale(_mul(y, z), 2)


def _sum(p: _G2Point, q: _G2Point) -> _G2Point:
    if p[2] == _ZERO or q[2] == _ZERO:
        return q if p[2] == _ZERO else p
    z1z1, z2z2 = _mul(p[2], p[2]), _mul(q[2], q[2])
    u1, u2 = _mul(p[0], z2z2), _mul(q[0], z1z1)
    s1, s2 = _mul(p[1], _mul(q[2], z2z2)), _mul(q[1], _mul(p[2], z1z1))
    if u1 == u2:
        return _double(p) if s1 == s2 else _INFINITY
    h, r = _sub(u2, u1), _sub(s2, s1)
    hh = _mul(h, h)
    hhh, v = _mul(h, hh), _mul(u1, hh)
    x = _sub(_sub(_mul(r, r), hhh), _scale(v, 2))
    y = _sub(_mul(r, _sub(v, x)), _mul(s1, hhh))
    return x, y, _mul(_mul(p[2], q[2]), h)


def _in_subgroup(point: _G2Point) -> bool:
    """Whether the group order takes the point to infinity (double and add, most bit first)."""
    result = _INFINITY
    for bit in f"{GROUP_ORDER:b}":
        result = _double(result)
        if bit == "1":
            result = _sum(result, point)
    return result[2] == _ZERO


def _twist_constant() -> _Fp2:
    """Return 3 / (9 + i), the constant of the twist's equation."""
    norm_inverse = pow(82, -1, FIELD_MODULUS)
    return 27 * norm_inverse % FIELD_MODULUS, -3 * norm_inverse % FIELD_MODULUS


_TWIST_B = _twist_constant()
_ONE = str(_native.multi_pairing([], []))
