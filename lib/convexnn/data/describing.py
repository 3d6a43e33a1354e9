"""`describe`: one paragraph on a set, from the manifest alone."""

from __future__ import annotations

from convexnn.data import cache, shipping
from convexnn.data.manifest import entry


def describe(name: str) -> str:
    """Title, arrays, classes, facts, citation, licence, sources, and what is already on this machine."""
    row = entry(name)
    arrays = ", ".join(f"{key} {list(fact.shape)} {fact.dtype}" for key, fact in row.arrays.items())
    few = ", ".join(row.classes[:12]) + (", ..." if len(row.classes) > 12 else "")
    lines = [
        f"{name}: {row.title}",
        f"  arrays    {arrays}",
        f"  classes   {len(row.classes)}: {few}" if row.classes else "  classes   none",
        *(f"  {key:9s} {value}" for key, value in row.facts.items()),
        f"  cite      {row.citation}",
        f"  licence   {row.licence}",
        *(f"  source    {source}" for source in row.sources),
    ]
    if shipping.has(name):
        lines.append(f"  shipped   {shipping.shipped()[name]}")
    lines.append(f"  cached    {'yes' if cache.array_file(name).exists() else 'no'}")
    return "\n".join(lines)
