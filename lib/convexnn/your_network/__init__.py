"""Your own trained network: how far from globally optimal it is, and a better one where there is one.

    from convexnn.your_network import certify_network, improve

    print(certify_network(model, X, y, beta=0.1).sentence())
    better = improve(model, X, y, beta=0.1)          # better.network, never worse than `model`

The objective is  sum over samples of the loss + beta/2 * sum of squared weights, biases counted unless biases="free".
`problem` is the training problem and its dual, `descent` finds better networks, `lower` and `own_cells` bound all of
them, `*_forms` say which modules are covered, `reading` refuses the others, `checkpoints` reads weights from a file.
"""

from convexnn.your_network.certificate import BIASES, NetworkCertificate, certify_network
from convexnn.your_network.improving import Improvement, improve
from convexnn.your_network.reading import NotCovered

__all__ = ["BIASES", "Improvement", "NetworkCertificate", "NotCovered", "certify_network", "improve"]
