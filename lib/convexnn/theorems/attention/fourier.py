"""The Fourier neural operator, whole and in blocks: a circular convolution over the tokens, then output weights.

    f = sum_j s(circ(X) w1_j) w2_j',   circ(X) = [X, shift X, ..., shift^(s-1) X]   (s, s d),   Z (s d, c)

The network convolves by the discrete Fourier transform, the lifted program by `circ`: two roads to one map. Weight
decay is on the spatial kernel; on unnormalised Fourier weights it would be s times as large. With B blocks (AFNO)
features and outputs are cut in B pieces and the penalty is a sum of B nuclear norms.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convexnn.theorems.attention.baselines import Tokenwise


@dataclass(frozen=True)
class Fourier(Tokenwise):
    """p = s d / B, q = c / B; a kernel's index is (shift, feature)."""

    name: str = "fno"

    def rows(self, X: Tensor) -> Tensor:
        shifts = torch.stack([X.roll(k, 1) for k in range(X.shape[1])], 2)  # (n, s, shift, d)
        n, s, _, _d = shifts.shape
        return shifts.reshape(n, s, s, self.blocks, -1).transpose(2, 3).flatten(3)

    def sides(self, s: int, d: int, c: int) -> tuple[int, int]:
        p, q = super().sides(s, d, c)
        return s * p, q

    def mix(self, X: Tensor, left: Tensor) -> Tensor:
        n, s, _ = X.shape
        signal = torch.fft.fft(X.reshape(n, s, self.blocks, -1), dim=1)
        kernel = torch.fft.fft(left.reshape(*left.shape[:3], s, -1), dim=3)
        return torch.fft.ifft(torch.einsum("nqbr,gbmqr->nqgbm", signal, kernel), dim=1).real.transpose(1, 2)
