"""Lower bounds on the training problem over ALL patterns: valid upper bounds on M(v), and what they are worth.

    p* >= dual(t v)  for every v and t with  t M(v) <= beta,     M(v) = max_{|u| <= 1} |v'(Xu)_+| = max(M+(v), M+(-v))

Only upper bounds on M count: the value at sampled directions or on sampled patterns never does. `network_bound` tries
the cheap relaxation first and the exact methods while the budget lasts; it can stop at any time with what it has.
Bias "regularised": append a column of ones to X before the call. Tests: tests/bounds/.
"""

from convexnn.bounds.network import METHODS, NetworkBound, maximum, network_bound
from convexnn.bounds.zonotope import Bound, Zonotopes, zonotopes

__all__ = ["METHODS", "Bound", "NetworkBound", "Zonotopes", "maximum", "network_bound", "zonotopes"]
