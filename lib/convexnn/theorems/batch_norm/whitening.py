"""What batch normalisation hides: an orthonormal basis of the centred rows, and one direction more for the shift.

    H M = U S V'  (rank r),  U' = [U, 1/sqrt(N)],  U''U' = I;     BN(M w) = U' s,  s = (g q / |q|, a),  q = S V'w

so a normalised neuron with g^2 + a^2 = 1 is a unit neuron without bias on the rows of U'. `keep` cuts U to its first k
columns. A row x that was not there gets ( (x - mean) V S^{-1}, 1/sqrt(N) ): small singular values amplify its noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convexnn.numerics import Array, check_finite

#: Singular values of the centred rows below this share of the largest are zero.
RANK_TOL = 1e-9


@dataclass(frozen=True)
class Whitening:
    """mean (h,), V (h, r), singular values S (r,), features U' (N, r + 1); full_rank is r before any cut."""

    mean: Array
    V: Array
    S: Array
    features: Array
    full_rank: int

    @property
    def rank(self) -> int:
        """r, the number of directions kept."""
        return len(self.S)

    def apply(self, X: Array) -> Array:
        """The features of other rows under the training statistics, (.., r + 1)."""
        check_finite(X=X)
        q = (X - self.mean) @ (self.V / self.S)
        return np.concatenate([q, np.full((*q.shape[:-1], 1), len(self.features) ** -0.5)], axis=-1)

    def weights(self, S_q: Array) -> Array:
        """w = V S^{-1} s_q for columns s_q (r, m); |H M w| = |s_q|."""
        return np.asarray((self.V / self.S) @ S_q)

    def gates(self, H: Array) -> Array:
        """Gates (P, r + 1) on U' as affine gates (h + 1, P) on the rows themselves, the offset last."""
        w = self.weights(H[:, :-1].T)
        return np.vstack([w, H[:, -1] * len(self.features) ** -0.5 - self.mean @ w])


def whitening(X: Array, keep: int | None = None) -> Whitening:
    """The basis of the rows X (n, d), or of all patches X (n, K, h) together.

    keep  directions kept, those of the largest singular values; None keeps all.
    Raises ValueError when all rows are equal (nothing to normalise) or `keep` is not in 1 .. rank.
    """
    check_finite(X=X)
    if X.ndim not in (2, 3):
        raise ValueError(f"X has shape {X.shape}; batch normalisation here takes rows (n, d) or patches (n, K, h)")
    rows = X.reshape(-1, X.shape[-1])
    mean = rows.mean(0)
    U, S, Vt = np.linalg.svd(rows - mean, full_matrices=False)
    flat = 1e-14 * len(rows) * float(np.abs(rows).max(initial=0.0))
    rank = int((max(RANK_TOL * S[0], flat) < S).sum())
    if rank == 0:
        raise ValueError("all rows of X are equal: nothing is left after centring; pass rows that differ")
    k = rank if keep is None else keep
    if not (isinstance(k, int | np.integer) and 1 <= k <= rank):
        raise ValueError(f"keep is {keep!r}; the centred rows have rank {rank}: pass a number from 1 to that, or None")
    ones = np.full((len(rows), 1), len(rows) ** -0.5)
    return Whitening(mean, Vt[:k].T, S[:k], np.hstack([U[:, :k], ones]), rank)
