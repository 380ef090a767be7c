"""What stands before a value's name: a swatch of a colour, a small drawing of a sleeve, a patch of a pattern."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import ImageColor

# How a colour of a garment looks; others by the name that the web has for them.
SWATCHES = {
    "black": "#1c1c1e",
    "white": "#ffffff",
    "gray": "#9a9da3",
    "charcoal": "#44474d",
    "navy": "#1f2d57",
    "indigo": "#38348a",
    "blue": "#2f6fd0",
    "light blue": "#9ec5ee",
    "red": "#d0312d",
    "maroon": "#7b1e2b",
    "pink": "#f19bb6",
    "purple": "#7a4aa8",
    "green": "#2f8f4e",
    "olive": "#76783a",
    "yellow": "#f2c928",
    "beige": "#dccbaa",
    "brown": "#7a5233",
    "orange": "#ee8130",
}

# Length of the sleeve, as a share of a long one; by it the values are ordered, and drawn.
SLEEVES = {
    "strapless": -0.2,  # nothing to hang it from
    "spaghetti": -0.1,
    "sleeveless": 0.0,
    "extra short": 0.2,
    "short": 0.36,
    "elbow": 0.52,
    "3/4": 0.74,
    "long": 1.0,
    "extra long": 1.16,
}

_BANDS = "M2 6 H18 M2 11 H18 M2 16 H18"
_DOTS = "".join(f"M{x} {y} h0.01" for y in (6, 11, 16) for x in ((6, 14) if y == 11 else (4, 10, 16)))
# Lines on a patch of 20 x 22, by the pattern, and how wide they are.
PATTERNS: dict[str, tuple[str, float]] = {
    "plain": ("", 1.0),
    "striped": (_BANDS, 2.0),
    "pinstriped": ("M4 3 V19 M8 3 V19 M12 3 V19 M16 3 V19", 0.8),
    "checked": (_BANDS + " M5 3 V19 M10 3 V19 M15 3 V19", 1.4),
    "polka dot": (_DOTS, 3.2),
    "herringbone": ("M2 8 L6 4 L10 8 L14 4 L18 8 M2 13 L6 9 L10 13 L14 9 L18 13 M2 18 L6 14 L10 18 L14 14 L18 18", 1.2),
}


def swatch(colour: str) -> str:
    """A dot of that colour as HTML; empty for a colour that nobody knows."""
    shade = SWATCHES.get(colour)
    if shade is None:
        try:
            shade = "#{:02x}{:02x}{:02x}".format(*ImageColor.getrgb(colour.replace(" ", "")))
        except ValueError:
            return ""
    return f'<span class="swatch" style="background:{shade}" aria-hidden="true"></span>'


def sleeve(value: str) -> str:
    """A garment with such sleeves as HTML; empty for one that nobody can draw."""
    length = SLEEVES.get(value)
    if length is None:
        return ""
    shoulder = {"strapless": 9.0, "spaghetti": 8.5}.get(value, 5.0)
    inset = 9.2 if value in ("strapless", "spaghetti") else 8.6
    shape = f"M{inset} {shoulder} L{24 - inset} {shoulder} L16.5 9.5 L16.5 23 L7.5 23 L7.5 9.5 Z"
    parts = [f'<path d="{shape}"/>']
    if value == "spaghetti":
        parts.append('<path d="M9.4 8.6 L9.4 3.4 M14.6 8.6 L14.6 3.4" fill="none"/>')
    if length > 0:
        dx, dy = 6.0 * length, 15.0 * length
        for side in (-1, 1):
            x = 12 + side * 3.4
            outer, inner = x + side * dx + side * 1.6, x + side * dx * 0.9 - side * 1.6 + side * 1.2
            parts.append(
                f'<path d="M{x:.1f} 5 L{outer + side:.1f} {5 + dy:.1f} L{inner - side:.1f} {5.9 + dy:.1f} '
                f'L{12 + side * 4.5:.1f} 10.4 Z"/>'
            )
    return f'<svg class="drawing" viewBox="0 0 24 26" aria-hidden="true">{"".join(parts)}</svg>'


def pattern(value: str) -> str:
    """A patch of such cloth as HTML; empty for one that nobody can draw."""
    if value not in PATTERNS:
        return ""
    lines, width = PATTERNS[value]
    drawn = f'<path d="{lines}" fill="none" stroke-linecap="round" stroke-width="{width}"/>' if lines else ""
    patch = '<rect x="1" y="2" width="18" height="18" rx="3"/>'
    return f'<svg class="drawing" viewBox="0 0 20 22" aria-hidden="true">{patch}{drawn}</svg>'


def in_size(attribute: str, values: Sequence[str]) -> list[str]:
    """The values in the order in which they grow, where they do: sleeves from none to the longest."""
    return sorted(values, key=lambda v: SLEEVES.get(v, 0)) if attribute == "sleeve" else list(values)


def drawing(attribute: str, value: str) -> str:
    """What stands before this value's name; may be nothing."""
    return {"color": swatch, "sleeve": sleeve, "pattern": pattern}.get(attribute, lambda _: "")(value)
